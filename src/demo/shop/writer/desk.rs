//! Where the writer works: its connection, its generator, and what it remembers of the shop.

use super::super::generate::{HISTORY_DAYS, datetime, day};
use super::super::text::quote;
use fastrand::Rng;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use std::collections::VecDeque;

/// How many of its own orders the writer keeps coming back to.
const RECENT: usize = 60;
/// A lock that somebody else holds is a collision soon, not after the server's 50 s.
const SHORT_WAITS: &str = "SET SESSION innodb_lock_wait_timeout = 5";
/// New orders in one day of the shop's calendar.
const ORDERS_A_DAY: u32 = 40;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    Committed,
    RolledBack,
    Collided,
}

pub(super) type Done = Result<Outcome, Error>;

pub(super) struct Desk {
    connection: Conn,
    pub rng: Rng,
    recent: VecDeque<String>,
    next_order: u32,
    pub customers: u32,
    pub items: u32,
    pub vendors: u32,
    /// MySQL with enforced GTID consistency refuses transactions over both engines.
    pub engines_mix: bool,
}

impl Desk {
    pub fn new(connection: Conn, rng: Rng) -> Self {
        Self { connection, rng, recent: VecDeque::new(), next_order: 1, customers: 1, items: 1, vendors: 1, engines_mix: true }
    }

    /// Reads how large the shop is; false if it holds no order.
    pub async fn look_around(&mut self) -> Result<bool, Error> {
        self.customers = self.number("SELECT MAX(cust_no) FROM tb_cust").await?.unwrap_or(1).max(1);
        self.items = self.number("SELECT MAX(item_no) FROM tb_item").await?.unwrap_or(1).max(1);
        self.vendors = self.number("SELECT MAX(vndr_no) FROM tb_vendor").await?.unwrap_or(1).max(1);
        // Only a scan of the key: the running number is the end of the order number, whatever its day.
        let last = self.number("SELECT MAX(CAST(RIGHT(ord_no, 7) AS UNSIGNED)) FROM tb_ord_mst").await?;
        self.next_order = last.unwrap_or(0).saturating_add(1);
        let enforced: Option<(String, String)> =
            self.connection.query_first("SHOW GLOBAL VARIABLES LIKE 'enforce_gtid_consistency'").await?;
        self.engines_mix = enforced.is_none_or(|(_, value)| value != "ON"); // MariaDB has no such variable
        self.run(SHORT_WAITS).await?;
        Ok(last.is_some())
    }

    /// Goes on over another connection.
    pub async fn change_connection(&mut self, connection: Conn) -> Result<(), Error> {
        self.connection = connection;
        self.run(SHORT_WAITS).await
    }

    /// Runs one statement.
    pub async fn run(&mut self, statement: impl AsRef<str>) -> Result<(), Error> {
        self.connection.query_drop(statement.as_ref()).await
    }

    /// Runs statements, one after the other, each in the transaction that is open.
    pub async fn run_all(&mut self, statements: impl IntoIterator<Item = String>) -> Result<(), Error> {
        for statement in statements {
            self.run(statement).await?;
        }
        Ok(())
    }

    /// Runs statements as one transaction.
    pub async fn transaction(&mut self, statements: impl IntoIterator<Item = String>) -> Done {
        self.run("BEGIN").await?;
        self.run_all(statements).await?;
        self.commit().await
    }

    /// Runs one statement that commits by itself.
    pub async fn alone(&mut self, statement: impl AsRef<str>) -> Done {
        self.run(statement).await?;
        Ok(Outcome::Committed)
    }

    pub async fn commit(&mut self) -> Done {
        self.run("COMMIT").await?;
        Ok(Outcome::Committed)
    }

    pub async fn number(&mut self, query: &str) -> Result<Option<u32>, Error> {
        Ok(self.connection.query_first::<Option<u32>, _>(query).await?.flatten())
    }

    pub async fn text(&mut self, query: &str) -> Result<Option<String>, Error> {
        Ok(self.connection.query_first::<Option<String>, _>(query).await?.flatten())
    }

    /// The number of an order that exists (quoted for SQL), one of its own now and then; at worst one that is just gone.
    pub async fn order(&mut self) -> Result<String, Error> {
        if !self.recent.is_empty() && self.rng.u32(..5) < 2 {
            let at = self.rng.usize(..self.recent.len());
            return Ok(quote(self.recent.get(at).map_or("", String::as_str)));
        }
        let probe = format!("O{}", day(self.rng.u32(..HISTORY_DAYS)));
        let skip = self.rng.u32(..40);
        let query = format!("SELECT ord_no FROM tb_ord_mst WHERE ord_no >= '{probe}' ORDER BY ord_no LIMIT {skip}, 1");
        let found = match self.text(&query).await? {
            None => self.text("SELECT ord_no FROM tb_ord_mst ORDER BY ord_no DESC LIMIT 1").await?,
            found => found,
        };
        Ok(quote(found.as_deref().unwrap_or("none")))
    }

    /// A new order number (not quoted), remembered.
    pub fn new_order(&mut self) -> String {
        let number = format!("O{}{:07}", self.today(), self.next_order % 10_000_000);
        self.next_order = self.next_order.wrapping_add(1);
        self.remember(number.clone());
        number
    }

    /// Leaves a gap in the order numbers: two writers on one shop would otherwise collide on every number.
    pub fn skip_numbers(&mut self) {
        self.next_order = self.next_order.wrapping_add(self.rng.u32(1..200));
    }

    /// Remembers an order to come back to.
    pub fn remember(&mut self, number: String) {
        self.recent.push_back(number);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// The shop's own calendar: it moves with the orders, so that a seed gives the same days every time.
    pub fn today(&self) -> String {
        day(HISTORY_DAYS + (self.next_order / ORDERS_A_DAY) % 1_000)
    }

    /// Now, in the shop's calendar, as a DATETIME literal in quotes.
    pub fn now(&mut self) -> String {
        quote(&datetime(&self.today(), self.rng.u32(..86_400)))
    }

    /// The number of a customer; now and then of one that does not exist.
    pub fn customer(&mut self) -> u32 {
        self.rng.u32(1..=self.customers.saturating_add(1))
    }

    pub fn item(&mut self) -> u32 {
        self.rng.u32(1..=self.items)
    }

    /// An amount in hundredths.
    pub fn amount(&mut self) -> i64 {
        self.rng.i64(10..300_000) * 100
    }
}
