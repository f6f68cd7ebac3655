//! The shop on real servers: the same seed gives the same rows, the mapping's SELECTs run as pasted, and the writer
//! survives what it causes itself and what happens to its server.

use super::*;
use crate::demo::servers::{MariaDb, MySql, MysqlWireServer, ServerOptions};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
struct MappingFile {
    tables: BTreeMap<String, Table>,
}

#[derive(Deserialize)]
struct Table {
    sql: String,
}

/// The rows of every target table, as the server's default session sees them, in a fixed order.
async fn answers(url: &str) -> BTreeMap<String, Vec<String>> {
    let mapping: MappingFile = serde_saphyr::from_str(ORDER_SERVICE_MAPPING).unwrap();
    let mut connection = Conn::from_url(url).await.unwrap();
    let mut answers = BTreeMap::new();
    for (name, table) in mapping.tables {
        let rows: Vec<Row> = connection.query(&table.sql).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut rows: Vec<String> = rows.into_iter().map(|row| format!("{:?}", row.unwrap())).collect();
        rows.sort();
        answers.insert(name, rows);
    }
    connection.disconnect().await.unwrap();
    answers
}

async fn count(url: &str, question: &str) -> u64 {
    let mut connection = Conn::from_url(url).await.unwrap();
    let answer: Option<u64> = connection.query_first(question).await.unwrap();
    connection.disconnect().await.unwrap();
    answer.unwrap()
}

async fn loads_and_writes_the_same_twice(server: &MysqlWireServer) {
    let mut seen = Vec::new();
    for (database, connections) in [("one", 1), ("two", 3)] {
        let url = server.url_of(database);
        let options = ShopOptions { orders: 900, seed: 5, connections };
        let report = load(&url, options).await.unwrap();
        assert!(report.rows > 8_000, "{report:?}");
        let loaded = answers(&url).await;
        assert!(loaded.values().all(|rows| rows.len() > 800));
        let mut writer = Writer::connect(&url, 11).await.unwrap();
        writer.step(700).await.unwrap();
        let counts = writer.counts();
        assert_eq!(counts.committed + counts.rolled_back + counts.collided, 700, "{counts:?}");
        assert!(counts.rolled_back > 0 && counts.by_kind.len() > 28, "{counts:?}");
        let written = answers(&url).await;
        assert_ne!(loaded, written);
        seen.push((loaded, written));
    }
    assert!(seen[0] == seen[1], "the same seed gave different rows");
}

#[tokio::test]
async fn mariadb_holds_the_same_shop_for_the_same_seed() {
    let server = MariaDb::start(ServerOptions::default()).await.unwrap();
    loads_and_writes_the_same_twice(&server).await;
    let url = server.url_of("one");
    for (trap, question) in [
        ("zero date", "SELECT COUNT(*) FROM tb_ord_mst WHERE rsv_de = '0000-00-00'"),
        ("syllable outside of KS X 1001", "SELECT COUNT(*) FROM tb_vendor WHERE HEX(CONCAT(vndr_nm, ceo_nm)) LIKE '%8C63%'"), // 똠
        ("emoji", "SELECT COUNT(*) FROM tb_ord_memo WHERE HEX(memo) LIKE 'F09F%'"),
        (
            "two equal rows without a key",
            "SELECT COUNT(*) FROM (SELECT 1 FROM tb_ord_memo GROUP BY ord_no, BINARY memo, reg_dt HAVING COUNT(*) > 1) x",
        ),
        (
            "member id in another case",
            "SELECT COUNT(*) FROM tb_ord_mst o JOIN tb_mbr m ON m.mbr_id = o.ord_mbr_id WHERE BINARY m.mbr_id <> o.ord_mbr_id",
        ),
        ("order number in lower case", "SELECT COUNT(*) FROM tb_ord_mst WHERE BINARY ord_no LIKE 'o%'"),
        ("code without a code row", "SELECT COUNT(*) FROM tb_ord_dtl WHERE dtl_st_cd = '77'"),
        ("guest order", "SELECT COUNT(*) FROM tb_ord_mst WHERE cust_no IS NULL"),
        (
            "line without an order",
            "SELECT COUNT(*) FROM tb_ord_dtl d LEFT JOIN tb_ord_mst o ON o.ord_no = d.ord_no WHERE o.ord_no IS NULL",
        ),
        ("trailing blank", "SELECT COUNT(*) FROM tb_ord_mst WHERE BINARY ord_mbr_id LIKE '% '"),
    ] {
        assert!(count(&url, question).await > 0, "no {trap}");
    }
}

#[tokio::test]
async fn mysql_holds_the_same_shop_for_the_same_seed() {
    if !MySql::is_available() {
        eprintln!("SKIPPED: no MySQL tree; scripts/fetch-mysql.sh makes one");
        return;
    }
    let server = MySql::start(ServerOptions::default()).await.unwrap();
    loads_and_writes_the_same_twice(&server).await;
}

#[tokio::test]
async fn the_writer_goes_on_after_its_server_was_killed() {
    let mut server = MariaDb::start(ServerOptions::default()).await.unwrap();
    let url = server.url_of("homeshop");
    load(&url, ShopOptions { orders: 200, ..ShopOptions::default() }).await.unwrap();
    let mut writer = Writer::connect(&url, 3).await.unwrap();
    let counters = writer.counters();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(async move { writer.run(500.0, stopped).await });
    let progressed = async |more: u64| {
        let goal = counters.read().committed + more;
        while counters.read().committed < goal {
            assert!(!running.is_finished());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    progressed(50).await;
    server.kill().unwrap();
    server.restart().await.unwrap();
    progressed(50).await;
    server.restart().await.unwrap();
    progressed(50).await;
    assert!(counters.read().reconnects >= 2);
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_empty_database_is_not_a_shop() {
    let server = MariaDb::start(ServerOptions::default()).await.unwrap();
    assert!(matches!(load(&server.url(), ShopOptions::default()).await, Err(ShopError::Url(_))));
    let url = server.url_of("homeshop");
    load(&url, ShopOptions { orders: 1, ..ShopOptions::default() }).await.unwrap();
    assert!(load(&url, ShopOptions::default()).await.is_err(), "loaded over an existing shop");
    server.execute(&["DELETE FROM homeshop.tb_ord_mst"]).await.unwrap();
    assert!(matches!(Writer::connect(&url, 1).await, Err(ShopError::Empty(_))));
}

#[tokio::test]
async fn two_writers_share_a_shop() {
    let server = MariaDb::start(ServerOptions::default()).await.unwrap();
    let url = server.url_of("homeshop");
    let options = ShopOptions { orders: 300, ..ShopOptions::default() };
    load(&url, options).await.unwrap();
    let mut one = Writer::connect(&url, 1).await.unwrap();
    let mut two = Writer::connect(&url, 2).await.unwrap();
    let (first, second) = tokio::join!(one.step(400), two.step(400));
    first.unwrap();
    second.unwrap();
    for writer in [one, two] {
        let counts = writer.counts();
        assert!(counts.committed > 300, "{counts:?}");
    }
}
