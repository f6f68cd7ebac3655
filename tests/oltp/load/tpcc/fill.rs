//! The first rows (clause 4.3): every customer has one order and one payment; the last three in ten orders of a district wait for delivery.

use fastrand::Rng;

use super::super::Outcome;
use super::super::session::Session;
use super::{DISTRICTS, Scale, last_name, letters, money};

const ROWS_PER_INSERT: usize = 500;

/// Rows of one table on their way.
struct Rows {
    into: &'static str,
    rows: Vec<String>,
}

impl Rows {
    fn new(into: &'static str) -> Self {
        Self { into, rows: Vec::new() }
    }

    async fn push(&mut self, session: &mut Session, row: String) -> Outcome<()> {
        self.rows.push(row);
        if self.rows.len() >= ROWS_PER_INSERT { self.flush(session).await } else { Ok(()) }
    }

    async fn flush(&mut self, session: &mut Session) -> Outcome<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows).join(",");
        session.plain(&format!("INSERT INTO {} VALUES {rows}", self.into)).await
    }
}

/// Fills the tables.
pub async fn fill(session: &mut Session, scale: Scale, rng: &mut Rng) -> Outcome<()> {
    let (mut items, mut stock) = (Rows::new("item"), Rows::new("stock"));
    for item in 1..=scale.items {
        let row = format!("({item},'{}',{},'{}')", letters(rng, 14), money(rng.i64(100..=10_000)), letters(rng, 26));
        items.push(session, row).await?;
    }
    items.flush(session).await?;
    for warehouse in 1..=scale.warehouses {
        let ytd = money(scale.customers * DISTRICTS * 1_000);
        let row = format!("INSERT INTO warehouse VALUES ({warehouse},'{}',0.{:04},{ytd})", letters(rng, 8), rng.u32(0..=2_000));
        session.plain(&row).await?;
        for item in 1..=scale.items {
            let row = format!("({warehouse},{item},{},'{}',0,0,0,'{}')", rng.u32(10..=100), letters(rng, 24), letters(rng, 26));
            stock.push(session, row).await?;
        }
        stock.flush(session).await?;
        for district in 1..=DISTRICTS {
            self::district(session, scale, rng, (warehouse, district)).await?;
        }
    }
    Ok(())
}

async fn district(session: &mut Session, scale: Scale, rng: &mut Rng, (warehouse, district): (i64, i64)) -> Outcome<()> {
    let at = format!("{warehouse},{district}");
    let (ytd, next) = (money(scale.customers * 1_000), scale.customers + 1);
    let tax = rng.u32(0..=2_000);
    session.plain(&format!("INSERT INTO district VALUES ({at},'{}',0.{tax:04},{ytd},{next})", letters(rng, 8))).await?;
    let mut customers = Rows::new("customer");
    let mut history = Rows::new("history (h_c_w_id, h_c_d_id, h_c_id, h_w_id, h_d_id, h_date, h_amount, h_data)");
    let mut buyers: Vec<i64> = (1..=scale.customers).collect();
    for customer in &buyers {
        let credit = if rng.u32(0..10) == 0 { "BC" } else { "GC" };
        let (first, last, discount) = (letters(rng, 10), last_name((customer - 1) % 1_000), rng.u32(0..=5_000));
        let data = letters(rng, 60);
        let row = format!("({at},{customer},'{first}','{last}','{credit}',0.{discount:04},-10.00,10.00,1,0,'{data}')");
        customers.push(session, row).await?;
        history.push(session, format!("({at},{customer},{at},CURRENT_TIMESTAMP,10.00,'{}')", letters(rng, 12))).await?;
    }
    customers.flush(session).await?;
    history.flush(session).await?;
    rng.shuffle(&mut buyers);
    orders(session, scale, rng, &at, &buyers).await
}

/// One order of each customer; lines of delivered ones cost nothing, as the standard has it.
async fn orders(session: &mut Session, scale: Scale, rng: &mut Rng, at: &str, buyers: &[i64]) -> Outcome<()> {
    let (mut orders, mut waiting, mut lines) = (Rows::new("orders"), Rows::new("new_order"), Rows::new("order_line"));
    for (order, customer) in (1..).zip(buyers) {
        let is_delivered = order <= scale.customers * 7 / 10;
        let (count, mut total) = (rng.i64(5..=15), 0);
        for number in 1..=count {
            let amount = if is_delivered { 0 } else { rng.i64(1..=999_999) };
            let moment = if is_delivered { "CURRENT_TIMESTAMP" } else { "NULL" };
            let (item, supply) = (rng.i64(1..=scale.items), rng.i64(1..=scale.warehouses));
            total += amount;
            let row = format!("({at},{order},{number},{item},{supply},{moment},5,{},'{}')", money(amount), letters(rng, 24));
            lines.push(session, row).await?;
        }
        let carrier = if is_delivered { rng.u32(1..=10).to_string() } else { "NULL".into() };
        let row = format!("({at},{order},{customer},CURRENT_TIMESTAMP,{carrier},{count},1,{})", money(total));
        orders.push(session, row).await?;
        if !is_delivered {
            waiting.push(session, format!("({at},{order})")).await?;
        }
    }
    orders.flush(session).await?;
    waiting.flush(session).await?;
    lines.flush(session).await
}
