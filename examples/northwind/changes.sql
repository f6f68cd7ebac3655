-- What happens at the company while the engine runs; every line reaches the service.
UPDATE orders SET shipped_date = '2024-08-12', ship_via = 2 WHERE order_id = 10250;
INSERT INTO order_details VALUES (10251, 3, 22.5, 4, 0.1), (10251, 1, 18, 2, 0);
UPDATE order_details SET discount = 0.25 WHERE order_id = 10250 AND product_id = 4;
UPDATE shippers SET company_name = '한라산 택배' WHERE shipper_id = 2;
UPDATE products SET category_id = 1 WHERE product_id = 4;
DELETE FROM employee_territories WHERE employee_id = 2 AND territory_id = '01581';
INSERT INTO orders (order_id, customer_id, employee_id, order_date, ship_via, freight) VALUES (10252, 'ARIRG', 3, '2024-09-01', 1, 7.45);
INSERT INTO order_details VALUES (10252, 2, 21.35, 1, 0);
UPDATE orders SET customer_id = 'NOORD' WHERE order_id = 10249;
