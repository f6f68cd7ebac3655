//! The throw-away servers themselves: they start, answer, come back on the same port and leave nothing behind.

use super::*;
use mysql_async::prelude::Queryable;

async fn ask(url: &str, question: &str) -> String {
    let mut connection = mysql_async::Conn::from_url(url).await.unwrap();
    let answer: Option<String> = connection.query_first(question).await.unwrap();
    connection.disconnect().await.unwrap();
    answer.unwrap()
}

async fn goes_down_and_comes_back(mut server: MysqlWireServer) {
    server
        .execute(&["CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO d.t VALUES (7)"])
        .await
        .unwrap();
    assert_eq!(ask(&server.url_of("d"), "SELECT a FROM t").await, "7");
    let (port, folder, uuid) = (server.port(), server.folder().to_path_buf(), ask(&server.url(), "SELECT @@server_id").await);
    server.restart().await.unwrap();
    assert_eq!((server.port(), ask(&server.url(), "SELECT @@server_id").await), (port, uuid));
    server.kill().unwrap();
    assert_eq!(server.pid(), None);
    server.restart().await.unwrap();
    assert_eq!(ask(&server.url_of("d"), "SELECT a FROM t").await, "7");
    let pid = server.pid().unwrap();
    drop(server);
    assert!(!folder.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn mariadb_goes_down_and_comes_back() {
    let server = MariaDb::start(ServerOptions::with_args(["--binlog-row-image=MINIMAL"])).await.unwrap();
    assert_eq!(ask(&server.url(), "SELECT @@binlog_row_image").await, "MINIMAL");
    assert_eq!(ask(&server.url(), "SELECT @@binlog_row_metadata").await, "FULL");
    goes_down_and_comes_back(server).await;
}

/// A MariaDB that starts removes all temporary tables in its temp folder: with a shared one, neighbours fail at random.
#[tokio::test]
async fn each_server_has_a_temp_folder_of_its_own() {
    let server = MariaDb::start(ServerOptions::default()).await.unwrap();
    assert_eq!(ask(&server.url(), "SELECT @@tmpdir").await, server.folder().display().to_string());
}

#[tokio::test]
async fn two_mysql_servers_have_two_identities() {
    if !MySql::is_available() {
        eprintln!("SKIPPED: no MySQL tree; scripts/fetch-mysql.sh makes one");
        return;
    }
    let first = MySql::start(ServerOptions::default()).await.unwrap();
    let second = MySql::start(ServerOptions::default()).await.unwrap();
    assert_ne!(ask(&first.url(), "SELECT @@server_uuid").await, ask(&second.url(), "SELECT @@server_uuid").await);
    goes_down_and_comes_back(first).await;
}

#[tokio::test]
async fn postgres_goes_down_and_comes_back() {
    let mut server = Postgres::start(ServerOptions::default()).await.unwrap();
    let url = server.create_database("orders").await.unwrap();
    server.execute("orders", "CREATE TABLE t (a int); INSERT INTO t VALUES (7)").await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(client.query_one("SELECT a FROM t", &[]).await.unwrap().get::<_, i32>(0), 7);
    server.restart().await.unwrap();
    server.kill().unwrap();
    server.restart().await.unwrap();
    let again = server.connect("orders").await.unwrap();
    assert_eq!(again.query_one("SELECT a FROM t", &[]).await.unwrap().get::<_, i32>(0), 7);
    let folder = server.folder().to_path_buf();
    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_what_it_wrote() {
    let Err(error) = MariaDb::start(ServerOptions::with_args(["--no-such-option"])).await else { panic!("it started") };
    assert!(error.to_string().contains("no-such-option"), "{error}");
}

const CHILD: &str = "STRANGLER_TEST_SERVER_CHILD";

/// Not a test of its own: the process that the next test starts and kills.
#[tokio::test]
async fn child_that_starts_a_server_and_waits() {
    let Some(report) = std::env::var_os(CHILD) else {
        return;
    };
    let mariadb = MariaDb::start(ServerOptions::default()).await.unwrap();
    let postgres = Postgres::start(ServerOptions::default()).await.unwrap();
    let folders = format!("{} {}", mariadb.folder().display(), postgres.folder().display());
    let unfinished = std::path::PathBuf::from(&report).with_extension("new");
    std::fs::write(&unfinished, format!("{} {} {folders}", mariadb.pid().unwrap(), postgres.pid().unwrap())).unwrap();
    std::fs::rename(unfinished, report).unwrap();
    std::future::pending().await
}

#[tokio::test]
async fn servers_die_with_a_parent_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("pids");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "demo::servers::tests::child_that_starts_a_server_and_waits"])
        .env(CHILD, &report)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !report.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let report = std::fs::read_to_string(report).unwrap();
    let words: Vec<&str> = report.split(' ').collect();
    for pid in &words[..2] {
        while alive(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    for left_behind in &words[2..] {
        std::fs::remove_dir_all(left_behind).unwrap();
    }
}

/// A process that is neither gone nor a zombie waiting for somebody to collect it.
fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}
