//! Servers that die, answers that get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::error::Class;
use crate::schema::TargetKind;
use crate::target::mysql::MySqlOptions;
use crate::target::postgres::{Address, PostgresOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f98_f100_after_kill_9_of_the_server_the_checkpoint_tells_where_to_go_on() {
    for bench in Bench::durable().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let mut current = bench.begin(tables).await;
        let Bench { mut server, target } = bench;
        let mut interrupted = 0;
        // However slow the machine is, the first kill finds rows.
        let first = next(&current);
        target.apply(&[(first.clone(), tables, batch(0, vec![], vec![label(1, "this"), label(2, "next")]))]).await.unwrap();
        current = first.next;
        for round in 0..2 {
            let killer = tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(300 + 150 * round)).await;
                server.crash().await;
                server
            });
            while !killer.is_finished() {
                // Sequence n writes the rows n and n+1 and deletes n-1: the table tells which prefix it holds.
                let advance = next(&current);
                let sequence = i64::try_from(advance.next.sequence).unwrap();
                let write = batch(0, vec![key(sequence - 1)], vec![label(sequence, "this"), label(sequence + 1, "next")]);
                match target.apply(&[(advance.clone(), tables, write)]).await {
                    Ok(()) => current = advance.next,
                    Err(error) => {
                        assert!(error.class().is_transient(), "{error:?}");
                        interrupted += 1;
                        current = read_back(&target, &advance).await;
                    }
                }
            }
            server = killer.await.unwrap();
            let (checkpoint, rows) = target.read_after("m", &table, None, 10).await.unwrap();
            assert_eq!(checkpoint.unwrap(), current);
            let sequence = i64::try_from(current.sequence).unwrap();
            assert_eq!(rows, [label(sequence, "this"), label(sequence + 1, "next")]);
        }
        assert!(interrupted > 0, "the server was killed without anybody noticing");
    }
}

async fn read_back(target: &Database, attempted: &Advance) -> Checkpoint {
    loop {
        match target.checkpoint("m").await {
            Ok(found) => {
                let found = found.unwrap();
                assert!((attempted.expected_sequence..=attempted.next.sequence).contains(&found.sequence));
                return found;
            }
            Err(error) => assert!(error.class().is_transient(), "{error:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn f98_a_lost_commit_answer_is_a_retry_and_the_checkpoint_knows() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let (port, armed) = cutting_proxy(bench.server.port()).await;
        let cut = Database::new(bench.server.options_at(port));
        cut.checkpoint("m").await.unwrap();
        cut.inspect(&table).await.unwrap();
        armed.store(true, Ordering::SeqCst);
        let error = cut.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
        assert_eq!(error.class(), Class::Retry, "{error:?}");
        armed.store(false, Ordering::SeqCst);
        // The engine that did not read back but wrote again is told that its transaction took place.
        let again = cut.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
        assert_eq!(again.class(), Class::Retry, "{again:?}");
        assert_eq!(cut.checkpoint("m").await.unwrap(), Some(next(&start).next));
        assert_eq!(bench.ask("SELECT label FROM t").await, "x");
    }
}

/// Forwards to the server; once armed, it cuts a connection right after a COMMIT went through.
async fn cutting_proxy(server_port: u16) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let armed = Arc::new(AtomicBool::new(false));
    let flag = armed.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, server_port, flag.clone()));
        }
    });
    (port, armed)
}

async fn forward(client: TcpStream, server_port: u16, armed: Arc<AtomicBool>) {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..count];
        let commits = sent.ends_with(b"COMMIT") || sent.ends_with(b"COMMIT\0");
        if commits && armed.load(Ordering::SeqCst) {
            answers.abort();
            let _ = answers.await;
            to_server.write_all(&buffer[..count]).await.unwrap();
            // The server commits before it looks at the closed socket.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            return;
        }
        to_server.write_all(&buffer[..count]).await.unwrap();
    }
}

#[tokio::test]
async fn f105_a_port_that_accepts_and_says_nothing_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut mysql = MySqlOptions::new("silent", TargetKind::MySql, ("127.0.0.1", port), "u", "d");
    mysql.connect_timeout_s = 1;
    let address = Address::Tcp { host: "127.0.0.1".into(), port };
    let mut postgres = PostgresOptions::new("silent", address, "u", "d");
    postgres.connect_timeout_s = 1;
    for options in [TargetOptions::MySql(mysql), TargetOptions::Postgres(postgres)] {
        let error = Database::new(options).checkpoint("m").await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error:?}");
    }
}
