//! The five transactions (clauses 2.4 to 2.8), each without its BEGIN and its end: it answers which end it needs.

use fastrand::Rng;

use super::super::Outcome;
use super::super::session::{Session, Value};
use super::{DISTRICTS, Scale, last_name, letters, money, uneven};

const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

fn ints<const N: usize>(ints: [i64; N]) -> [Value; N] {
    ints.map(Value::Int)
}

/// One line that is wanted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    supply: i64,
    item: i64,
    quantity: i64,
}

/// New order (2.4); one in a hundred asks for an item that there is not, and is rolled back.
pub async fn new_order(session: &mut Session, scale: Scale, rng: &mut Rng, home: i64) -> Outcome<&'static str> {
    let (district, customer) = (rng.i64(1..=DISTRICTS), uneven(rng, 1_023, 1, scale.customers));
    let mut wanted: Vec<Wanted> = (0..rng.u32(5..=15)).map(|_| line(rng, scale, home)).collect();
    wanted.sort(); // every session takes its locks in one order
    if rng.u32(0..100) == 0 {
        wanted.push(Wanted { supply: home, item: scale.items + 1, quantity: 1 });
    }
    let (count, all_local) = (i64::try_from(wanted.len())?, i64::from(wanted.iter().all(|line| line.supply == home)));
    session.ask("SELECT CAST(w_tax AS CHAR(20)) FROM warehouse WHERE w_id = ?", &ints([home])).await?;
    let select =
        "SELECT CAST(c_discount AS CHAR(20)), c_last, c_credit FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?";
    session.ask(select, &ints([home, district, customer])).await?;
    let select = "SELECT d_next_o_id FROM district WHERE d_w_id = ? AND d_id = ? FOR UPDATE";
    let order = session.int(select, &ints([home, district])).await?.ok_or("a district is missing")?;
    let update = "UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = ? AND d_id = ?";
    session.run(update, &ints([home, district])).await?;
    let insert = "INSERT INTO orders (o_w_id, o_d_id, o_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local, o_total) \
                  VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP, ?, ?, 0)";
    session.run(insert, &ints([home, district, order, customer, count, all_local])).await?;
    session.run("INSERT INTO new_order VALUES (?, ?, ?)", &ints([home, district, order])).await?;
    let mut total = 0;
    for (number, line) in (1..).zip(&wanted) {
        let Some(amount) = order_line(session, [home, district, order, number], line).await? else { return Ok(ROLLBACK) };
        total += amount;
    }
    let [at_home, at_district, at_order] = ints([home, district, order]);
    let update = "UPDATE orders SET o_total = ? WHERE o_w_id = ? AND o_d_id = ? AND o_id = ?";
    session.run(update, &[money(total).into(), at_home, at_district, at_order]).await?;
    Ok(COMMIT)
}

fn line(rng: &mut Rng, scale: Scale, home: i64) -> Wanted {
    let is_remote = rng.u32(0..100) == 0;
    let supply = if is_remote { rng.i64(1..=scale.warehouses) } else { home };
    Wanted { supply, item: uneven(rng, 8_191, 1, scale.items), quantity: rng.i64(1..=10) }
}

/// Takes one line from stock; its amount in cents, `None` if there is no such item.
async fn order_line(session: &mut Session, at: [i64; 4], line: &Wanted) -> Outcome<Option<i64>> {
    let Wanted { supply, item, quantity } = *line;
    let select = "SELECT CAST(i_price AS CHAR(20)), i_name FROM item WHERE i_id = ?";
    let Some(price) = session.text(select, &ints([item])).await? else { return Ok(None) };
    let amount = price.replace('.', "").parse::<i64>()? * quantity;
    let select = "SELECT s_quantity, s_dist FROM stock WHERE s_w_id = ? AND s_i_id = ? FOR UPDATE";
    let held = session.int(select, &ints([supply, item])).await?.ok_or("a stock is missing")?;
    let left = if held >= quantity + 10 { held - quantity } else { held - quantity + 91 };
    let update = "UPDATE stock SET s_quantity = ?, s_ytd = s_ytd + ?, s_order_cnt = s_order_cnt + 1, s_remote_cnt = s_remote_cnt + ? \
                  WHERE s_w_id = ? AND s_i_id = ?";
    session.run(update, &ints([left, quantity, i64::from(supply != at[0]), supply, item])).await?;
    let insert = "INSERT INTO order_line (ol_w_id, ol_d_id, ol_o_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_dist_info) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'from the district')";
    let mut values = Vec::from(at.map(Value::Int));
    values.extend(ints([item, supply, quantity]));
    values.push(money(amount).into());
    session.run(insert, &values).await?;
    Ok(Some(amount))
}

