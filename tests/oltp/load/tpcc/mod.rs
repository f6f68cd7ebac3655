//! TPC-C (revision 5.11), scaled down: its nine tables and five transactions in their published mix.
//!
//! Different from the standard: sizes; no think times; one `s_dist` instead of ten; `history` has a key, as in BenchmarkSQL; an order keeps its
//! own total, so that the sum of its lines can be held against it.

mod fill;
mod transactions;

use fastrand::Rng;

pub use fill::fill;

use super::Outcome;
use super::session::Session;

/// Districts of a warehouse.
pub const DISTRICTS: i64 = 10;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Warehouses.
    pub warehouses: i64,
    /// Customers of a district, and its first orders; 3,000 in the standard.
    pub customers: i64,
    /// Items; 100,000 in the standard.
    pub items: i64,
}

/// The tables; `DATETIME` and `SERIAL_KEY` have another name on each family.
const TABLES: [&str; 12] = [
    "CREATE TABLE warehouse (w_id INTEGER NOT NULL PRIMARY KEY, w_name VARCHAR(10) NOT NULL, w_tax DECIMAL(4,4) NOT NULL, w_ytd DECIMAL(12,2) NOT NULL)",
    "CREATE TABLE district (d_w_id INTEGER NOT NULL, d_id INTEGER NOT NULL, d_name VARCHAR(10) NOT NULL, d_tax DECIMAL(4,4) NOT NULL, \
     d_ytd DECIMAL(12,2) NOT NULL, d_next_o_id INTEGER NOT NULL, PRIMARY KEY (d_w_id, d_id))",
    "CREATE TABLE customer (c_w_id INTEGER NOT NULL, c_d_id INTEGER NOT NULL, c_id INTEGER NOT NULL, c_first VARCHAR(16) NOT NULL, \
     c_last VARCHAR(16) NOT NULL, c_credit CHAR(2) NOT NULL, c_discount DECIMAL(4,4) NOT NULL, c_balance DECIMAL(12,2) NOT NULL, \
     c_ytd_payment DECIMAL(12,2) NOT NULL, c_payment_cnt INTEGER NOT NULL, c_delivery_cnt INTEGER NOT NULL, c_data VARCHAR(500) NOT NULL, \
     PRIMARY KEY (c_w_id, c_d_id, c_id))",
    "CREATE INDEX customer_last ON customer (c_w_id, c_d_id, c_last, c_first)",
    "CREATE TABLE history (h_id SERIAL_KEY, h_c_w_id INTEGER NOT NULL, h_c_d_id INTEGER NOT NULL, h_c_id INTEGER NOT NULL, \
     h_w_id INTEGER NOT NULL, h_d_id INTEGER NOT NULL, h_date DATETIME NOT NULL, h_amount DECIMAL(6,2) NOT NULL, h_data VARCHAR(24) NOT NULL)",
    "CREATE INDEX history_customer ON history (h_c_w_id, h_c_d_id, h_c_id)",
    "CREATE INDEX history_district ON history (h_w_id, h_d_id)",
    "CREATE TABLE orders (o_w_id INTEGER NOT NULL, o_d_id INTEGER NOT NULL, o_id INTEGER NOT NULL, o_c_id INTEGER NOT NULL, \
     o_entry_d DATETIME NOT NULL, o_carrier_id INTEGER, o_ol_cnt INTEGER NOT NULL, o_all_local INTEGER NOT NULL, \
     o_total DECIMAL(12,2) NOT NULL, PRIMARY KEY (o_w_id, o_d_id, o_id), UNIQUE (o_w_id, o_d_id, o_c_id, o_id))",
    "CREATE TABLE new_order (no_w_id INTEGER NOT NULL, no_d_id INTEGER NOT NULL, no_o_id INTEGER NOT NULL, PRIMARY KEY (no_w_id, no_d_id, no_o_id))",
    "CREATE TABLE item (i_id INTEGER NOT NULL PRIMARY KEY, i_name VARCHAR(24) NOT NULL, i_price DECIMAL(5,2) NOT NULL, i_data VARCHAR(50) NOT NULL)",
    "CREATE TABLE stock (s_w_id INTEGER NOT NULL, s_i_id INTEGER NOT NULL, s_quantity INTEGER NOT NULL, s_dist CHAR(24) NOT NULL, \
     s_ytd INTEGER NOT NULL, s_order_cnt INTEGER NOT NULL, s_remote_cnt INTEGER NOT NULL, s_data VARCHAR(50) NOT NULL, PRIMARY KEY (s_w_id, s_i_id))",
    "CREATE TABLE order_line (ol_w_id INTEGER NOT NULL, ol_d_id INTEGER NOT NULL, ol_o_id INTEGER NOT NULL, ol_number INTEGER NOT NULL, \
     ol_i_id INTEGER NOT NULL, ol_supply_w_id INTEGER NOT NULL, ol_delivery_d DATETIME, ol_quantity INTEGER NOT NULL, \
     ol_amount DECIMAL(6,2) NOT NULL, ol_dist_info CHAR(24) NOT NULL, PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number))",
];

/// Makes the tables.
pub async fn create(session: &mut Session) -> Outcome<()> {
    let [moment, key] = match session {
        Session::MySql(_) => ["DATETIME", "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"],
        Session::Postgres(..) => ["TIMESTAMP(0)", "BIGSERIAL PRIMARY KEY"],
    };
    for table in TABLES {
        session.plain(&table.replace("DATETIME", moment).replace("SERIAL_KEY", key)).await?;
    }
    Ok(())
}

/// One transaction of the mix: 45 new orders, 43 payments, 4 of each other in 100. The caller rolls back what fails.
pub async fn transaction(session: &mut Session, scale: Scale, rng: &mut Rng) -> Outcome<&'static str> {
    let home = rng.i64(1..=scale.warehouses);
    let drawn = rng.u32(0..100);
    session.plain("BEGIN").await?;
    let (kind, end) = match drawn {
        0..45 => ("new-order", transactions::new_order(session, scale, rng, home).await?),
        45..88 => ("payment", transactions::payment(session, scale, rng, home).await?),
        88..92 => ("order-status", transactions::order_status(session, scale, rng, home).await?),
        92..96 => ("delivery", transactions::delivery(session, rng, home).await?),
        _ => ("stock-level", transactions::stock_level(session, rng, home).await?),
    };
    session.plain(end).await?;
    Ok(if end == "COMMIT" { kind } else { "new-order rolled back" })
}

/// The standard's last names: three syllables by the digits of a number below 1,000.
fn last_name(number: i64) -> String {
    const SYLLABLES: [&str; 10] = ["BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"];
    let syllable =
        |digit: i64| usize::try_from(digit % 10).ok().and_then(|digit| SYLLABLES.get(digit)).copied().unwrap_or_default();
    [number / 100, number / 10, number].map(syllable).concat()
}

/// The standard's non-uniform choice between `from` and `to` (clause 2.1.6).
fn uneven(rng: &mut Rng, a: i64, from: i64, to: i64) -> i64 {
    const C: i64 = 123;
    ((rng.i64(0..=a) | rng.i64(from..=to)) + C) % (to - from + 1) + from
}

/// An exact amount of cents, in digits.
fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn letters(rng: &mut Rng, count: usize) -> String {
    std::iter::repeat_with(|| rng.lowercase()).take(count).collect()
}
