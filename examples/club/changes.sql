-- What happens at the legacy club while the engine runs; every line reaches the service.
UPDATE tb_plan SET mon_fee = 85.00 WHERE plan_cd = 'GLD';
UPDATE tb_mbr SET login_id = 'MINA' WHERE mbr_no = 1;
UPDATE tb_mbr SET login_id = CONCAT('x', login_id) WHERE mbr_no IN (2, 3);
UPDATE tb_mbr SET mbr_no = 4 WHERE mbr_no = 3;
UPDATE tb_sub SET mbr_no = 4 WHERE mbr_no = 3;
INSERT INTO tb_visit (mbr_no, in_dtm, stay) VALUES (4, '2024-05-05 06:00:00', '00:30:00'), (2, '2024-05-05 20:00:00', '02:00:00');
INSERT INTO tb_sub VALUES (2, 2, 'GLD', '2024-05-06', NULL);
DELETE FROM tb_mbr WHERE login_id = 'last';