/// A customer of a district: six in ten by their last name (the middle one of those), else by number.
async fn customer(session: &mut Session, scale: Scale, rng: &mut Rng, (warehouse, district): (i64, i64)) -> Outcome<i64> {
    if rng.u32(0..10) < 4 {
        return Ok(uneven(rng, 1_023, 1, scale.customers));
    }
    let name = last_name(uneven(rng, 255, 0, scale.customers.min(1_000) - 1));
    let select = "SELECT c_id FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_last = ? ORDER BY c_first";
    let found = session.ask(select, &[warehouse.into(), district.into(), name.into()]).await?;
    let middle = found.get(found.len() / 2).and_then(|row| row.first().cloned().flatten());
    Ok(middle.ok_or("nobody has this last name")?.parse()?)
}

/// Payment (2.5): 15 in a hundred by a customer of another warehouse.
pub async fn payment(session: &mut Session, scale: Scale, rng: &mut Rng, home: i64) -> Outcome<&'static str> {
    let district = rng.i64(1..=DISTRICTS);
    let is_remote = rng.u32(0..100) < 15;
    let of = if is_remote { (rng.i64(1..=scale.warehouses), rng.i64(1..=DISTRICTS)) } else { (home, district) };
    let amount = money(rng.i64(100..=500_000));
    let paid = || Value::Text(amount.clone());
    let update = "UPDATE warehouse SET w_ytd = w_ytd + CAST(? AS DECIMAL(12,2)) WHERE w_id = ?";
    session.run(update, &[paid(), home.into()]).await?;
    session.ask("SELECT w_name FROM warehouse WHERE w_id = ?", &ints([home])).await?;
    let update = "UPDATE district SET d_ytd = d_ytd + CAST(? AS DECIMAL(12,2)) WHERE d_w_id = ? AND d_id = ?";
    session.run(update, &[paid(), home.into(), district.into()]).await?;
    session.ask("SELECT d_name FROM district WHERE d_w_id = ? AND d_id = ?", &ints([home, district])).await?;
    let customer = customer(session, scale, rng, of).await?;
    let buyer = ints([of.0, of.1, customer]);
    let select = "SELECT c_credit, c_data, c_first, c_last FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_id = ? FOR UPDATE";
    let credit = session.text(select, &buyer).await?.ok_or("a customer is missing")?;
    let mut values = vec![paid(), paid()];
    values.extend(buyer.clone());
    let update = "UPDATE customer SET c_balance = c_balance - CAST(? AS DECIMAL(12,2)), c_ytd_payment = c_ytd_payment + CAST(? AS DECIMAL(12,2)), \
                  c_payment_cnt = c_payment_cnt + 1 WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?";
    session.run(update, &values).await?;
    if credit == "BC" {
        let mut values = vec![Value::Text(format!("{customer} {district} {home} {amount} {}", letters(rng, 200)))];
        values.extend(buyer.clone());
        session.run("UPDATE customer SET c_data = ? WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?", &values).await?;
    }
    let mut values = Vec::from(buyer);
    values.extend([home.into(), district.into(), paid(), letters(rng, 16).into()]);
    let insert = "INSERT INTO history (h_c_w_id, h_c_d_id, h_c_id, h_w_id, h_d_id, h_date, h_amount, h_data) \
                  VALUES (?, ?, ?, ?, ?, CURRENT_TIMESTAMP, ?, ?)";
    session.run(insert, &values).await?;
    Ok(COMMIT)
}

