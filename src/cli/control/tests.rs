//! The control socket over a real socket file.

use std::os::unix::fs::PermissionsExt;

use super::{Answers, Client, serve};
use crate::error::Class;
use crate::migrate::{Answer, Board, EngineStatus};
use crate::position::{BinlogPosition, Position};
use crate::schema::{Flavor, SessionSettings, SourceCatalog};
use crate::state::meta::{FORMAT, Identity};

struct Fake(Identity);

impl Answers for Fake {
    fn status(&self) -> EngineStatus {
        self.board().snapshot()
    }

    fn board(&self) -> Board {
        Board::new(Vec::new(), Vec::new())
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.0)
    }

    fn touched(&self, mapping: &str, table: &str, since: u64, keys: &[u128]) -> Option<Vec<bool>> {
        (mapping == "m" && table == "주문").then(|| keys.iter().map(|key| *key > u128::from(since)).collect())
    }

    fn halt(&self, mapping: &str, goes_on: bool) -> crate::error::Result<Option<Answer>> {
        Ok(match (mapping, goes_on) {
            ("m", false) => Some(Answer::Done),
            ("m", true) => Some(Answer::Already("running")),
            ("old", true) => Some(Answer::NeedsRebuild),
            _ => None,
        })
    }
}

fn fake() -> Fake {
    let session = SessionSettings {
        sql_mode: String::new(),
        time_zone: "+09:00".into(),
        div_precision_increment: 4,
        group_concat_max_len: 1024,
        collation_connection: "utf8mb4_general_ci".into(),
        lower_case_table_names: 0,
    };
    let catalog = SourceCatalog {
        sources: std::collections::BTreeMap::new(),
        flavor: Flavor::MariaDb,
        version: (10, 11, 0),
        default_schema: "s".into(),
        tables: vec![],
        collations: Default::default(),
        session,
    };
    let start = Position::Binlog(BinlogPosition {
        server: "1".into(),
        file: "binlog.000001".into(),
        offset: 4,
        gtid: String::new(),
        prepared_from: None,
        altered: Vec::new(),
    });
    Fake(Identity { format: FORMAT, state_id: "abc".into(), source: "erp".into(), catalog, mappings: Default::default(), start })
}

#[tokio::test]
async fn a_running_engine_answers_and_an_ended_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Client::of_state(folder.path()).await.unwrap().is_none());
    let serving = serve(folder.path(), fake()).unwrap();
    let mode = std::fs::metadata(folder.path().join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let client = Client::of_state(folder.path()).await.unwrap().unwrap();
    assert_eq!(client.status().await.unwrap().format_version, 1);
    assert_eq!(client.identity().await.unwrap(), fake().0);
    assert_eq!(client.touched("m", "주문", 7, &[7, 8, u128::MAX]).await.unwrap(), [false, true, true]);
    assert_eq!(client.touched("m", "nothing", 7, &[1]).await.unwrap_err().class(), Class::Person);
    drop(serving);
    assert!(Client::of_state(folder.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_socket_left_by_a_killed_engine_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("control.sock")).unwrap());
    assert!(Client::of_state(folder.path()).await.unwrap().is_none(), "nobody listens");
    let _serving = serve(folder.path(), fake()).unwrap();
    assert!(Client::of_state(folder.path()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_state_folder_with_a_very_long_path_has_its_socket_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("한글".repeat(30));
    std::fs::create_dir(&state).unwrap();
    let serving = serve(&state, fake()).unwrap();
    let client = Client::of_state(&state).await.unwrap().unwrap();
    assert!(client.status().await.is_ok());
    drop(serving);
    assert!(Client::of_state(&state).await.unwrap().is_none());
}
