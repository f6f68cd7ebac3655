-- The Northwind trading company in PostgreSQL: its fourteen tables by name and type, with a few rows of our own.
CREATE TABLE categories (
  category_id smallint NOT NULL PRIMARY KEY, category_name varchar(15) NOT NULL, description text, picture bytea
);
CREATE TABLE customer_demographics (customer_type_id varchar(5) NOT NULL PRIMARY KEY, customer_desc text);
CREATE TABLE customers (
  customer_id varchar(5) NOT NULL PRIMARY KEY, company_name varchar(40) NOT NULL, contact_name varchar(30), contact_title varchar(30),
  address varchar(60), city varchar(15), region varchar(15), postal_code varchar(10), country varchar(15), phone varchar(24), fax varchar(24)
);
CREATE TABLE customer_customer_demo (
  customer_id varchar(5) NOT NULL REFERENCES customers, customer_type_id varchar(5) NOT NULL REFERENCES customer_demographics,
  PRIMARY KEY (customer_id, customer_type_id)
);
CREATE TABLE employees (
  employee_id smallint NOT NULL PRIMARY KEY, last_name varchar(20) NOT NULL, first_name varchar(10) NOT NULL, title varchar(30),
  title_of_courtesy varchar(25), birth_date date, hire_date date, address varchar(60), city varchar(15), region varchar(15),
  postal_code varchar(10), country varchar(15), home_phone varchar(24), extension varchar(4), photo bytea, notes text,
  reports_to smallint REFERENCES employees, photo_path varchar(255)
);
CREATE TABLE suppliers (
  supplier_id smallint NOT NULL PRIMARY KEY, company_name varchar(40) NOT NULL, contact_name varchar(30), contact_title varchar(30),
  address varchar(60), city varchar(15), region varchar(15), postal_code varchar(10), country varchar(15), phone varchar(24), fax varchar(24),
  homepage text
);
CREATE TABLE products (
  product_id smallint NOT NULL PRIMARY KEY, product_name varchar(40) NOT NULL, supplier_id smallint REFERENCES suppliers,
  category_id smallint REFERENCES categories, quantity_per_unit varchar(20), unit_price real, units_in_stock smallint, units_on_order smallint,
  reorder_level smallint, discontinued integer NOT NULL
);
CREATE TABLE region (region_id smallint NOT NULL PRIMARY KEY, region_description varchar(60) NOT NULL);
CREATE TABLE territories (
  territory_id varchar(20) NOT NULL PRIMARY KEY, territory_description varchar(60) NOT NULL, region_id smallint NOT NULL REFERENCES region
);
CREATE TABLE employee_territories (
  employee_id smallint NOT NULL REFERENCES employees, territory_id varchar(20) NOT NULL REFERENCES territories,
  PRIMARY KEY (employee_id, territory_id)
);
CREATE TABLE shippers (shipper_id smallint NOT NULL PRIMARY KEY, company_name varchar(40) NOT NULL, phone varchar(24));
CREATE TABLE orders (
  order_id smallint NOT NULL PRIMARY KEY, customer_id varchar(5) REFERENCES customers, employee_id smallint REFERENCES employees, order_date date,
  required_date date, shipped_date date, ship_via smallint REFERENCES shippers, freight real, ship_name varchar(40), ship_address varchar(60),
  ship_city varchar(15), ship_region varchar(15), ship_postal_code varchar(10), ship_country varchar(15)
);
CREATE TABLE order_details (
  order_id smallint NOT NULL REFERENCES orders, product_id smallint NOT NULL REFERENCES products, unit_price real NOT NULL,
  quantity smallint NOT NULL, discount real NOT NULL, PRIMARY KEY (order_id, product_id)
);
CREATE TABLE us_states (state_id smallint NOT NULL PRIMARY KEY, state_name varchar(100), state_abbr varchar(2), state_region varchar(50));

