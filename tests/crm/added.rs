//! A mapping that is added to a running source: a table that was not published, and a column of one that was, read while both are written to and
//! while a transaction that is older than the publication has rows of them in the making.

use super::{Crm, Writer};
use crate::support::{rounds, seed};
use std::time::Duration;

/// Reads a new table, and a new column of a table that another mapping reads.
const ADDED: &str = "version: 1
mapping: extra
source: crm
target: order-db
tables:
  extras:
    key: [id]
    sql: SELECT e.id AS id, e.v AS v, o.secret AS secret, o.memo AS memo FROM app.extra e LEFT JOIN app.ord o ON o.id = e.id
";

const EXTRA: &str = "CREATE TABLE app.extra (id int PRIMARY KEY, v text, big text); ALTER TABLE app.extra ALTER big SET STORAGE EXTERNAL; \
     GRANT SELECT ON app.extra TO src; INSERT INTO app.extra SELECT g, 'v ' || g, repeat('x', 3000) FROM generate_series(1, 500) g";

/// What the older transaction does in each of its halves.
const FIRST_HALF: &str = "BEGIN; UPDATE app.extra SET v = 'older'; DELETE FROM app.extra WHERE id > 400; INSERT INTO app.extra VALUES (1900, 'a'); \
     UPDATE app.ord SET secret = 'older' WHERE id < 50";
const SECOND_HALF: &str = "UPDATE app.extra SET v = v || '!' WHERE id < 100; UPDATE app.extra SET id = 1901 WHERE id = 1900; \
     INSERT INTO app.extra VALUES (450, 'again'); UPDATE app.ord SET secret = 'late' WHERE id < 20; COMMIT";

/// Writes to the added table until the client goes.
async fn write_extra(client: tokio_postgres::Client, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    loop {
        let (id, n) = (rng.u32(1..1_000), rng.u16(..));
        let statement = match rng.u8(0..4) {
            0 => format!("DELETE FROM app.extra WHERE id = {id}"),
            1 => format!("UPDATE app.extra SET v = 'u {n}' WHERE id BETWEEN {id} AND {id} + 20"),
            2 => format!("UPDATE app.ord SET secret = 's {n}' WHERE id = {id}"),
            _ => format!(
                "INSERT INTO app.extra VALUES ({id}, 'i {n}', repeat('y', 3000)) ON CONFLICT (id) DO UPDATE SET v = 'c {n}'"
            ),
        };
        // The older transaction has locked many of the rows.
        let patient = format!("SET lock_timeout = '50ms'; {statement}");
        let _ = client.batch_execute(&patient).await;
        tokio::time::sleep(Duration::from_millis(rng.u64(0..6))).await;
    }
}

async fn added_while_everything_moves(crm: &Crm) {
    let seed = seed("added");
    let writer = Writer::start(&crm.server, seed).await;
    let extra = tokio::spawn(write_extra(crm.server.connect("legacy").await.unwrap(), seed));
    let older = crm.server.connect("legacy").await.unwrap();
    // The writers may hold what it wants.
    while older.batch_execute(FIRST_HALF).await.is_err() {
        older.batch_execute("ROLLBACK").await.unwrap();
    }
    crm.write("mappings/extra.yaml", ADDED);
    let mut engine = crm.start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    older.batch_execute(SECOND_HALF).await.unwrap();
    // Cut down while it fills, and begun again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.kill();
    let mut engine = crm.start();
    let runs = |status: &serde_json::Value| {
        let all = status["mappings"].as_array().unwrap();
        all.len() == 2 && all.iter().all(|mapping| mapping["halted"].is_null() && mapping["phase"] == "live")
    };
    crm.until(&mut engine, "live with both mappings", runs).await;
    tokio::time::sleep(Duration::from_secs(rounds(2, 20))).await;
    extra.abort();
    writer.stop().await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    assert!(crm.compare().await > 1_000);
    crm.strangler(&["verify", "--full-scan"]).await.expect(0);
}

/// The role owns tables and publication: the engine alters it by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_a_table_and_a_column_are_added_while_everything_moves() {
    let Some(crm) = Crm::new().await else { return };
    crm.server.execute("legacy", EXTRA).await.unwrap();
    let tables = ["cust", "ord", "line", "log", "extra"].map(|table| format!("ALTER TABLE app.{table} OWNER TO src;")).concat();
    let owned = format!("{tables} GRANT CREATE ON DATABASE legacy TO src; ALTER PUBLICATION crm_out OWNER TO src");
    crm.server.execute("legacy", &owned).await.unwrap();
    // Only what is mapped is published to begin with.
    crm.server.execute("legacy", "ALTER PUBLICATION crm_out SET TABLE app.cust").await.unwrap();
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let listed = "SELECT attnames::text FROM pg_publication_tables WHERE tablename = 'ord'";
    assert!(!crm.ask("legacy", listed).await[0].contains("secret"));
    added_while_everything_moves(&crm).await;
    assert!(crm.ask("legacy", listed).await[0].contains("secret"));
}

/// The publication is another role's: the statement for its owner is told, and once it was run the table is filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_a_table_is_added_by_the_owner_of_the_publication() {
    let Some(crm) = Crm::new().await else { return };
    crm.server.execute("legacy", EXTRA).await.unwrap();
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    crm.write("mappings/extra.yaml", ADDED);
    let statement = "ALTER PUBLICATION \"crm_out\" ADD TABLE \"app\".\"extra\"";
    crm.strangler(&["run", "--until-caught-up"]).await.expect(77).names(&[statement]);
    crm.server.execute("legacy", statement).await.unwrap();
    added_while_everything_moves(&crm).await;
}