/// Order status (2.6): reads only.
pub async fn order_status(session: &mut Session, scale: Scale, rng: &mut Rng, home: i64) -> Outcome<&'static str> {
    let district = rng.i64(1..=DISTRICTS);
    let customer = customer(session, scale, rng, (home, district)).await?;
    let select = "SELECT CAST(c_balance AS CHAR(20)), c_first, c_last FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?";
    session.ask(select, &ints([home, district, customer])).await?;
    let select =
        "SELECT o_id, o_carrier_id FROM orders WHERE o_w_id = ? AND o_d_id = ? AND o_c_id = ? ORDER BY o_id DESC LIMIT 1";
    if let Some(order) = session.int(select, &ints([home, district, customer])).await? {
        let select = "SELECT ol_i_id, ol_supply_w_id, ol_quantity, CAST(ol_amount AS CHAR(20)) FROM order_line \
                      WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?";
        session.ask(select, &ints([home, district, order])).await?;
    }
    Ok(COMMIT)
}

/// Delivery (2.7): the oldest order of each district that waits.
pub async fn delivery(session: &mut Session, rng: &mut Rng, home: i64) -> Outcome<&'static str> {
    let carrier = rng.i64(1..=10);
    for district in 1..=DISTRICTS {
        let select = "SELECT no_o_id FROM new_order WHERE no_w_id = ? AND no_d_id = ? ORDER BY no_o_id LIMIT 1 FOR UPDATE";
        let Some(order) = session.int(select, &ints([home, district])).await? else { continue };
        let at = ints([home, district, order]);
        session.run("DELETE FROM new_order WHERE no_w_id = ? AND no_d_id = ? AND no_o_id = ?", &at).await?;
        let update = "UPDATE orders SET o_carrier_id = ? WHERE o_w_id = ? AND o_d_id = ? AND o_id = ?";
        session.run(update, &ints([carrier, home, district, order])).await?;
        // Behind the update: MySQL and MariaDB read from a snapshot, which may be older than the order that FOR UPDATE has found.
        let select = "SELECT o_c_id FROM orders WHERE o_w_id = ? AND o_d_id = ? AND o_id = ?";
        let Some(customer) = session.int(select, &at).await? else { return Err("an order is missing".into()) };
        let update = "UPDATE order_line SET ol_delivery_d = CURRENT_TIMESTAMP WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?";
        session.run(update, &at).await?;
        let select = "SELECT CAST(SUM(ol_amount) AS CHAR(20)) FROM order_line WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?";
        let amount = session.text(select, &at).await?.ok_or("an order has no lines")?;
        let update = "UPDATE customer SET c_balance = c_balance + CAST(? AS DECIMAL(12,2)), c_delivery_cnt = c_delivery_cnt + 1 \
                      WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?";
        session.run(update, &[amount.into(), home.into(), district.into(), customer.into()]).await?;
    }
    Ok(COMMIT)
}

/// Stock level (2.8): reads only.
pub async fn stock_level(session: &mut Session, rng: &mut Rng, home: i64) -> Outcome<&'static str> {
    let district = rng.i64(1..=DISTRICTS);
    let select = "SELECT d_next_o_id FROM district WHERE d_w_id = ? AND d_id = ?";
    let next = session.int(select, &ints([home, district])).await?.ok_or("a district is missing")?;
    let select = "SELECT COUNT(DISTINCT s_i_id) FROM order_line JOIN stock ON s_w_id = ol_w_id AND s_i_id = ol_i_id \
                  WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id < ? AND ol_o_id >= ? AND s_quantity < ?";
    session.ask(select, &ints([home, district, next, next - 20, rng.i64(10..=20)])).await?;
    Ok(COMMIT)
}
