-- The legacy ERP of a home-shopping company, as twenty years of maintenance left it.
-- Runs on MariaDB 10.6+ and on MySQL 5.7+; wants a session whose sql_mode allows zero dates (SET SESSION sql_mode = '').
-- No foreign keys, dates as char(8), 'Y'/'N' flags, composite keys, three MyISAM tables, one EUC-KR table, one table without a key.

-- ---------------------------------------------------------------- codes and organisation

CREATE TABLE tb_cmm_cd_grp (
  cd_grp     VARCHAR(10)  NOT NULL COMMENT '코드그룹',
  cd_grp_nm  VARCHAR(60)  NOT NULL COMMENT '코드그룹명',
  use_yn     CHAR(1)      NOT NULL DEFAULT 'Y' COMMENT '사용여부',
  PRIMARY KEY (cd_grp)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='공통코드그룹';

CREATE TABLE tb_cmm_cd (
  cd_grp     VARCHAR(10)  NOT NULL COMMENT '코드그룹',
  cd         VARCHAR(10)  NOT NULL COMMENT '코드',
  cd_nm      VARCHAR(60)  NOT NULL COMMENT '코드명',
  cd_nm_en   VARCHAR(60)           DEFAULT NULL COMMENT '코드영문명',
  sort_no    SMALLINT     NOT NULL DEFAULT 0 COMMENT '정렬순서',
  use_yn     CHAR(1)      NOT NULL DEFAULT 'Y' COMMENT '사용여부',
  mod_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '수정일시',
  PRIMARY KEY (cd_grp, cd)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='공통코드';

CREATE TABLE tb_emp (
  emp_no     CHAR(6)      NOT NULL COMMENT '사원번호',
  emp_nm     VARCHAR(40)  NOT NULL COMMENT '사원명',
  dept_cd    VARCHAR(10)           DEFAULT NULL COMMENT '부서코드',
  join_dt    CHAR(8)      NOT NULL DEFAULT '' COMMENT '입사일자',
  rtr_dt     CHAR(8)      NOT NULL DEFAULT '' COMMENT '퇴사일자',
  PRIMARY KEY (emp_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='사원(상담원)';

CREATE TABLE tb_wh (
  wh_cd      CHAR(3)      NOT NULL COMMENT '창고코드',
  wh_nm      VARCHAR(40)  NOT NULL COMMENT '창고명',
  rgn_cd     VARCHAR(10)           DEFAULT NULL COMMENT '지역코드',
  use_yn     CHAR(1)      NOT NULL DEFAULT 'Y' COMMENT '사용여부',
  PRIMARY KEY (wh_cd)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='창고';

CREATE TABLE tb_dlv_co (
  dlv_co_cd  CHAR(2)      NOT NULL COMMENT '택배사코드',
  dlv_co_nm  VARCHAR(40)  NOT NULL COMMENT '택배사명',
  trc_url    VARCHAR(120) NOT NULL DEFAULT '' COMMENT '배송조회URL',
  PRIMARY KEY (dlv_co_cd)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='택배사';

CREATE TABLE tb_pay_mtd (
  mtd_cd     CHAR(2)      NOT NULL COMMENT '결제수단코드',
  mtd_nm     VARCHAR(40)  NOT NULL COMMENT '결제수단명',
  fee_rt     DECIMAL(5,3) NOT NULL DEFAULT 0.000 COMMENT '수수료율(%)',
  use_yn     CHAR(1)      NOT NULL DEFAULT 'Y' COMMENT '사용여부',
  PRIMARY KEY (mtd_cd)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='결제수단';

-- ---------------------------------------------------------------- customers

CREATE TABLE tb_cust_grd (
  grd_cd     CHAR(1)      NOT NULL COMMENT '등급코드',
  grd_nm     VARCHAR(20)  NOT NULL COMMENT '등급명',
  pnt_rt     DECIMAL(4,2) NOT NULL DEFAULT 0.00 COMMENT '적립율(%)',
  PRIMARY KEY (grd_cd)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='고객등급';

CREATE TABLE tb_cust (
  cust_no    INT UNSIGNED NOT NULL COMMENT '고객번호',
  cust_nm    VARCHAR(40)           DEFAULT NULL COMMENT '고객명',
  grd_cd     CHAR(1)               DEFAULT NULL COMMENT '등급코드',
  brth_dt    CHAR(8)      NOT NULL DEFAULT '' COMMENT '생년월일',
  sex_cd     ENUM('M','F','') NOT NULL DEFAULT '' COMMENT '성별',
  hp_no      VARCHAR(20)  NOT NULL DEFAULT '' COMMENT '휴대폰번호',
  email      VARCHAR(80)           DEFAULT NULL COMMENT '이메일',
  join_dt    CHAR(8)      NOT NULL DEFAULT '' COMMENT '가입일자',
  wthd_de    DATE         NOT NULL DEFAULT '0000-00-00' COMMENT '탈퇴일(미탈퇴 0000-00-00)',
  mod_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '수정일시',
  PRIMARY KEY (cust_no),
  KEY ix_cust_01 (hp_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='고객';

CREATE TABLE tb_cust_addr (
  cust_no    INT UNSIGNED NOT NULL COMMENT '고객번호',
  addr_seq   SMALLINT     NOT NULL COMMENT '배송지순번',
  rcv_nm     VARCHAR(40)  NOT NULL DEFAULT '' COMMENT '수령인명',
  zip_no     VARCHAR(7)   NOT NULL DEFAULT '' COMMENT '우편번호',
  addr1      VARCHAR(100) NOT NULL DEFAULT '' COMMENT '기본주소',
  addr2      VARCHAR(100)          DEFAULT NULL COMMENT '상세주소',
  tel_no     VARCHAR(20)  NOT NULL DEFAULT '' COMMENT '전화번호',
  bas_yn     CHAR(1)      NOT NULL DEFAULT 'N' COMMENT '기본배송지여부',
  PRIMARY KEY (cust_no, addr_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='고객배송지';

-- The site's member id: typed by customers in any case, so the join is case-insensitive and ignores trailing spaces.
CREATE TABLE tb_mbr (
  mbr_id     VARCHAR(20)  NOT NULL COMMENT '회원아이디(대소문자 구분없음)',
  cust_no    INT UNSIGNED          DEFAULT NULL COMMENT '고객번호',
  mbr_st_cd  VARCHAR(10)  NOT NULL DEFAULT '10' COMMENT '회원상태코드',
  lst_lgn_dtm DATETIME    NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '최종로그인일시',
  PRIMARY KEY (mbr_id),
  KEY ix_mbr_01 (cust_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='온라인회원';

CREATE TABLE tb_pnt_hist (
  pnt_no     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT '적립금번호',
  cust_no    INT UNSIGNED NOT NULL COMMENT '고객번호',
  ord_no     VARCHAR(16)  NOT NULL DEFAULT '' COMMENT '주문번호',
  pnt_tp     ENUM('SAVE','USE','EXPIRE') NOT NULL DEFAULT 'SAVE' COMMENT '적립금구분',
  pnt_amt    DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '적립금액',
  reg_dt     CHAR(8)      NOT NULL DEFAULT '' COMMENT '등록일자',
  PRIMARY KEY (pnt_no),
  KEY ix_pnt_01 (ord_no),
  KEY ix_pnt_02 (cust_no, reg_dt)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='적립금이력';

-- ---------------------------------------------------------------- items

CREATE TABLE tb_ctg (
  ctg_no     VARCHAR(6)   NOT NULL COMMENT '카테고리번호(2/4/6자리)',
  ctg_nm     VARCHAR(40)  NOT NULL COMMENT '카테고리명',
  use_yn     CHAR(1)      NOT NULL DEFAULT 'Y' COMMENT '사용여부',
  PRIMARY KEY (ctg_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='상품카테고리';

CREATE TABLE tb_brand (
  brand_cd   VARCHAR(10)  NOT NULL COMMENT '브랜드코드',
  brand_nm   VARCHAR(60)  NOT NULL COMMENT '브랜드명',
  brand_nm_en VARCHAR(60)          DEFAULT NULL COMMENT '브랜드영문명',
  PRIMARY KEY (brand_cd)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='브랜드';

-- Came over from the first system and was never converted.
CREATE TABLE tb_vendor (
  vndr_no    INT          NOT NULL COMMENT '협력사번호',
  vndr_nm    VARCHAR(60)  NOT NULL COMMENT '협력사명',
  ceo_nm     VARCHAR(40)           DEFAULT NULL COMMENT '대표자명',
  biz_no     CHAR(10)     NOT NULL DEFAULT '' COMMENT '사업자등록번호',
  vndr_gb    VARCHAR(10)  NOT NULL DEFAULT '' COMMENT '협력사구분',
  PRIMARY KEY (vndr_no)
) ENGINE=InnoDB DEFAULT CHARSET=euckr COLLATE=euckr_korean_ci COMMENT='협력사';

CREATE TABLE tb_item (
  item_no    INT UNSIGNED NOT NULL COMMENT '상품번호',
  item_nm    VARCHAR(120) NOT NULL COMMENT '상품명',
  ctg_no     VARCHAR(6)            DEFAULT NULL COMMENT '카테고리번호',
  brand_cd   VARCHAR(10)           DEFAULT NULL COMMENT '브랜드코드',
  vndr_no    INT                   DEFAULT NULL COMMENT '협력사번호',
  sale_prc   DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '판매가',
  tax_tp     ENUM('TAX','FREE','ZERO') NOT NULL DEFAULT 'TAX' COMMENT '과세구분',
  sale_st_dt CHAR(8)      NOT NULL DEFAULT '' COMMENT '판매시작일',
  sale_ed_dt CHAR(8)      NOT NULL DEFAULT '99991231' COMMENT '판매종료일',
  mk_yr      YEAR         NOT NULL DEFAULT 0 COMMENT '제조년도',
  wgt        DOUBLE                DEFAULT NULL COMMENT '중량(kg)',
  mod_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '수정일시',
  PRIMARY KEY (item_no),
  KEY ix_item_01 (ctg_no),
  KEY ix_item_02 (vndr_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='상품';

CREATE TABLE tb_item_opt (
  item_no    INT UNSIGNED NOT NULL COMMENT '상품번호',
  opt_no     SMALLINT UNSIGNED NOT NULL COMMENT '옵션번호',
  opt_nm     VARCHAR(60)  NOT NULL DEFAULT '' COMMENT '옵션명',
  add_prc    DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '추가금액',
  use_yn     CHAR(1)      NOT NULL DEFAULT 'Y' COMMENT '사용여부',
  PRIMARY KEY (item_no, opt_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='상품옵션';

CREATE TABLE tb_item_prc_hist (
  item_no    INT UNSIGNED NOT NULL COMMENT '상품번호',
  apl_dt     CHAR(8)      NOT NULL COMMENT '적용일자',
  apl_seq    SMALLINT     NOT NULL COMMENT '적용순번',
  sale_prc   DECIMAL(12,2) NOT NULL COMMENT '판매가',
  PRIMARY KEY (item_no, apl_dt, apl_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='상품가격이력';

CREATE TABLE tb_stock (
  wh_cd      CHAR(3)      NOT NULL COMMENT '창고코드',
  item_no    INT UNSIGNED NOT NULL COMMENT '상품번호',
  opt_no     SMALLINT UNSIGNED NOT NULL COMMENT '옵션번호',
  stk_qty    MEDIUMINT    NOT NULL DEFAULT 0 COMMENT '재고수량(음수 가능)',
  mod_ts     TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP COMMENT '수정시각',
  PRIMARY KEY (wh_cd, item_no, opt_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='재고';

-- The broadcast during which an order came in: number restarts every day.
CREATE TABLE tb_brdc (
  brdc_dt    CHAR(8)      NOT NULL COMMENT '방송일자',
  brdc_seq   SMALLINT     NOT NULL COMMENT '방송순번',
  brdc_nm    VARCHAR(80)  NOT NULL COMMENT '방송명',
  host_nm    VARCHAR(40)           DEFAULT NULL COMMENT '쇼호스트명',
  st_tm      CHAR(6)      NOT NULL DEFAULT '' COMMENT '시작시각',
  PRIMARY KEY (brdc_dt, brdc_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='방송편성';

-- ---------------------------------------------------------------- orders

CREATE TABLE tb_ord_mst (
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  cust_no    INT UNSIGNED          DEFAULT NULL COMMENT '고객번호(비회원주문 NULL, 후에 연결)',
  ord_mbr_id VARCHAR(20)           DEFAULT NULL COMMENT '주문회원아이디(입력값 그대로)',
  ord_dt     CHAR(8)      NOT NULL COMMENT '주문일자',
  ord_tm     CHAR(6)      NOT NULL DEFAULT '000000' COMMENT '주문시각',
  ord_tp     ENUM('NORMAL','RESERVE','REGULAR') NOT NULL DEFAULT 'NORMAL' COMMENT '주문유형',
  ord_st_cd  VARCHAR(10)  NOT NULL DEFAULT '10' COMMENT '주문상태코드',
  chnl_cd    VARCHAR(10)           DEFAULT NULL COMMENT '주문채널코드',
  pay_st_cd  VARCHAR(10)           DEFAULT NULL COMMENT '결제상태코드',
  addr_seq   SMALLINT              DEFAULT NULL COMMENT '배송지순번',
  emp_no     CHAR(6)               DEFAULT NULL COMMENT '접수상담원',
  brdc_dt    CHAR(8)               DEFAULT NULL COMMENT '방송일자',
  brdc_seq   SMALLINT              DEFAULT NULL COMMENT '방송순번',
  dlv_amt    DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '배송비',
  rsv_de     DATE         NOT NULL DEFAULT '0000-00-00' COMMENT '배송예약일(없으면 0000-00-00)',
  cncl_dt    CHAR(8)      NOT NULL DEFAULT '' COMMENT '취소일자',
  rcv_hp_no  VARCHAR(20)  NOT NULL DEFAULT '' COMMENT '수령인휴대폰',
  del_yn     CHAR(1)      NOT NULL DEFAULT 'N' COMMENT '삭제여부',
  reg_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '등록일시',
  mod_ts     TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP COMMENT '수정시각',
  PRIMARY KEY (ord_no),
  KEY ix_ord_mst_01 (cust_no, ord_dt),
  KEY ix_ord_mst_02 (ord_dt, ord_st_cd)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='주문마스터';

CREATE TABLE tb_ord_dtl (
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  ord_seq    INT          NOT NULL COMMENT '주문순번',
  item_no    INT UNSIGNED NOT NULL COMMENT '상품번호',
  opt_no     SMALLINT UNSIGNED     DEFAULT NULL COMMENT '옵션번호',
  item_nm    VARCHAR(120) NOT NULL DEFAULT '' COMMENT '주문당시상품명',
  qty        INT          NOT NULL DEFAULT 1 COMMENT '수량',
  unit_prc   DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '단가',
  dc_amt     DECIMAL(12,2)         DEFAULT NULL COMMENT '할인금액',
  dtl_st_cd  VARCHAR(10)  NOT NULL DEFAULT '10' COMMENT '상세상태코드',
  wh_cd      CHAR(3)               DEFAULT NULL COMMENT '출고창고코드',
  dlv_seq    SMALLINT              DEFAULT NULL COMMENT '배송순번',
  cncl_yn    CHAR(1)      NOT NULL DEFAULT 'N' COMMENT '취소여부',
  PRIMARY KEY (ord_no, ord_seq),
  KEY ix_ord_dtl_01 (item_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='주문상세';

CREATE TABLE tb_ord_hist (
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  hist_seq   INT          NOT NULL COMMENT '이력순번',
  ord_st_cd  VARCHAR(10)  NOT NULL DEFAULT '' COMMENT '주문상태코드',
  chg_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '변경일시',
  chg_emp_no CHAR(6)               DEFAULT NULL COMMENT '변경자',
  PRIMARY KEY (ord_no, hist_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='주문상태이력';

-- Added in a hurry for the call centre; it never got a key.
CREATE TABLE tb_ord_memo (
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  memo       VARCHAR(400)          DEFAULT NULL COMMENT '상담메모',
  reg_emp_no CHAR(6)               DEFAULT NULL COMMENT '등록자',
  reg_dt     CHAR(8)      NOT NULL DEFAULT '' COMMENT '등록일자',
  KEY ix_ord_memo_01 (ord_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='주문메모(키 없음)';

-- ---------------------------------------------------------------- payment

CREATE TABLE tb_pay (
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  pay_seq    INT          NOT NULL COMMENT '결제순번',
  mtd_cd     CHAR(2)      NOT NULL DEFAULT '' COMMENT '결제수단코드',
  pay_st_cd  VARCHAR(10)  NOT NULL DEFAULT '' COMMENT '결제상태코드',
  pay_amt    DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '결제금액',
  card_no    VARCHAR(20)           DEFAULT NULL COMMENT '카드번호(마스킹)',
  istm_mm    TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '할부개월',
  apv_no     VARCHAR(12)           DEFAULT NULL COMMENT '승인번호',
  apv_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '승인일시(미승인 0000-00-00)',
  PRIMARY KEY (ord_no, pay_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='결제';

CREATE TABLE tb_rfnd (
  rfnd_no    BIGINT       NOT NULL AUTO_INCREMENT COMMENT '환불번호',
  clm_no     VARCHAR(16)           DEFAULT NULL COMMENT '클레임번호',
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  mtd_cd     CHAR(2)      NOT NULL DEFAULT '' COMMENT '환불수단코드',
  rfnd_amt   DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '환불금액',
  rfnd_dt    CHAR(8)      NOT NULL DEFAULT '' COMMENT '환불일자',
  PRIMARY KEY (rfnd_no),
  KEY ix_rfnd_01 (ord_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='환불';

CREATE TABLE tb_cpn (
  cpn_no     INT          NOT NULL COMMENT '쿠폰번호',
  cpn_nm     VARCHAR(60)  NOT NULL COMMENT '쿠폰명',
  dc_rt      DECIMAL(5,2)          DEFAULT NULL COMMENT '할인율(%)',
  dc_amt     DECIMAL(12,2)         DEFAULT NULL COMMENT '할인금액',
  PRIMARY KEY (cpn_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='쿠폰';

CREATE TABLE tb_cpn_use (
  cpn_use_no BIGINT       NOT NULL AUTO_INCREMENT COMMENT '쿠폰사용번호',
  cpn_no     INT          NOT NULL COMMENT '쿠폰번호',
  cust_no    INT UNSIGNED          DEFAULT NULL COMMENT '고객번호',
  ord_no     VARCHAR(16)           DEFAULT NULL COMMENT '주문번호(미사용 NULL)',
  use_amt    DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT '사용금액',
  use_dt     CHAR(8)      NOT NULL DEFAULT '' COMMENT '사용일자',
  PRIMARY KEY (cpn_use_no),
  KEY ix_cpn_use_01 (ord_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='쿠폰사용';

-- ---------------------------------------------------------------- delivery and claims

CREATE TABLE tb_dlv (
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  dlv_seq    SMALLINT     NOT NULL COMMENT '배송순번',
  dlv_co_cd  CHAR(2)               DEFAULT NULL COMMENT '택배사코드',
  inv_no     VARCHAR(20)           DEFAULT NULL COMMENT '송장번호',
  dlv_st_cd  VARCHAR(10)  NOT NULL DEFAULT '10' COMMENT '배송상태코드',
  dlv_msg    VARCHAR(100) NOT NULL DEFAULT '' COMMENT '배송메시지',
  out_dt     CHAR(8)      NOT NULL DEFAULT '' COMMENT '출고일자',
  dlv_dtm    DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00' COMMENT '배송완료일시',
  PRIMARY KEY (ord_no, dlv_seq),
  KEY ix_dlv_01 (inv_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='배송';

CREATE TABLE tb_claim (
  clm_no     VARCHAR(16)  NOT NULL COMMENT '클레임번호',
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  clm_tp     ENUM('CANCEL','RETURN','EXCHANGE') NOT NULL DEFAULT 'CANCEL' COMMENT '클레임유형',
  clm_st_cd  VARCHAR(10)  NOT NULL DEFAULT '10' COMMENT '클레임상태코드',
  rsn_cd     VARCHAR(10)           DEFAULT NULL COMMENT '사유코드',
  clm_dt     CHAR(8)      NOT NULL DEFAULT '' COMMENT '접수일자',
  PRIMARY KEY (clm_no),
  KEY ix_claim_01 (ord_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='클레임';

CREATE TABLE tb_claim_dtl (
  clm_no     VARCHAR(16)  NOT NULL COMMENT '클레임번호',
  clm_seq    SMALLINT     NOT NULL COMMENT '클레임순번',
  ord_no     VARCHAR(16)  NOT NULL COMMENT '주문번호',
  ord_seq    INT          NOT NULL COMMENT '주문순번',
  clm_qty    INT          NOT NULL DEFAULT 0 COMMENT '클레임수량',
  PRIMARY KEY (clm_no, clm_seq),
  KEY ix_claim_dtl_01 (ord_no, ord_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='클레임상세';
