-- The order domain of an OpenCart 3 shop: its tables and columns by name and type, with a few rows of a small tea shop.
-- OpenCart makes MyISAM tables unless told otherwise; this shop was converted to InnoDB, as most that outgrew one machine were.
SET SESSION sql_mode = '';               -- as OpenCart's own connections do

CREATE TABLE oc_language (
  language_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name        VARCHAR(32) NOT NULL,
  code        VARCHAR(5)  NOT NULL,
  locale      VARCHAR(255) NOT NULL,
  sort_order  INT NOT NULL DEFAULT 0,
  status      TINYINT(1) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_currency (
  currency_id   INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  title         VARCHAR(32) NOT NULL,
  code          VARCHAR(3)  NOT NULL,
  symbol_left   VARCHAR(12) NOT NULL,
  symbol_right  VARCHAR(12) NOT NULL,
  decimal_place CHAR(1) NOT NULL,
  value         DOUBLE(15,8) NOT NULL,
  status        TINYINT(1) NOT NULL,
  date_modified DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_country (
  country_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(128) NOT NULL,
  iso_code_2 VARCHAR(2) NOT NULL,
  iso_code_3 VARCHAR(3) NOT NULL,
  status     TINYINT(1) NOT NULL DEFAULT 1
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_zone (
  zone_id    INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  country_id INT NOT NULL,
  name       VARCHAR(128) NOT NULL,
  code       VARCHAR(32) NOT NULL,
  status     TINYINT(1) NOT NULL DEFAULT 1
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_customer_group_description (
  customer_group_id INT NOT NULL,
  language_id       INT NOT NULL,
  name              VARCHAR(32) NOT NULL,
  description       TEXT NOT NULL,
  PRIMARY KEY (customer_group_id, language_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_customer (
  customer_id       INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_group_id INT NOT NULL,
  store_id          INT NOT NULL DEFAULT 0,
  language_id       INT NOT NULL,
  firstname         VARCHAR(32) NOT NULL,
  lastname          VARCHAR(32) NOT NULL,
  email             VARCHAR(96) NOT NULL,
  telephone         VARCHAR(32) NOT NULL,
  newsletter        TINYINT(1) NOT NULL DEFAULT 0,
  address_id        INT NOT NULL DEFAULT 0,
  ip                VARCHAR(40) NOT NULL,
  status            TINYINT(1) NOT NULL,
  safe              TINYINT(1) NOT NULL,
  date_added        DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_product (
  product_id      INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  model           VARCHAR(64) NOT NULL,
  sku             VARCHAR(64) NOT NULL,
  quantity        INT(4) NOT NULL DEFAULT 0,
  manufacturer_id INT NOT NULL DEFAULT 0,
  price           DECIMAL(15,4) NOT NULL DEFAULT 0.0000,
  date_available  DATE NOT NULL DEFAULT '0000-00-00',
  weight          DECIMAL(15,8) NOT NULL DEFAULT 0.00000000,
  status          TINYINT(1) NOT NULL DEFAULT 0,
  date_added      DATETIME NOT NULL,
  date_modified   DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_product_description (
  product_id  INT NOT NULL,
  language_id INT NOT NULL,
  name        VARCHAR(255) NOT NULL,
  description TEXT NOT NULL,
  tag         TEXT NOT NULL,
  PRIMARY KEY (product_id, language_id),
  KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_order_status (
  order_status_id INT NOT NULL AUTO_INCREMENT,
  language_id     INT NOT NULL,
  name            VARCHAR(32) NOT NULL,
  PRIMARY KEY (order_status_id, language_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_order (
  order_id            INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  invoice_no          INT NOT NULL DEFAULT 0,
  invoice_prefix      VARCHAR(26) NOT NULL,
  store_id            INT NOT NULL DEFAULT 0,
  store_name          VARCHAR(64) NOT NULL,
  customer_id         INT NOT NULL DEFAULT 0,
  customer_group_id   INT NOT NULL DEFAULT 0,
  firstname           VARCHAR(32) NOT NULL,
  lastname            VARCHAR(32) NOT NULL,
  email               VARCHAR(96) NOT NULL,
  telephone           VARCHAR(32) NOT NULL,
  payment_country_id  INT NOT NULL,
  payment_zone_id     INT NOT NULL,
  payment_method      VARCHAR(128) NOT NULL,
  payment_code        VARCHAR(128) NOT NULL,
  shipping_firstname  VARCHAR(32) NOT NULL,
  shipping_lastname   VARCHAR(32) NOT NULL,
  shipping_address_1  VARCHAR(128) NOT NULL,
  shipping_city       VARCHAR(128) NOT NULL,
  shipping_postcode   VARCHAR(10) NOT NULL,
  shipping_country_id INT NOT NULL,
  shipping_zone_id    INT NOT NULL,
  shipping_method     VARCHAR(128) NOT NULL,
  comment             TEXT NOT NULL,
  total               DECIMAL(15,4) NOT NULL DEFAULT 0.0000,
  order_status_id     INT NOT NULL DEFAULT 0 COMMENT '0: never confirmed',
  language_id         INT NOT NULL,
  currency_id         INT NOT NULL,
  currency_code       VARCHAR(3) NOT NULL,
  currency_value      DECIMAL(15,8) NOT NULL DEFAULT 1.00000000,
  ip                  VARCHAR(40) NOT NULL,
  date_added          DATETIME NOT NULL,
  date_modified       DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_order_product (
  order_product_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id   INT NOT NULL,
  product_id INT NOT NULL,
  name       VARCHAR(255) NOT NULL,
  model      VARCHAR(64) NOT NULL,
  quantity   INT(4) NOT NULL,
  price      DECIMAL(15,4) NOT NULL DEFAULT 0.0000,
  total      DECIMAL(15,4) NOT NULL DEFAULT 0.0000,
  tax        DECIMAL(15,4) NOT NULL DEFAULT 0.0000,
  reward     INT(8) NOT NULL,
  KEY order_id (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_order_option (
  order_option_id         INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id                INT NOT NULL,
  order_product_id        INT NOT NULL,
  product_option_id       INT NOT NULL,
  product_option_value_id INT NOT NULL DEFAULT 0,
  name                    VARCHAR(255) NOT NULL,
  value                   TEXT NOT NULL,
  type                    VARCHAR(32) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_order_total (
  order_total_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id   INT NOT NULL,
  code       VARCHAR(32) NOT NULL,
  title      VARCHAR(255) NOT NULL,
  value      DECIMAL(15,4) NOT NULL DEFAULT 0.0000,
  sort_order INT(3) NOT NULL,
  KEY order_id (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE oc_order_history (
  order_history_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id         INT NOT NULL,
  order_status_id  INT NOT NULL,
  notify           TINYINT(1) NOT NULL DEFAULT 0,
  comment          TEXT NOT NULL,
  date_added       DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

INSERT INTO oc_language VALUES (1, 'English', 'en-gb', 'en-US,en_US.UTF-8', 1, 1), (2, '한국어', 'ko-kr', 'ko_KR.UTF-8', 2, 1);
INSERT INTO oc_currency VALUES
  (1, 'US Dollar', 'USD', '$', '', '2', 1.00000000, 1, '2024-05-01 00:00:00'),
  (2, '대한민국 원', 'KRW', '₩', '', '0', 1371.25000000, 1, '2024-05-01 00:00:00');
INSERT INTO oc_country VALUES (113, 'Korea, Republic of', 'KR', 'KOR', 1), (223, 'United States', 'US', 'USA', 1);
INSERT INTO oc_zone VALUES (1774, 113, '서울특별시', 'SO', 1), (1775, 113, '부산광역시', 'PO', 1), (3624, 223, 'California', 'CA', 1);
INSERT INTO oc_customer_group_description VALUES (1, 1, 'Default', ''), (1, 2, '일반', ''), (2, 1, 'Wholesale', ''), (2, 2, '도매', '');
INSERT INTO oc_customer (customer_id, customer_group_id, language_id, firstname, lastname, email, telephone, newsletter, ip, status, safe, date_added) VALUES
  (1, 1, 2, '민아', '김', 'mina@example.com', '010-0000-0001', 1, '203.0.113.5', 1, 0, '2024-03-02 09:10:11'),
  (2, 2, 1, 'Ada', 'Byron', 'Ada@Example.org', '+1 555 0100', 0, '198.51.100.7', 1, 1, '2024-04-01 00:00:00'),
  (3, 1, 2, '준호', '이', 'junho@example.com', '010-0000-0003', 0, '203.0.113.9', 0, 0, '2024-05-05 23:59:59');
INSERT INTO oc_product (product_id, model, sku, quantity, price, date_available, weight, status, date_added, date_modified) VALUES
  (28, 'GREEN-100', 'T-0028', 120, 18.5000, '2023-11-01', 0.10000000, 1, '2023-11-01 08:00:00', '2024-01-01 00:00:00'),
  (29, 'BLACK-250', 'T-0029', 40, 32.9900, '0000-00-00', 0.25000000, 1, '2023-11-01 08:00:00', '2024-01-01 00:00:00'),
  (30, 'POT-1', '', 7, 89.0000, '2024-02-01', 1.20000000, 0, '2024-02-01 08:00:00', '2024-02-01 08:00:00');
INSERT INTO oc_product_description VALUES
  (28, 1, 'Green tea, 100 g', 'First flush', 'tea,green'), (28, 2, '녹차 100그램', '첫물차', '차,녹차'),
  (29, 1, 'Black tea, 250 g', '', 'tea'), (29, 2, '홍차 250그램', '', ''), (30, 1, 'Iron pot', 'Cast iron', '');
INSERT INTO oc_order_status VALUES
  (1, 1, 'Pending'), (1, 2, '대기'), (2, 1, 'Processing'), (2, 2, '처리중'), (3, 1, 'Shipped'), (3, 2, '배송중'),
  (5, 1, 'Complete'), (5, 2, '완료'), (7, 1, 'Canceled'), (7, 2, '취소');
INSERT INTO oc_order (order_id, invoice_no, invoice_prefix, store_name, customer_id, customer_group_id, firstname, lastname, email, telephone,
  payment_country_id, payment_zone_id, payment_method, payment_code, shipping_firstname, shipping_lastname, shipping_address_1, shipping_city,
  shipping_postcode, shipping_country_id, shipping_zone_id, shipping_method, comment, total, order_status_id, language_id, currency_id, currency_code,
  currency_value, ip, date_added, date_modified) VALUES
  (1001, 1, 'INV-2024-00', '찻집', 1, 1, '민아', '김', 'mina@example.com', '010-0000-0001', 113, 1774, '무통장 입금', 'bank_transfer', '민아', '김',
   '테헤란로 1', '서울', '06000', 113, 1774, '택배', '문 앞에 놓아 주세요', 42.5000, 5, 2, 2, 'KRW', 1371.25000000, '203.0.113.5',
   '2024-04-02 10:00:00', '2024-04-05 12:00:00'),
  (1002, 0, 'INV-2024-00', 'Tea House', 2, 2, 'Ada', 'Byron', 'Ada@Example.org', '+1 555 0100', 223, 3624, 'Credit Card', 'stripe', 'Ada', 'Byron',
   '1 Main St', 'Oakland', '94601', 223, 3624, 'Flat rate', '', 164.9500, 2, 1, 1, 'USD', 1.00000000, '198.51.100.7',
   '2024-05-01 18:30:00', '2024-05-01 18:31:00'),
  (1003, 0, 'INV-2024-00', 'Tea House', 0, 1, 'Guest', 'Visitor', 'guest@example.net', '', 223, 0, 'Cash On Delivery', 'cod', 'Guest', 'Visitor',
   '9 Side St', 'Fresno', '93650', 223, 0, 'Pickup', '', 37.0000, 1, 1, 1, 'USD', 1.00000000, '192.0.2.1', '2024-05-02 07:00:00', '2024-05-02 07:00:00'),
  (1004, 0, 'INV-2024-00', '찻집', 1, 1, '민아', '김', 'mina@example.com', '010-0000-0001', 113, 1774, '', '', '민아', '김', '테헤란로 1', '서울', '06000',
   113, 1774, '', '', 18.5000, 0, 2, 2, 'KRW', 1371.25000000, '203.0.113.5', '2024-05-03 11:11:11', '2024-05-03 11:11:11');
INSERT INTO oc_order_product (order_product_id, order_id, product_id, name, model, quantity, price, total, tax, reward) VALUES
  (1, 1001, 28, '녹차 100그램', 'GREEN-100', 2, 18.5000, 37.0000, 1.8500, 10), (2, 1002, 29, 'Black tea, 250 g', 'BLACK-250', 5, 32.9900, 164.9500, 0.0000, 0),
  (3, 1003, 28, 'Green tea, 100 g', 'GREEN-100', 2, 18.5000, 37.0000, 0.0000, 0), (4, 1004, 28, '녹차 100그램', 'GREEN-100', 1, 18.5000, 18.5000, 0.0000, 0);
INSERT INTO oc_order_option VALUES
  (1, 1001, 1, 11, 21, '포장', '선물 포장', 'select'), (2, 1001, 1, 12, 0, '메시지', '생일 축하해요', 'text'), (3, 1002, 2, 11, 22, 'Wrapping', 'None', 'select');
INSERT INTO oc_order_total VALUES
  (1, 1001, 'sub_total', '상품 합계', 37.0000, 1), (2, 1001, 'shipping', '택배', 3.6500, 3), (3, 1001, 'tax', '부가세', 1.8500, 5), (4, 1001, 'total', '총계', 42.5000, 9),
  (5, 1002, 'sub_total', 'Sub-Total', 164.9500, 1), (6, 1002, 'coupon', 'Coupon (SPRING)', -10.0000, 4), (7, 1002, 'shipping', 'Flat rate', 10.0000, 3),
  (8, 1002, 'total', 'Total', 164.9500, 9), (9, 1003, 'total', 'Total', 37.0000, 9);
INSERT INTO oc_order_history VALUES
  (1, 1001, 1, 1, '', '2024-04-02 10:00:00'), (2, 1001, 3, 1, '송장 1234', '2024-04-03 09:00:00'), (3, 1001, 5, 0, '', '2024-04-05 12:00:00'),
  (4, 1002, 2, 0, 'paid', '2024-05-01 18:31:00'), (5, 1003, 1, 1, '', '2024-05-02 07:00:00');
