//! Executes random steps on real connections, the way an old application does: collisions are rolled back and forgotten.

use super::random::{Step, step};
use fastrand::Rng;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use std::collections::BTreeMap;

/// Duplicate key, lock wait timeout, deadlock, changed since last read; and what MySQL forbids under GTID in one transaction.
const COLLISIONS: [u16; 6] = [1062, 1205, 1213, 1020, 1785, 1399];

/// How the old application's sessions log their changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// `binlog_row_image=FULL`.
    Full,
    /// Any row image, changing from step to step. The engine accepts partial images when live only.
    Mixed,
}

/// One session that writes, and a second one that is there while an XA transaction is prepared.
pub struct Driver {
    rng: Rng,
    main: Conn,
    side: Conn,
    xa_prefix: String,
    /// How often each outcome occurred.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl Driver {
    /// Connects two sessions.
    pub async fn connect(url: &str, seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            main: session(url).await,
            side: session(url).await,
            xa_prefix: format!("x{seed}"),
            outcomes: BTreeMap::new(),
        }
    }

    /// Executes `count` steps.
    pub async fn steps(&mut self, count: u64, images: Images) {
        for number in 0..count {
            if images == Images::Mixed && self.rng.u32(0..5) == 0 {
                let image = self.rng.choice(["FULL", "MINIMAL", "NOBLOB"]).unwrap_or("FULL");
                self.main.query_drop(format!("SET SESSION binlog_row_image = '{image}'")).await.unwrap();
            }
            let outcome = match step(&mut self.rng, true) {
                Step::Plain(statements) => collided(run(&mut self.main, &statements).await),
                Step::Xa(inner, meanwhile, commit) => self.xa(number, &inner, &meanwhile, commit).await,
            };
            if outcome == "collided" {
                self.main.query_drop("ROLLBACK").await.unwrap();
            }
            *self.outcomes.entry(outcome).or_default() += 1;
        }
        if images == Images::Mixed {
            self.main.query_drop("SET SESSION binlog_row_image = 'FULL'").await.unwrap();
        }
    }

    async fn xa(&mut self, number: u64, inner: &[String], meanwhile: &[String], commit: bool) -> &'static str {
        let id = format!("'{}-{number}'", self.xa_prefix);
        self.main.query_drop(format!("XA START {id}")).await.unwrap();
        let done = collided(run(&mut self.main, inner).await);
        if done == "collided" {
            // A deadlock has rolled the branch back already: then END is refused and ROLLBACK clears it.
            let _ = self.main.query_drop(format!("XA END {id}")).await;
            self.main.query_drop(format!("XA ROLLBACK {id}")).await.unwrap();
            return "xa collided";
        }
        self.main.query_drop(format!("XA END {id}")).await.unwrap();
        self.main.query_drop(format!("XA PREPARE {id}")).await.unwrap();
        if collided(run(&mut self.side, meanwhile).await) == "collided" {
            self.side.query_drop("ROLLBACK").await.unwrap();
        }
        let end = if commit { "XA COMMIT" } else { "XA ROLLBACK" };
        self.main.query_drop(format!("{end} {id}")).await.unwrap();
        if commit { "xa committed" } else { "xa rolled back" }
    }

    /// Writes one row of more than 16 MB, which no single packet carries.
    pub async fn large_row(&mut self, order: u32) {
        let statement = format!("UPDATE w_ord SET memo = REPEAT('가', 5800000) WHERE ord_no = {order}");
        self.main.query_drop(statement).await.unwrap();
    }

    /// Ends the sessions.
    pub async fn disconnect(self) -> BTreeMap<&'static str, u64> {
        self.main.disconnect().await.unwrap();
        self.side.disconnect().await.unwrap();
        self.outcomes
    }
}

async fn session(url: &str) -> Conn {
    let mut connection = Conn::from_url(url).await.unwrap();
    connection.query_drop("SET SESSION sql_mode = '', innodb_lock_wait_timeout = 1").await.unwrap();
    connection
}

async fn run(connection: &mut Conn, statements: &[String]) -> Result<(), Error> {
    for statement in statements {
        connection.query_drop(statement).await?;
    }
    Ok(())
}

#[track_caller]
fn collided(result: Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "done",
        Err(Error::Server(error)) if COLLISIONS.contains(&error.code) => "collided",
        Err(error) => panic!("{error}"),
    }
}
