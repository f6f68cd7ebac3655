//! Keeps the shop alive: random transactions of the kinds an old application commits, seeded, on one connection.
//!
//! Duplicate keys and deadlocks of its own making are rolled back and counted; a server that restarts is waited for.
//! Anything else the server refuses is an error, because then the writer no longer does what its name says.

mod counts;
mod desk;
mod edits;
mod keys;
mod odd;
mod orders;

pub use counts::{WriterCounters, WriterCounts};

use super::load::connect;
use super::{ShopError, generate};
use desk::{Desk, Outcome};
use mysql_async::{Error, Opts};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long [`Writer::step`] waits for a server that is down.
const PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two tries to reach a server that is down.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Up to this rate the writer spaces its transactions evenly.
const TICKS_PER_SECOND: f64 = 200.0;

/// What one transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    PlaceOrder,
    Pay,
    Ship,
    Deliver,
    CancelLine,
    CancelOrder,
    ReturnGoods,
    EditOrder,
    DeleteOrder,
    HideOrder,
    EditCustomer,
    EditAddress,
    EditMember,
    LinkCustomer,
    EditItem,
    EditVendor,
    RenameCode,
    RekeyOrder,
    RekeyLines,
    RekeyMember,
    NullJoinKeys,
    Points,
    MixedEngines,
    Memo,
    ZeroDate,
    ManyRows,
    TwoTables,
    UnmappedTables,
    Upsert,
    SameRowTwice,
    RolledBack,
    PartlyRolledBack,
}

/// Every action with its weight; dimension changes that touch thousands of orders are rare, as they are in life.
const ACTIONS: &[(Action, u32)] = &[
    (Action::PlaceOrder, 200),
    (Action::Pay, 90),
    (Action::Ship, 90),
    (Action::Deliver, 60),
    (Action::CancelLine, 40),
    (Action::CancelOrder, 30),
    (Action::ReturnGoods, 40),
    (Action::EditOrder, 50),
    (Action::DeleteOrder, 25),
    (Action::HideOrder, 20),
    (Action::EditCustomer, 40),
    (Action::EditAddress, 30),
    (Action::EditMember, 15),
    (Action::LinkCustomer, 30),
    (Action::EditItem, 20),
    (Action::EditVendor, 10),
    (Action::RenameCode, 3),
    (Action::RekeyOrder, 20),
    (Action::RekeyLines, 15),
    (Action::RekeyMember, 8),
    (Action::NullJoinKeys, 20),
    (Action::Points, 40),
    (Action::MixedEngines, 10),
    (Action::Memo, 40),
    (Action::ZeroDate, 25),
    (Action::ManyRows, 20),
    (Action::TwoTables, 15),
    (Action::UnmappedTables, 25),
    (Action::Upsert, 15),
    (Action::SameRowTwice, 15),
    (Action::RolledBack, 20),
    (Action::PartlyRolledBack, 20),
];

/// The shop's staff, customers and batch jobs in one.
pub struct Writer {
    options: Opts,
    desk: Desk,
    counters: Arc<WriterCounters>,
}

impl Writer {
    /// Connects to a loaded shop; `url` as for [`super::load`]. The same seed on the same data does the same things.
    ///
    /// # Errors
    /// The url is not valid, the server is not there, or the database holds no shop.
    pub async fn connect(url: &str, seed: u64) -> Result<Self, ShopError> {
        let options = Opts::from_url(url).map_err(|cause| ShopError::Url(cause.to_string()))?;
        let failed = |cause| ShopError::database("connect to write to the shop", cause);
        let connection = connect(&options).await.map_err(failed)?;
        let mut desk = Desk::new(connection, generate::chunk_rng(seed, 9, 0));
        if !desk.look_around().await.map_err(|cause| ShopError::database("read the shop", cause))? {
            return Err(ShopError::Empty(options.db_name().unwrap_or_default().into()));
        }
        Ok(Self { options, desk, counters: Arc::default() })
    }

    /// What has been done so far, to be watched from elsewhere.
    pub fn counters(&self) -> Arc<WriterCounters> {
        self.counters.clone()
    }

    /// What has been done so far.
    pub fn counts(&self) -> WriterCounts {
        self.counters.read()
    }

    /// Does exactly `transactions` random transactions as fast as the server takes them; rolled-back ones count.
    ///
    /// # Errors
    /// The server refused one, or stayed away for more than 90 s.
    pub async fn step(&mut self, transactions: u64) -> Result<(), ShopError> {
        for _ in 0..transactions {
            self.one(None).await?;
        }
        Ok(())
    }

