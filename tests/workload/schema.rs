//! Five legacy tables with the habits that hurt, and the five target tables that are made of them.

/// Orders that exist before the migration starts; customers are a tenth of it, lines twice as many.
pub const ORDERS: u32 = 6_000;

/// The tables: a MyISAM one, one without a key, composite keys, nullable join keys, codes in any case.
pub const TABLES: &[&str] = &[
    "CREATE TABLE w_cust (cust_no INT PRIMARY KEY, grd CHAR(2) NULL, nm VARCHAR(40) NULL, bal DECIMAL(12,2) NOT NULL DEFAULT 0)",
    "CREATE TABLE w_ord (ord_no INT PRIMARY KEY, cust_no INT NULL, alt_no INT NULL, st VARCHAR(4) NULL, memo LONGTEXT NULL, \
     at DATETIME(3) NULL, ts TIMESTAMP(3) NULL, ship_dt DATE NULL, rate DOUBLE NULL, KEY (cust_no), KEY (alt_no))",
    "CREATE TABLE w_line (ord_no INT NOT NULL, seq INT NOT NULL, item VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, \
     qty MEDIUMINT NOT NULL, prc DECIMAL(10,2) NOT NULL, PRIMARY KEY (ord_no, seq), KEY (item))",
    "CREATE TABLE w_code (grp VARCHAR(4) NOT NULL, cd VARCHAR(4) NOT NULL, nm VARCHAR(40) NULL, PRIMARY KEY (grp, cd)) ENGINE=MyISAM",
    "CREATE TABLE w_log (ord_no INT NULL, txt VARCHAR(60) NULL, n INT NULL, KEY (ord_no))",
    "CREATE TABLE w_unmapped (id INT AUTO_INCREMENT PRIMARY KEY, txt VARCHAR(60))",
];

/// The rows at the start.
pub fn rows() -> Vec<String> {
    let digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 \
                  UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let numbers = format!(
        "(SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM {digits} a, {digits} b, {digits} c, {digits} e) numbers"
    );
    let customers = ORDERS / 10;
    vec![
        "INSERT INTO w_code VALUES ('GRD', 'A', '우수'), ('GRD', 'b', '일반'), ('ST', '10', '접수'), ('ST', '20', '결제'), ('ST', 'x1', NULL)".into(),
        format!(
            "INSERT INTO w_cust SELECT n, ELT(1 + n % 4, 'A', 'B', 'C', NULL), CONCAT('고객 ', n), n / 7 \
             FROM {numbers} WHERE n <= {customers}"
        ),
        format!(
            "INSERT INTO w_ord SELECT n, IF(n % 9 = 0, NULL, 1 + n % {customers}), IF(n % 5 = 0, 1 + n % 50, NULL), \
             ELT(1 + n % 5, '10', '20', 'X1', '99', NULL), IF(n % 3 = 0, CONCAT('memo ', n), NULL), \
             TIMESTAMP('2024-01-01 00:00:00.123') + INTERVAL n MINUTE, TIMESTAMP('2024-06-01 12:00:00.5') + INTERVAL n SECOND, \
             IF(n % 7 = 0, NULL, DATE('2024-02-29') + INTERVAL n % 300 DAY), n / 3e0 FROM {numbers} WHERE n <= {ORDERS}"
        ),
        format!(
            "INSERT INTO w_line SELECT n, s.seq, IF(n % 11 = 0, NULL, CONCAT('I', n % 90)), n % 13 - 2, n % 997 / 10 \
             FROM {numbers}, (SELECT 1 seq UNION ALL SELECT 2) s WHERE n <= {ORDERS}"
        ),
        format!("INSERT INTO w_log SELECT n, IF(n % 4 = 0, NULL, '같은 줄'), n % 3 FROM {numbers} WHERE n <= {ORDERS} AND n % 3 = 0"),
        "INSERT INTO w_log SELECT * FROM w_log WHERE ord_no % 2 = 0".into(), // equal rows, twice
    ]
}

/// The mapping file.
pub const MAPPING: &str = "\
version: 1
mapping: workload
source: erp
target: order-db
policies:
  zero_date: \"null\"
tables:
  orders:
    key: [order_no]
    sql: |
      SELECT o.ord_no AS order_no, c.nm AS customer, c.grd AS grade, g.nm AS grade_name, s.nm AS status,
             COALESCE(a.nm, '-') AS alternate, o.memo AS memo, o.at AS ordered_at, o.ts AS changed_at,
             o.ship_dt AS ship_on, o.rate AS rate,
             (SELECT SUM(l.qty * l.prc) FROM w_line l WHERE l.ord_no = o.ord_no) AS amount,
             (SELECT COUNT(*) FROM w_log x WHERE x.ord_no = o.ord_no) AS log_count,
             (SELECT MAX(x.n) FROM w_log x WHERE x.ord_no = o.ord_no) AS log_max
        FROM w_ord o
        LEFT JOIN w_cust c ON c.cust_no = o.cust_no
        LEFT JOIN w_cust a ON a.cust_no = o.alt_no
        LEFT JOIN w_code g ON g.grp = 'GRD' AND g.cd = c.grd
        LEFT JOIN w_code s ON s.grp = 'ST' AND s.cd = o.st
  order_lines:
    key: [order_no, line_no]
    sql: |
      SELECT l.ord_no AS order_no, l.seq AS line_no, l.item AS item, l.qty AS quantity, l.prc AS price,
             l.qty * l.prc AS amount, c.nm AS customer
        FROM w_line l
        JOIN w_ord o ON o.ord_no = l.ord_no
        LEFT JOIN w_cust c ON c.cust_no = o.cust_no
       WHERE l.qty > 0
  customers:
    key: [customer_no]
    sql: |
      SELECT c.cust_no AS customer_no, c.nm AS name, c.bal AS balance, COALESCE(t.order_count, 0) AS order_count, t.last_at AS last_at
        FROM w_cust c
        LEFT JOIN (SELECT o.cust_no, COUNT(*) AS order_count, MAX(o.at) AS last_at FROM w_ord o GROUP BY o.cust_no) t
          ON t.cust_no = c.cust_no
  item_sales:
    key: [item]
    sql: |
      SELECT l.item AS item, COUNT(*) AS line_count, SUM(l.qty) AS quantity,
             SUM(CASE WHEN l.qty < 0 THEN 1 ELSE 0 END) AS returned
        FROM w_line l
       WHERE l.item IS NOT NULL
       GROUP BY l.item
  parties:
    key: [kind, party_no]
    sql: |
      SELECT 'C' AS kind, c.cust_no AS party_no, c.nm AS name FROM w_cust c
      UNION ALL
      SELECT 'O' AS kind, o.ord_no AS party_no, CONCAT('order ', o.st) AS name FROM w_ord o
";
