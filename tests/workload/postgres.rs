//! Random transactions on a small customer system: out-of-line texts, changed keys, partitions, a table without a key, savepoints,
//! truncations, large transactions that are rolled back.

use fastrand::Rng;
use tokio_postgres::Client;

/// What of them is published; the name is that of the project file.
pub const PUBLICATION: &str = "CREATE PUBLICATION erp_out FOR TABLE app.cust, app.ord, app.line, app.log";

/// The tables with their rows. Items differ in case and in the blanks behind them only.
pub const TABLES: &str = "
  CREATE SCHEMA app;
  SET search_path = app;
  CREATE TABLE cust (id int PRIMARY KEY, name text, grade varchar(4));
  CREATE TABLE ord (id int PRIMARY KEY, cust int, memo text, amount numeric(12,2), at timestamptz, secret text);
  ALTER TABLE ord ALTER memo SET STORAGE EXTERNAL;
  CREATE TABLE line (ord int, seq int, qty int NOT NULL, item text, PRIMARY KEY (ord, seq)) PARTITION BY HASH (ord);
  CREATE TABLE line0 PARTITION OF line FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE line1 PARTITION OF line FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE log (ord int, txt text, n int); ALTER TABLE log REPLICA IDENTITY FULL;
  CREATE TABLE unmapped (id serial PRIMARY KEY, v text);
  INSERT INTO cust SELECT g, 'name ' || g, 'A' FROM generate_series(1, 100) g;
  INSERT INTO ord SELECT g, g % 110, CASE WHEN g % 5 = 0 THEN repeat(md5(g::text), 100) ELSE 'memo' END, g * 1.25,
    '2024-01-01'::timestamptz + g * interval '1 hour', 'hidden' FROM generate_series(1, 2000) g;
  INSERT INTO line SELECT g, s, g % 13, CASE g % 7 WHEN 0 THEN 'i' ELSE 'I' END || g % 20 || repeat(' ', g % 2) FROM generate_series(1, 2000) g, generate_series(1, 2) s;
  INSERT INTO log SELECT g % 300, 'same', g % 3 FROM generate_series(1, 2000) g; ANALYZE";

/// The mapping file.
pub const MAPPING: &str = r#"version: 1
mapping: workload
source: erp
target: order-db
tables:
  orders:
    key: [id]
    sql: |
      SELECT o.id AS id, c.name AS name, o.memo AS memo, o.amount AS amount, o.at AS at
        FROM app.ord o LEFT JOIN app.cust c ON c.id = o.cust
  lines:
    key: [ord, seq]
    sql: |
      SELECT l.ord AS ord, l.seq AS seq, l.qty AS qty, l.item AS item, o.memo AS memo
        FROM app.line l JOIN app.ord o ON o.id = l.ord
  item_sales:
    key: [item]
    sql: |
      SELECT l.item AS item, count(*) AS line_count, sum(l.qty) AS quantity, bool_or(l.qty < 0) AS has_returns
        FROM app.line l WHERE l.item IS NOT NULL GROUP BY l.item
    columns:
      item: { type: varchar(20) }
  customers:
    key: [id]
    sql: SELECT c.id AS id, c.name AS name, c.grade AS grade FROM app.cust c
  logged:
    key: [ord]
    sql: SELECT g.ord AS ord, count(*) AS entries FROM app.log g WHERE g.ord IS NOT NULL GROUP BY g.ord
  latest:
    key: [cust]
    sql: |
      SELECT DISTINCT ON (o.cust) o.cust AS cust, o.id AS id, o.amount AS amount
        FROM app.ord o WHERE o.cust IS NOT NULL ORDER BY o.cust, o.amount DESC, o.id
  ranked:
    key: [cust]
    sql: |
      SELECT x.cust AS cust, x.id AS id, x.at AS at
        FROM (SELECT o.cust, o.id, o.at, row_number() OVER (PARTITION BY o.cust ORDER BY o.amount NULLS FIRST, o.id DESC) AS n
                FROM app.ord o WHERE o.cust IS NOT NULL) x WHERE x.n = 1
  lateral_orders:
    key: [id]
    sql: |
      SELECT c.id AS id, c.name AS name, l.id AS last_order, l.memo AS memo
        FROM app.cust c LEFT JOIN LATERAL
          (SELECT o.id, o.memo FROM app.ord o WHERE o.cust = c.id ORDER BY o.amount DESC NULLS LAST, o.id LIMIT 1) l ON true
  picked:
    key: [id]
    sql: |
      SELECT o.id AS id,
             (SELECT l.item FROM app.line l WHERE l.ord = o.id ORDER BY l.item DESC, l.seq LIMIT 1) AS item,
             (SELECT string_agg(l.item, ',' ORDER BY l.qty DESC, l.seq) FROM app.line l WHERE l.ord = o.id) AS items,
             (SELECT array_agg(l.item ORDER BY l.item COLLATE "C" NULLS FIRST, l.seq) FROM app.line l WHERE l.ord = o.id) AS listed
        FROM app.ord o
