//! A standby that is promoted under load: followed without a lost or doubled row where slot and timeline prove that it can be, refused by name
//! where they do not.

use super::{Crm, LEGACY_ARGS, Writer, installed};
use crate::support::program::Running;
use crate::support::{rounds, seed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use strangler::demo::servers::{Postgres, ServerOptions};
use tokio::net::{TcpListener, TcpStream};

/// What a standby needs to keep logical slots, from PostgreSQL 17 on.
const KEEPS_SLOTS: &str = "-csync_replication_slots=on";

/// A primary with its standby, and a service database that outlives both.
struct Town {
    crm: Crm,
    standby: Postgres,
}

impl Town {
    /// Servers of the newest version between `oldest` and `newest` that is at hand.
    async fn new(oldest: u32, newest: u32, standby_args: &[&str]) -> Option<Self> {
        let Some(programs) = Postgres::programs(oldest, newest) else {
            eprintln!("SKIPPED: no PostgreSQL {oldest} to {newest} is at hand; scripts/fetch-postgres.sh {newest} makes one");
            return None;
        };
        let arguments = LEGACY_ARGS.iter().chain(standby_args).copied();
        let primary = installed(Postgres::start_of(&programs, ServerOptions::with_args(arguments.clone())).await)?;
        let service = installed(Postgres::start(ServerOptions::default()).await)?;
        let crm = Crm::over(primary, Some(service)).await;
        let standby = crm.server.standby("standby", "legacy", ServerOptions::with_args(arguments)).await.unwrap();
        Some(Self { crm, standby })
    }

    /// The primary tells its stream only what the standby has.
    async fn synchronize(&self) {
        for statement in ["ALTER SYSTEM SET synchronized_standby_slots = 'standby'", "SELECT pg_reload_conf()"] {
            self.crm.server.execute("postgres", statement).await.unwrap();
        }
    }

    /// Waits until the standby would keep the slot.
    async fn until_kept(&self, engine: &mut Running) {
        for _ in 0..600 {
            let kept =
                "SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = 'strangler_crm' AND synced AND NOT temporary";
            let client = self.standby.connect("postgres").await.unwrap();
            if client.query_one(kept, &[]).await.unwrap().get::<_, String>(0) == "1" {
                return;
            }
            assert!(engine.ended().is_none(), "{}", engine.log());
            // What runs is logged every fifteen seconds at the latest; nobody has to wait for that.
            self.crm.server.execute("postgres", "SELECT pg_log_standby_snapshot()").await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the standby does not keep the slot");
    }

    /// The primary dies, and the standby takes its place.
    async fn fail_over(&mut self) {
        self.crm.server.kill().unwrap();
        self.standby.promote().await.unwrap();
        std::mem::swap(&mut self.crm.server, &mut self.standby);
    }

    /// The project file names the server that is the primary now.
    fn switch_url(&self) {
        let (former, now) = (self.standby.port(), self.crm.server.port());
        self.crm.edit(&format!("127.0.0.1:{former}/legacy"), &format!("127.0.0.1:{now}/legacy"));
    }

    async fn settle(&self) {
        self.crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
        assert!(self.crm.compare().await > 1_000);
    }
}

/// An address that moves: what it leads to is chosen per connection.
struct Address {
    port: u16,
    leads_to: Arc<AtomicU16>,
}

impl Address {
    async fn leading_to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Self { port: listener.local_addr().unwrap().port(), leads_to: Arc::new(AtomicU16::new(port)) };
        let leads_to = Arc::clone(&address.leads_to);
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let port = leads_to.load(Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                    }
                });
            }
        });
        address
    }
}

async fn worked(writer: Writer) {
    let steps = writer.stop().await;
    assert!(steps > 20, "{steps} transactions");
}

