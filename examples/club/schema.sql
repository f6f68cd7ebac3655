-- The legacy club: members, their plans, subscriptions and visits, in MariaDB, without a foreign key.
CREATE TABLE tb_plan (
  plan_cd   CHAR(4)        NOT NULL PRIMARY KEY COMMENT 'Plan code',
  plan_nm   VARCHAR(40)    NOT NULL,
  mon_fee   DECIMAL(10,2)  NOT NULL,
  opts      JSON           NULL COMMENT 'Options, as MariaDB keeps them: text'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE tb_mbr (
  mbr_no    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  login_id  VARCHAR(30)     NOT NULL COMMENT 'Equal without regard to case',
  mbr_nm    VARCHAR(60)     NULL,
  birth_dt  DATE            NULL COMMENT '0000-00-00: not told',
  tier      ENUM('basic','silver','gold') NOT NULL DEFAULT 'basic',
  flags     BIT(8)          NOT NULL DEFAULT b'0',
  reg_dtm   DATETIME(3)     NOT NULL,
  photo     BLOB            NULL,
  UNIQUE KEY (login_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE tb_sub (
  mbr_no    BIGINT UNSIGNED NOT NULL,
  seq       SMALLINT UNSIGNED NOT NULL,
  plan_cd   VARCHAR(6)      NULL COMMENT 'Typed by hand: any case, trailing blanks',
  start_dt  DATE            NOT NULL,
  end_dt    DATE            NULL,
  PRIMARY KEY (mbr_no, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE tb_visit (
  visit_no  INT UNSIGNED    NOT NULL AUTO_INCREMENT PRIMARY KEY,
  mbr_no    BIGINT UNSIGNED NOT NULL,
  in_dtm    DATETIME        NOT NULL,
  stay      TIME            NULL,
  KEY (mbr_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

SET SESSION sql_mode = '';
INSERT INTO tb_plan VALUES
  ('BSC', 'Basic', 29.00, '{"pool": false}'),
  ('GLD', 'Gold', 79.50, '{"pool": true, "guests": 2}'),
  ('오전', '오전 이용권', 19.90, NULL);
INSERT INTO tb_mbr (mbr_no, login_id, mbr_nm, birth_dt, tier, flags, reg_dtm, photo) VALUES
  (1, 'mina', '김민아', '1990-02-28', 'gold', b'101', '2021-03-01 09:30:00.250', x'FFD8FF00'),
  (2, 'Joon', 'Joon''s \\ Park', '0000-00-00', 'basic', b'0', '2022-07-15 18:00:00', NULL),
  (3, 'eve🙂', NULL, NULL, '', b'11111111', '2023-01-01 00:00:00', x''),
  (18446744073709551614, 'last', 'The Last', '2001-12-31', 'silver', b'1', '2024-02-29 23:59:59.999', NULL);
INSERT INTO tb_sub VALUES
  (1, 1, 'BSC', '2021-03-01', '2022-02-28'), (1, 2, 'gld ', '2022-03-01', NULL),
  (2, 1, 'bsc', '2022-07-15', NULL), (3, 1, '오전', '2023-01-01', NULL), (18446744073709551614, 1, 'none', '2024-02-29', NULL);
INSERT INTO tb_visit (mbr_no, in_dtm, stay) VALUES
  (1, '2024-05-01 07:00:00', '01:10:00'), (1, '2024-05-03 07:05:00', '00:55:30'), (2, '2024-05-03 19:00:00', NULL), (3, '2024-05-04 06:00:00', '26:00:00');