"#;

/// A session that writes.
pub struct Session {
    client: Client,
    rng: Rng,
}

impl Session {
    /// A session of the old application.
    pub async fn new(client: Client, seed: u64) -> Self {
        client.batch_execute("SET search_path = app").await.unwrap();
        Self { client, rng: Rng::with_seed(seed) }
    }

    /// Whether its server still answers.
    pub fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Executes `count` transactions.
    pub async fn steps(&mut self, count: u64) {
        for _ in 0..count {
            step(&self.client, &mut self.rng).await;
        }
    }

    /// Writes one row of more than 16 MB.
    pub async fn large_row(&mut self) {
        self.client.batch_execute("UPDATE ord SET memo = repeat('가', 5800000) WHERE id = 77").await.unwrap();
    }
}

/// One random transaction; collisions are forgotten, as an old application does.
async fn step(client: &Client, rng: &mut Rng) {
    let mut statements = vec!["BEGIN".to_owned()];
    for number in 0..rng.u32(1..5) {
        if number == 2 {
            statements.extend(["SAVEPOINT s".into(), statement(rng), "ROLLBACK TO s".into()]);
        }
        statements.push(statement(rng));
    }
    if rng.u32(0..60) == 0 {
        statements.push("UPDATE line SET qty = qty + 1".into()); // sent before its end
    }
    statements.push(if rng.u32(0..8) == 0 { "ROLLBACK".into() } else { "COMMIT".into() });
    if client.batch_execute(&statements.join(";")).await.is_err() {
        let rolled_back = client.batch_execute("ROLLBACK").await;
        assert!(rolled_back.is_ok() || client.is_closed(), "{rolled_back:?}");
    }
}

fn statement(rng: &mut Rng) -> String {
    let order = if rng.bool() { rng.u32(1..30) } else { rng.u32(1..2_100) };
    let (customer, n) = (rng.u32(1..120), rng.i32(-50..900));
    let big = format!("repeat(md5('{}'), 90)", rng.u32(..));
    match rng.u32(0..18) {
        0 => format!(
            "INSERT INTO ord VALUES ({order}, {customer}, {big}, {n}.5, '2025-02-03 04:05:06.789+09') ON CONFLICT DO NOTHING"
        ),
        1 => format!("DELETE FROM ord WHERE id = {order}"),
        // Its out-of-line text stays as it is.
        2 | 3 => format!("UPDATE ord SET cust = {customer}, amount = amount + 1 WHERE id = {order}"),
        4 => format!("UPDATE ord SET memo = {big} WHERE id = {order}"),
        5 => format!("UPDATE ord SET id = {}, memo = 'moved' WHERE id = {order}", rng.u32(1..2_100)),
        6 => format!("UPDATE ord SET memo = NULL WHERE id BETWEEN {order} AND {}", order + 15),
        7 => format!(
            "INSERT INTO line VALUES ({order}, {}, {n}, 'I1{}') ON CONFLICT (ord, seq) DO UPDATE SET qty = {n}",
            rng.u32(1..5),
            " ".repeat(rng.usize(0..3))
        ),
        8 => format!("UPDATE line SET ord = {}, seq = 9 WHERE ord = {order} AND seq = 1", rng.u32(1..2_100)),
        9 => format!("DELETE FROM line WHERE ord BETWEEN {order} AND {}", order + 3),
        10 => format!("UPDATE line SET qty = qty + 1 WHERE ord BETWEEN {order} AND {}", order + 40),
        11 => format!("INSERT INTO log VALUES ({order}, 'same', {})", rng.u32(0..3)),
        12 if rng.bool() => format!("UPDATE line SET item = NULL WHERE ord = {order}"),
        12 => format!("DELETE FROM log WHERE ctid IN (SELECT ctid FROM log WHERE ord = {order} LIMIT 1)"),
        13 if rng.bool() => format!("UPDATE ord SET amount = NULL WHERE cust = {customer}"),
        13 => format!("UPDATE log SET n = n + 1 WHERE ord = {order}"),
        14 => format!("UPDATE cust SET name = 'renamed {n}', grade = NULL WHERE id = {customer}"),
        15 => format!("DELETE FROM cust WHERE id = {customer}; INSERT INTO cust VALUES ({customer}, '한글 {n}', 'B')"),
        16 => format!("UPDATE ord SET secret = md5('{n}') WHERE id = {order}"),
        _ if rng.u32(0..60) == 0 => "TRUNCATE log".to_owned(),
        _ => format!("INSERT INTO unmapped (v) VALUES ('{n}')"),
    }
}