/// The engine runs all the while: its address leads to the standby before that is promoted, and then to the new primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_promoted_standby_with_a_failover_slot_is_followed_under_load() {
    let Some(mut town) = Town::new(17, 18, &[KEEPS_SLOTS]).await else { return };
    let seed = seed("failover");
    let address = Address::leading_to(town.crm.server.port()).await;
    let direct = format!("127.0.0.1:{}/legacy", town.crm.server.port());
    town.crm.edit(&direct, &format!("127.0.0.1:{}/legacy", address.port));
    let writer = Writer::start(&town.crm.server, seed).await;
    let mut engine = town.crm.start();
    town.crm.until_live(&mut engine).await;
    town.until_kept(&mut engine).await;
    town.synchronize().await;
    tokio::time::sleep(Duration::from_secs(rounds(2, 20))).await;
    // The address moves before the standby is a primary: it is waited for.
    address.leads_to.store(town.standby.port(), Ordering::Relaxed);
    town.crm.server.kill().unwrap();
    let waits = |status: &serde_json::Value| status["waiting"].as_str().is_some_and(|reason| reason.contains("standby"));
    town.crm.until(&mut engine, "waiting for the promotion", waits).await;
    worked(writer).await;
    town.fail_over().await;
    let writer = Writer::start(&town.crm.server, seed + 2).await;
    let promoted = |status: &serde_json::Value| status["applied"]["wal"]["timeline"] == 2;
    town.crm.until(&mut engine, "on the new timeline", promoted).await;
    tokio::time::sleep(Duration::from_secs(rounds(2, 20))).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    worked(writer).await;
    let moving = format!("127.0.0.1:{}/legacy", address.port);
    town.crm.edit(&moving, &format!("127.0.0.1:{}/legacy", town.crm.server.port()));
    town.settle().await;
    town.crm.strangler(&["verify", "--full-scan"]).await.expect(0);
}

/// The slot followed, but what had been read did not: the new primary never had it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_a_promoted_standby_without_what_was_read_is_refused() {
    let Some(mut town) = Town::new(17, 18, &[KEEPS_SLOTS]).await else { return };
    town.crm.strangler(&["check"]).await.expect(0).names(&["synchronized_standby_slots"]);
    let mut engine = town.crm.start();
    town.crm.until_live(&mut engine).await;
    town.until_kept(&mut engine).await;
    town.standby.stop().await.unwrap();
    town.crm
        .server
        .execute("legacy", "UPDATE app.ord SET amount = amount + 1; DELETE FROM app.cust WHERE id < 20")
        .await
        .unwrap();
    town.crm.until(&mut engine, "behind the standby", |status| status["change_count"].as_u64() >= Some(2_000)).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    town.crm.server.kill().unwrap();
    town.standby.restart().await.unwrap();
    town.fail_over().await;
    town.switch_url();
    town.crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&[
        "was promoted at",
        "without everything that was read",
        "--rebuild",
        "synchronized_standby_slots",
    ]);
    town.crm.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    town.settle().await;
}

/// A slot of an older version stays behind on the primary that died; a standby is never read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_promoted_standby_without_the_slot_is_refused() {
    let Some(mut town) = Town::new(15, 18, &[]).await else { return };
    let writer = Writer::start(&town.crm.server, 7).await;
    let mut engine = town.crm.start();
    town.crm.until_live(&mut engine).await;
    engine.kill();
    town.crm.server.kill().unwrap();
    worked(writer).await;
    let (former, now) = (town.crm.server.port(), town.standby.port());
    town.crm.edit(&format!("127.0.0.1:{former}/legacy"), &format!("127.0.0.1:{now}/legacy"));
    let refused = ["is a standby", "give the address of the primary"];
    town.crm.strangler(&["run", "--until-caught-up"]).await.expect(78).names(&refused);
    town.fail_over().await;
    let words = ["strangler_crm does not exist", "promoted (timeline 2, was 1)", "--rebuild", "sync_replication_slots"];
    town.crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&words);
    // Made by hand it begins behind what was read.
    let by_hand = "SELECT pg_create_logical_replication_slot('strangler_crm', 'pgoutput')";
    town.crm.server.execute("legacy", by_hand).await.unwrap();
    town.crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["begins behind", "--rebuild"]);
    town.crm.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    town.settle().await;
}
