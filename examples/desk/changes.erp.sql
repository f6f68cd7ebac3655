START TRANSACTION;
INSERT INTO tb_mbr VALUES (9, '최지우', 'G', 'JUNHO@example.com');
INSERT INTO tb_ord VALUES (14, 9, 700, 'DONE');
UPDATE tb_ord SET ord_st = 'DONE' WHERE ord_no = 11;
COMMIT;
