-- What happens at the shop while the engine runs; every line reaches the service.
UPDATE oc_order SET order_status_id = 1, payment_method = '신용카드', date_modified = '2024-05-03 11:20:00' WHERE order_id = 1004;
INSERT INTO oc_order_history (order_id, order_status_id, notify, comment, date_added) VALUES (1004, 1, 1, '입금 확인', '2024-05-03 11:20:00');
UPDATE oc_order_status SET name = '배송 준비' WHERE order_status_id = 2 AND language_id = 2;
UPDATE oc_order SET customer_id = 2 WHERE order_id = 1003;
UPDATE oc_product_description SET name = '우전 녹차 100그램' WHERE product_id = 28 AND language_id = 2;
INSERT INTO oc_order_total (order_id, code, title, value, sort_order) VALUES (1003, 'tax', 'Sales tax', 2.2200, 5);
DELETE FROM oc_order_option WHERE order_option_id = 2;
UPDATE oc_order_product SET quantity = 3, total = 55.5000 WHERE order_product_id = 3;
UPDATE oc_order SET order_status_id = 0 WHERE order_id = 1002;
