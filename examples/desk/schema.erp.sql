CREATE TABLE tb_mbr (
  mbr_no INT PRIMARY KEY,
  mbr_nm VARCHAR(40),
  grade  CHAR(2),
  email  VARCHAR(80)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;
CREATE TABLE tb_ord (
  ord_no INT PRIMARY KEY,
  mbr_no INT,
  amt    DECIMAL(12,2),
  ord_st VARCHAR(10)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;
INSERT INTO tb_mbr VALUES (1, '김민아', 'G', 'Mina@example.com'), (2, '이준호', 'S', 'junho@example.com'), (3, '박서연', 'S', NULL);
INSERT INTO tb_ord VALUES (10, 1, 120.50, 'DONE'), (11, 1, 80, 'CANCEL'), (12, 2, 33.30, 'DONE'), (13, 3, 5, 'NEW');
