//! A random workload from before the snapshot until after the engine has caught up: no row lost, duplicated or different. Here on
//! MariaDB and MySQL in each way they write their log; on each pair of servers, with kills, in [`crate::pairs`].

pub mod driver;
pub mod postgres;
pub mod random;
pub mod schema;
pub mod writers;

use crate::support::oracle::MappingFile;
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, Server, own, shared};
use crate::support::{rounds, seed};
use driver::{Driver, Images};

/// How much is written, and how.
struct Load {
    before: u64,
    live: u64,
    images: Images,
    large_rows: bool,
    /// Without GTIDs MySQL cannot tell which position a read shows, and a table without a key is refused.
    keyless: bool,
}

/// Makes the tables of the source's family with their rows, and the mapping.
pub async fn project(pair: &Pair, test: &str) -> Project {
    let project = Project::new(pair, test).await;
    if let Server::Postgres(_) = &pair.source {
        project.legacy(&[postgres::TABLES, postgres::PUBLICATION]).await;
        project.write("mappings/workload.yaml", postgres::MAPPING);
        return project;
    }
    let rows = schema::rows();
    let mut statements = vec!["SET SESSION sql_mode = ''"];
    statements.extend(schema::TABLES);
    statements.extend(rows.iter().map(String::as_str));
    project.legacy(&statements).await;
    project.write("mappings/workload.yaml", schema::MAPPING);
    project
}

async fn writers(project: &Project, seed: u64) -> [Driver; 2] {
    [Driver::connect(project.source_url(), seed).await, Driver::connect(project.source_url(), seed + 1).await]
}

async fn both(drivers: &mut [Driver; 2], steps: u64, images: Images) {
    let [one, two] = drivers;
    tokio::join!(one.steps(steps / 2, images), two.steps(steps / 2, images));
}

/// MySQL shows prepared transactions only to those who may recover them. Then a run that begins while one is prepared waits for its end;
/// else the stream stops at a COMMIT whose rows it has not seen.
pub async fn may_see_prepared(project: &Project) {
    let version: String = mysql_async::from_row(project.ask_legacy("SELECT VERSION()").await.pop().unwrap());
    if !version.contains("MariaDB") {
        project.legacy(&[&format!("GRANT XA_RECOVER_ADMIN ON *.* TO {}@'127.0.0.1'", project.name)]).await;
    }
}

async fn arrives_whole(pair: &Pair, test: &str, load: Load) {
    let project = project(pair, test).await;
    if !load.keyless {
        project.legacy(&["ALTER TABLE w_log ADD COLUMN id BIGINT AUTO_INCREMENT PRIMARY KEY INVISIBLE"]).await;
        // Without GTIDs the start is the start of the last closed log file, which must not contain these definitions.
        project.legacy(&["FLUSH BINARY LOGS", "FLUSH BINARY LOGS"]).await;
    }
    may_see_prepared(&project).await;
    let mut drivers = writers(&project, seed(test)).await;
    let mut engine = project.start(&[]);
    both(&mut drivers, load.before, Images::Full).await;
    if load.large_rows {
        drivers[0].large_row(4_321).await;
    }
    project.until_live(&mut engine).await;
    both(&mut drivers, load.live, load.images).await;
    if load.large_rows {
        drivers[1].large_row(17).await;
    }
    both(&mut drivers, load.live / 4, load.images).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    // What is written while no engine runs is in the log all the same.
    both(&mut drivers, load.live / 4, load.images).await;
    for driver in drivers {
        eprintln!("{test}: {:?}", driver.disconnect().await);
    }
    let rows = project.settle().await;
    assert!(rows > 20_000, "only {rows} rows compared");
    project.strangler(&["verify"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_to_postgres() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let load =
        Load { before: rounds(600, 4_000), live: rounds(1_500, 20_000), images: Images::Mixed, large_rows: true, keyless: true };
    arrives_whole(&pair, "mariadb_to_postgres", load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_with_compressed_events() {
    let Some(pair) = own(Kind::MariaDb, &["--log-bin-compress=ON", "--log-bin-compress-min-len=10"]).await else { return };
    let load =
        Load { before: rounds(200, 2_000), live: rounds(500, 8_000), images: Images::Mixed, large_rows: false, keyless: true };
    arrives_whole(&pair, "mariadb_compressed", load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_by_gtid_with_compressed_transactions() {
    let Some(pair) = own(Kind::MySql, &["--binlog-transaction-compression=ON"]).await else { return };
    let load =
        Load { before: rounds(200, 2_000), live: rounds(500, 8_000), images: Images::Mixed, large_rows: true, keyless: true };
    arrives_whole(&pair, "mysql_by_gtid", load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_by_file_and_position() {
    let Some(pair) = own(Kind::MySql, &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]).await else { return };
    let load =
        Load { before: rounds(200, 2_000), live: rounds(400, 8_000), images: Images::Full, large_rows: false, keyless: false };
    arrives_whole(&pair, "mysql_by_file", load).await;
}

/// The workload itself, without the program: every kind of step happens, on both servers, and the mapping's SELECTs are theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workload_does_what_it_says() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(pair) = shared(kind).await else { continue };
        let project = project(&pair, "workload_alone").await;
        let mut drivers = writers(&project, 1).await;
        both(&mut drivers, 400, Images::Mixed).await;
        drivers[0].large_row(5).await;
        let [one, two] = drivers;
        let mut outcomes = one.disconnect().await;
        for (outcome, times) in two.disconnect().await {
            *outcomes.entry(outcome).or_default() += times;
        }
        let times = |outcome: &str| outcomes.get(outcome).copied().unwrap_or(0);
        assert!(times("done") > 250 && times("xa committed") > 2, "{kind:?}: {outcomes:?}");
        assert!(times("collided") < 100, "{kind:?}: {outcomes:?}");
        let mapping: MappingFile = serde_saphyr::from_str(schema::MAPPING).unwrap();
        for (name, table) in mapping.tables {
            let rows = project.ask_legacy(&format!("SELECT COUNT(*) FROM ({}) answer", table.sql)).await;
            let count: u64 = rows.into_iter().next().unwrap().get(0).unwrap();
            assert!(count > 50, "{kind:?} {name}: {count} rows");
        }
    }
}
