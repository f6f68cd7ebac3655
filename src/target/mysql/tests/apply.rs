//! Transactions: loose collations, sizes, locks.

use super::*;
use crate::error::Class;

#[tokio::test]
async fn keys_that_a_loose_collation_calls_equal_stay_apart() {
    for bench in Bench::all().await {
        let code = MySqlType::Varchar { length: 20, collation: bench.exact() };
        let number = MySqlType::Integer { bits: 32, unsigned: false };
        let table = table("t", 2, &[("code", code), ("part", number.clone()), ("amount", number)]);
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let codes = ["a", "A", "á", "a ", " a", "", " ", "ss", "ß", "\t", "a'b", "a\\b", "주문", "🙂", "🙃"];
        let upserts: Vec<Row> = codes.iter().map(|code| values([Value::text(*code), Value::Int(1), Value::Int(0)])).collect();
        let advance = next(&start);
        bench.target.load(&table, &upserts, &advance).await.unwrap();
        let (_, rows) = bench.target.read_after("m", &table, None, 100).await.unwrap();
        assert_eq!(rows.len(), codes.len());
        let key = |row: &Row| values([row[0].clone(), row[1].clone()]);
        // Page by page in the target's own order, each row once.
        let mut seen = Vec::new();
        let mut after: Option<Row> = None;
        loop {
            let (_, page) = bench.target.read_after("m", &table, after.as_ref(), 4).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(key(last));
            seen.extend(page);
        }
        assert_eq!(seen, rows);
        let keys: Vec<Row> = upserts.iter().map(key).collect();
        let (_, found) = bench.target.read_keys("m", &table, &keys[2..4]).await.unwrap();
        assert_eq!(found.len(), 2);
        let changed =
            |number: i64| codes.iter().map(|code| values([Value::text(*code), Value::Int(1), Value::Int(number)])).collect();
        let second = next(&advance.next);
        bench.target.apply(&[(second.clone(), tables, batch(0, vec![], changed(7)))]).await.unwrap();
        assert_eq!(bench.ask("SELECT SUM(amount) FROM t").await, (7 * codes.len()).to_string());
        let third = next(&second.next);
        bench.target.apply(&[(third, tables, batch(0, keys[1..].to_vec(), vec![]))]).await.unwrap();
        assert_eq!(bench.ask("SELECT GROUP_CONCAT(code) FROM t").await, "a");
    }
}

#[tokio::test]
async fn large_batches_and_rows_keep_below_the_servers_packet() {
    for bench in Bench::all_with(&["--max-allowed-packet=2M"]).await {
        let long = MySqlType::Text { size: LongSize::Long, collation: "utf8mb4_bin".into() };
        let table = table("t", 1, &[("id", MySqlType::Integer { bits: 64, unsigned: false }), ("body", long)]);
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let body = "x".repeat(300_000);
        let advance = next(&start);
        let rows: Vec<Row> = (0..20).map(|id| label(id, &body)).collect();
        bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], rows))]).await.unwrap();
        // A row of its own packet, above the size that rows share.
        let second = next(&advance.next);
        bench.target.apply(&[(second.clone(), tables, batch(0, vec![], vec![label(50, &"y".repeat(1_900_000))]))]).await.unwrap();
        assert_eq!(bench.ask("SELECT SUM(LENGTH(body)) FROM t").await, "7900000");
        let huge = bench
            .target
            .apply(&[(next(&second.next), tables, batch(0, vec![], vec![label(51, &"z".repeat(2_200_000))]))])
            .await
            .unwrap_err();
        assert_eq!(huge.class(), Class::Person);
        assert!(huge.message().contains("max_allowed_packet"), "{huge:?}");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(second.next));
    }
}

#[tokio::test]
async fn deadlocks_and_lock_waits_are_tried_again() {
    for mut bench in Bench::all().await {
        bench.options.statement_timeout_s = 2;
        let target = bench.other_engine();
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let mut conn = Conn::from_url(bench.server.url_of("shop")).await.unwrap();
        conn.query_drop("BEGIN; INSERT INTO t VALUES (1, 'held')").await.unwrap();
        let waited = target.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
        assert!(waited.class().is_transient(), "{waited:?}");
        conn.query_drop("ROLLBACK").await.unwrap();
        target.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap();
        conn.disconnect().await.unwrap();
    }
}
