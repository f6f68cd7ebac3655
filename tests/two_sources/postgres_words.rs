//! The mapping over both sources in the SQL of the CRM, a PostgreSQL: the ERP's tables are seen as a copy of them in the CRM would be.
//!
//! The oracle is such a copy, in a schema `erp` of the CRM, over which the CRM itself runs the mapping's own SELECTs.

use std::collections::BTreeSet;
use std::time::Duration;

use mysql_async::prelude::Queryable;

use super::{CRM, ERP, House, Writers};
use crate::support::{rounds, seed};

/// The ERP compares logins without case; by the declared collation they are compared by bytes.
const SERVICE: &str = "version: 1
mapping: service
owner: tests
sources: [erp, crm]
dialect: crm
collation: default
target: order-db
tables:
  orders:
    key: [order_id]
    sql: |
      SELECT o.ord_no AS order_id, m.name AS member_name, m.active AS is_active, m.joined AS joined, m.rating AS rating, m.photo AS photo,
             o.login || '/' || o.st AS label, o.amt + m.credit AS weight, to_char(o.ord_dt, 'YYYY-MM-DD HH24') AS hour,
             (SELECT sum(l.qty * l.price) FROM erp.tb_line l WHERE l.ord_no = o.ord_no) AS total,
             (SELECT count(*) FROM phone p WHERE p.member_no = o.member_no) AS phones
        FROM erp.tb_order o
        LEFT JOIN member m ON m.member_no = o.member_no
       WHERE o.st <> 'X'
  members:
    key: [member_no]
    sql: |
      SELECT m.member_no AS member_no, m.login AS login, extract(year FROM m.joined)::int AS joined_year,
             (SELECT max(o.amt) FROM erp.tb_order o WHERE o.member_no = m.member_no) AS best,
             EXISTS (SELECT 1 FROM erp.tb_order o WHERE o.login = m.login) AS has_ordered
        FROM member m
       WHERE m.active
  logins:
    key: [login]
    sql: |
      SELECT o.login AS login, count(*) AS orders, sum(o.amt) AS amount, string_agg(m.name, ',' ORDER BY o.ord_no) AS names
        FROM erp.tb_order o
        JOIN member m ON m.member_no = o.member_no
       GROUP BY o.login
";

const COPY: &str = "CREATE SCHEMA IF NOT EXISTS erp;
CREATE TABLE IF NOT EXISTS erp.tb_order (ord_no int PRIMARY KEY, member_no int, login text, amt numeric(12,2), ord_dt timestamp,
  st text);
CREATE TABLE IF NOT EXISTS erp.tb_line (ord_no int, line_no int, qty int, price numeric(10,2));
TRUNCATE erp.tb_order, erp.tb_line;
";

impl House {
    /// Copies the ERP into the CRM.
    async fn copy_erp(&self) {
        let client = self.crm.connect("crm").await.unwrap();
        client.batch_execute(COPY).await.unwrap();
        let mut erp = self.project.source().await;
        for (table, columns) in
            [("tb_order", "ord_no, member_no, login, amt, ord_dt, st"), ("tb_line", "ord_no, line_no, qty, price")]
        {
            let values: Vec<String> = columns.split(", ").map(|column| format!("QUOTE({column})")).collect();
            let question = format!("SELECT CONCAT('(', CONCAT_WS(',', {}), ')') FROM {table}", values.join(", "));
            let rows: Vec<String> = erp.query(question).await.unwrap();
            assert!(rows.iter().all(|row| !row.contains('\\')), "the two quote alike only without backslashes");
            client.batch_execute(&format!("INSERT INTO erp.{table} ({columns}) VALUES {}", rows.join(", "))).await.unwrap();
        }
        erp.disconnect().await.unwrap();
    }

    /// Compares every target table with what the CRM answers over the copy; how many rows.
    async fn compare_in_crm(&self) -> usize {
        self.copy_erp().await;
        let mapping: crate::support::oracle::MappingFile = serde_saphyr::from_str(SERVICE).unwrap();
        let (crm, service) = (self.crm.connect("crm").await.unwrap(), self.project.target().client().await);
        let mut count = 0;
        for (name, table) in &mapping.tables {
            let mut answers = Vec::new();
            for (client, from) in [(&crm, format!("({}) t", table.sql)), (&service, format!("public.{name} t"))] {
                // Both are PostgreSQL, so a row's own text tells every value and its type's form.
                client.batch_execute("SET TimeZone = 'UTC'").await.unwrap();
                let rows = client.query(&format!("SELECT t::text FROM {from}"), &[]).await.unwrap();
                answers.push(rows.iter().map(|row| row.get::<_, String>(0)).collect::<BTreeSet<_>>());
            }
            let missing: Vec<_> = answers[0].difference(&answers[1]).take(5).collect();
            let surplus: Vec<_> = answers[1].difference(&answers[0]).take(5).collect();
            assert!(missing.is_empty() && surplus.is_empty(), "{name}: missing {missing:#?}\nsurplus {surplus:#?}");
            count += answers[0].len();
        }
        count
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_in_the_sql_of_postgresql_is_what_postgresql_says_over_a_copy() {
    let Some(house) = House::new("two_words").await else { return };
    house.crm_tables(CRM, "member, phone").await;
    house.project.legacy(&ERP).await;
    house.project.write("mappings/service.yaml", SERVICE);
    let project = &house.project;
    project.strangler(&["check"]).await.expect(0);
    project.strangler(&["plan"]).await.expect(0).names(&["erp.", "tb_order"]);
    let writers = Writers::start(&house, seed("two_words")).await;
    for round in 0..rounds(3, 20) {
        let mut engine = project.start(&[]);
        tokio::time::sleep(Duration::from_millis(1_000 + 400 * round.min(10))).await;
        assert!(engine.ended().is_none(), "it ended by itself\n{}", engine.log());
        engine.kill();
    }
    writers.stop().await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    assert!(house.compare_in_crm().await > 150);
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    project.strangler(&["verify"]).await.expect(0);
    project.service("UPDATE logins SET orders = orders + 1 WHERE login = (SELECT max(login) FROM logins)").await;
    project.strangler(&["verify"]).await.expect(2).names(&["differs in orders"]);
}