INSERT INTO categories VALUES (1, 'Beverages', 'Teas and coffees', NULL), (2, '장류', '된장, 고추장, 간장', '\xDEADBEEF'), (3, 'Sweets', NULL, NULL);
INSERT INTO customer_demographics VALUES ('RETL', 'Retail'), ('WHOL', '도매');
INSERT INTO customers (customer_id, company_name, contact_name, city, region, country, phone) VALUES
  ('ARIRG', '아리랑 상회', '김민아', '서울', NULL, 'Korea', '02-000-0000'), ('BLUEB', 'Blue Bay Foods', 'Ada Byron', 'Oakland', 'CA', 'USA', '+1 555 0100'),
  ('CAFEZ', 'Café Zürich', 'Urs Meier', 'Zürich', NULL, 'Switzerland', NULL), ('NOORD', 'No Orders Yet', NULL, NULL, NULL, NULL, NULL);
INSERT INTO customer_customer_demo VALUES ('ARIRG', 'RETL'), ('BLUEB', 'WHOL'), ('BLUEB', 'RETL');
INSERT INTO employees (employee_id, last_name, first_name, title, birth_date, hire_date, city, country, extension, notes, reports_to) VALUES
  (1, '이', '준호', 'Sales Manager', '1970-12-08', '1992-05-01', '부산', 'Korea', '5467', '수석', NULL),
  (2, 'Fuller', 'Anna', 'Sales Representative', '1982-02-19', '2012-08-14', 'Seattle', 'USA', '3457', NULL, 1),
  (3, 'Park', 'Jin', 'Sales Representative', NULL, '2015-01-02', NULL, NULL, NULL, NULL, 1);
INSERT INTO suppliers (supplier_id, company_name, city, country) VALUES (1, '전주 장독대', '전주', 'Korea'), (2, 'Hill Tea Ltd.', 'Kandy', 'Sri Lanka');
INSERT INTO products VALUES
  (1, 'Hill Tea', 2, 1, '10 boxes x 20 bags', 18, 39, 0, 10, 0), (2, '된장', 1, 2, '12 x 500 g', 21.35, 17, 40, 25, 0),
  (3, '고추장', 1, 2, '12 x 500 g', 22.5, 0, 70, 25, 0), (4, 'Old Sweets', NULL, 3, NULL, 9.2, 0, 0, 0, 1);
INSERT INTO region VALUES (1, 'Eastern'), (2, '서부');
INSERT INTO territories VALUES ('01581', 'Westboro', 1), ('06000', '강남', 2), ('98104', 'Seattle', 2);
INSERT INTO employee_territories VALUES (1, '06000'), (2, '98104'), (2, '01581');
INSERT INTO shippers VALUES (1, 'Speedy', '555-0001'), (2, '한라 택배', '064-000-0000'), (3, 'United', NULL);
INSERT INTO orders (order_id, customer_id, employee_id, order_date, required_date, shipped_date, ship_via, freight, ship_name, ship_city, ship_country) VALUES
  (10248, 'ARIRG', 1, '2024-07-04', '2024-08-01', '2024-07-16', 2, 32.38, '아리랑 상회', '서울', 'Korea'),
  (10249, 'BLUEB', 2, '2024-07-05', '2024-08-16', '2024-07-10', 1, 11.61, 'Blue Bay Foods', 'Oakland', 'USA'),
  (10250, 'BLUEB', 2, '2024-08-08', '2024-08-05', NULL, 3, 65.83, 'Blue Bay Foods', 'Oakland', 'USA'),
  (10251, 'CAFEZ', NULL, '2024-08-08', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO order_details VALUES
  (10248, 1, 14, 12, 0), (10248, 2, 9.8, 10, 0.05), (10249, 3, 18.6, 9, 0), (10250, 1, 16.8, 15, 0.15), (10250, 2, 21.35, 6, 0.15), (10250, 4, 9.2, 35, 0.15);
INSERT INTO us_states VALUES (5, 'California', 'CA', 'west'), (48, 'Washington', 'WA', 'west');