    /// Writes at `transactions_per_second` until `stop` turns true or its sender is dropped; waits for a server that is down.
    ///
    /// # Errors
    /// The server refused a transaction.
    pub async fn run(&mut self, transactions_per_second: f64, mut stop: watch::Receiver<bool>) -> Result<(), ShopError> {
        let rate = transactions_per_second.clamp(0.001, 1e6);
        // A timer tick takes a millisecond at least: fast writers do several transactions for each.
        let batch = (rate / TICKS_PER_SECOND).ceil().max(1.0);
        let pause = Duration::try_from_secs_f64(batch / rate).unwrap_or(RETRY_PAUSE);
        let mut ticks = tokio::time::interval(pause);
        // After an outage go on at the same pace; catching up would be a burst nobody asked for.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
            for _ in 0..batch as u32 {
                self.one(Some(&stop)).await?;
            }
        }
    }

    async fn one(&mut self, stop: Option<&watch::Receiver<bool>>) -> Result<(), ShopError> {
        let action = self.choose();
        loop {
            match perform(&mut self.desk, action).await {
                Ok(outcome) => {
                    self.counters.count(action_name(action), outcome);
                    return Ok(());
                }
                Err(error) if is_collision(&error) => match self.desk.run("ROLLBACK").await {
                    Ok(()) => {
                        self.desk.skip_numbers();
                        self.counters.count(action_name(action), Outcome::Collided);
                        return Ok(());
                    }
                    Err(error) if is_outage(&error) => {} // the next try reconnects
                    Err(error) => return Err(ShopError::database("roll back", error)),
                },
                Err(error) if is_outage(&error) => {
                    if !self.reconnect(stop).await? {
                        return Ok(());
                    }
                }
                Err(error) => {
                    return Err(ShopError::database(format!("writer action {}", action_name(action)), error));
                }
            }
        }
    }

    /// True when connected again, false when told to stop meanwhile.
    async fn reconnect(&mut self, stop: Option<&watch::Receiver<bool>>) -> Result<bool, ShopError> {
        let start = Instant::now();
        loop {
            match self.connect_again().await {
                Ok(()) => {
                    self.counters.count_reconnect();
                    return Ok(true);
                }
                Err(error) if !is_outage(&error) || (stop.is_none() && start.elapsed() > PATIENCE) => {
                    return Err(ShopError::database("reconnect to the shop", error));
                }
                Err(_) if stop.is_some_and(|stop| *stop.borrow() || stop.has_changed().is_err()) => {
                    return Ok(false);
                }
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    async fn connect_again(&mut self) -> Result<(), Error> {
        let connection = connect(&self.options).await?;
        self.desk.change_connection(connection).await
    }

    fn choose(&mut self) -> Action {
        let total: u32 = ACTIONS.iter().map(|(_, weight)| weight).sum();
        let mut draw = self.desk.rng.u32(..total);
        for (action, weight) in ACTIONS {
            match draw.checked_sub(*weight) {
                Some(rest) => draw = rest,
                None => return *action,
            }
        }
        Action::PlaceOrder
    }
}

async fn perform(desk: &mut Desk, action: Action) -> Result<Outcome, Error> {
    match action {
        Action::PlaceOrder => desk.place_order().await,
        Action::Pay => desk.pay().await,
        Action::Ship => desk.ship().await,
        Action::Deliver => desk.deliver().await,
        Action::CancelLine => desk.cancel_line().await,
        Action::CancelOrder => desk.cancel_order().await,
        Action::ReturnGoods => desk.return_goods().await,
        Action::EditOrder => desk.edit_order().await,
        Action::DeleteOrder => desk.delete_order().await,
        Action::HideOrder => desk.hide_order().await,
        Action::EditCustomer => desk.edit_customer().await,
        Action::EditAddress => desk.edit_address().await,
        Action::EditMember => desk.edit_member().await,
        Action::LinkCustomer => desk.link_customer().await,
        Action::EditItem => desk.edit_item().await,
        Action::EditVendor => desk.edit_vendor().await,
        Action::RenameCode => desk.rename_code().await,
        Action::RekeyOrder => desk.rekey_order().await,
        Action::RekeyLines => desk.rekey_lines().await,
        Action::RekeyMember => desk.rekey_member().await,
        Action::NullJoinKeys => desk.null_join_keys().await,
        Action::Points => desk.points().await,
        Action::MixedEngines => desk.mixed_engines().await,
        Action::Memo => desk.memo().await,
        Action::ZeroDate => desk.zero_date().await,
        Action::ManyRows => desk.many_rows().await,
        Action::TwoTables => desk.two_tables().await,
        Action::UnmappedTables => desk.unmapped_tables().await,
        Action::Upsert => desk.upsert().await,
        Action::SameRowTwice => desk.same_row_twice().await,
        Action::RolledBack => desk.rolled_back().await,
        Action::PartlyRolledBack => desk.partly_rolled_back().await,
    }
}

fn action_name(action: Action) -> String {
    format!("{action:?}")
}

/// Duplicate key, lock wait timeout, deadlock, "record has changed since last read".
fn is_collision(error: &Error) -> bool {
    matches!(error, Error::Server(server) if [1062, 1205, 1213, 1020].contains(&server.code))
}

/// The server is going down, is down, or cut the connection.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::Server(server) => {
            [1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 3032, 4031].contains(&server.code)
        }
        Error::Io(_) | Error::Driver(_) => true,
        _ => false,
    }
}
