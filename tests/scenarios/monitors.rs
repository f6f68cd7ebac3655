//! What monitors are served over the address of the project file: life, readiness and numbers, and never a value of a row.

use super::{on_mariadb, project};
use crate::support::project::Project;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Status code and body; `None` while nobody answers.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A project whose engine listens, and where.
async fn listening(pair: &crate::support::servers::Pair, test: &str) -> (Project, u16) {
    let project = project(pair, test).await;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    project.edit("strangler.yaml", "state: ./state", &format!("metrics: {{ listen: 127.0.0.1:{port} }}\nstate: ./state"));
    (project, port)
}

#[tokio::test]
async fn monitors_read_life_readiness_and_numbers_of_a_running_engine() {
    let (_pair, (project, port)) = on_mariadb!(listening, "monitors");
    assert_eq!(get(port, "/livez"), None, "nothing runs yet");
    let mut engine = project.start(&[]);
    let ready = Some((200, "ready\n".to_owned()));
    project.until(&mut engine, "ready", |_| get(port, "/readyz") == ready).await;
    assert_eq!(get(port, "/livez"), Some((200, "live\n".to_owned())));
    // The first leaves every mapped column as it was, which is no change at all.
    project.legacy(&["UPDATE s_ord SET unused = 'z'", "UPDATE s_ord SET memo = '부재중' WHERE ord_no IN (1, 2)"]).await;
    let has_both =
        |_: &Project| get(port, "/metrics").is_some_and(|(_, text)| text.contains("\nstrangler_target_writes_total 2\n"));
    project.until(&mut engine, "writing two rows", has_both).await;
    let (code, text) = get(port, "/metrics").unwrap();
    assert_eq!(code, 200);
    for line in [
        "strangler_stage{strangler_stage=\"live\"} 1",
        "strangler_mapping_up{mapping=\"small\"} 1",
        "strangler_pending_sweeps{mapping=\"small\"} 0",
        "strangler_source_changes_total 2",
        "strangler_source_transactions_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n") && text.contains("strangler_state_hits_total "), "{text}");
    assert!(!text.contains("부재중") && !text.contains("김철수"), "{text}");
    project.strangler(&["pause", "--mapping", "small"]).await.expect(0);
    let (code, reasons) = get(port, "/readyz").unwrap();
    assert_eq!((code, reasons.contains("small is paused")), (503, true), "{reasons}");
    project.strangler(&["resume", "--mapping", "small"]).await.expect(0);
    project.until(&mut engine, "ready", |_| get(port, "/readyz") == ready).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(get(port, "/livez"), None);
    project.settle().await;
}
