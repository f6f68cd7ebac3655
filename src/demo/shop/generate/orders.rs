//! Orders and everything that hangs on them.

use super::super::names::{self, once_in};
use super::super::text::Insert;
use super::{HISTORY_DAYS, Sizes, ZERO_DATE, ZERO_DATETIME, chunk_rng, datetime, day, time};
use fastrand::Rng;

/// One order while its rows are drawn.
struct Order {
    index: u32,
    number: String,
    customer: Option<u32>,
    day_number: u32,
    day: String,
    second: u32,
    state: &'static str,
    lines: u32,
    amount: i64,
}

#[derive(Default)]
struct Tables(Vec<Insert>);

impl Tables {
    /// The insert into `table`, made on first use; MyISAM comes last because it does not roll back.
    fn of(&mut self, table: &'static str) -> &mut Insert {
        let at = self.0.iter().position(|insert| insert.table == table).unwrap_or_else(|| {
            self.0.push(Insert::into(table));
            self.0.len() - 1
        });
        // `at` was just found or pushed
        #[expect(clippy::indexing_slicing)]
        &mut self.0[at]
    }
}

/// Chunk `chunk` of `size` orders, as one insert for each table.
pub(in super::super) fn order_chunk(seed: u64, sizes: Sizes, chunk: u32, size: u32) -> Vec<Insert> {
    let mut rng = chunk_rng(seed, 4, chunk);
    let mut tables = Tables::default();
    let first = chunk.saturating_mul(size);
    for index in first..first.saturating_add(size).min(sizes.orders) {
        let mut order = begin(&mut rng, sizes, index);
        for line in 1..=order.lines {
            order.amount += order_line(&mut rng, sizes, &mut tables, &order, line);
        }
        header(&mut rng, sizes, &mut tables, &order);
        history(&mut rng, &mut tables, &order);
        settlement(&mut rng, sizes, &mut tables, &order);
        delivery(&mut rng, &mut tables, &order);
        claim(&mut rng, &mut tables, &order);
        memos(&mut rng, &mut tables, &order);
    }
    tables.0
}

/// The seven digits behind the day in a number; they begin again after ten million, of which no day has so many.
fn day_serial(index: u32) -> String {
    format!("{:07}", index.wrapping_add(1) % 10_000_000)
}

fn begin(rng: &mut Rng, sizes: Sizes, index: u32) -> Order {
    let day_number = u32::try_from(u64::from(index) * u64::from(HISTORY_DAYS) / u64::from(sizes.orders.max(1))).unwrap_or(0);
    let day = day(day_number);
    let state = match rng.u32(..40) {
        0 => "77", // a code without a row in the code table
        1 => "80",
        2..5 => "90",
        5..7 => "10",
        7..10 => "20",
        10..12 => "30",
        12..15 => "40",
        15..22 => "50",
        _ => "60",
    };
    Order {
        index,
        number: format!("O{day}{}", day_serial(index)),
        customer: (!once_in(rng, 12)).then(|| rng.u32(1..=sizes.customers + 2)), // the last two do not exist
        day_number,
        day,
        second: rng.u32(..86_400),
        state,
        lines: [1, 1, 2, 2, 3].get(rng.usize(..5)).copied().unwrap_or(1),
        amount: 0,
    }
}

fn header(rng: &mut Rng, sizes: Sizes, tables: &mut Tables, order: &Order) {
    let member = match (order.customer, rng.u32(..10)) {
        (None, _) | (_, 0..3) => None,
        (_, 3) => Some("nobody".to_string()), // never was a member
        (Some(customer), _) => Some(names::typed_member_id(rng, customer)),
    };
    let channel = match rng.u32(..10) {
        0 => None,
        1 => Some("CTL"),
        2 => Some("ZZ"),
        _ => Some(names::pick(rng, &["TV", "TV", "WEB", "MOB", "ARS"])),
    };
    let by_phone = once_in(rng, 4).then(|| format!("E{:05}", rng.u32(1..=sizes.employees + 1)));
    let on_air = channel == Some("TV");
    let cancelled = match (order.state, rng.u32(..200)) {
        (_, 0) => "00000000",
        (_, 1) => "20230231", // no such day
        ("90", _) => order.day.as_str(),
        _ => "",
    };
    let reserved = if once_in(rng, 6) { datetime(&day(order.day_number + 5), 0) } else { ZERO_DATE.into() };
    let clock = if once_in(rng, 500) { "250000".into() } else { time(order.second) };
    let paid = names::pick(rng, &["10", "20", "20", "20", "30", "90"]);
    let deleted = if once_in(rng, 50) { "Y" } else { "N" };
    let insert = tables.of("tb_ord_mst").row();
    insert.text(&order.number).number_or_null(order.customer.map(i64::from)).text_or_null(member.as_deref());
    insert.text(&order.day).text(&clock).text(names::pick(rng, &["NORMAL", "NORMAL", "RESERVE", "REGULAR"]));
    insert.text(order.state).text_or_null(channel).text_or_null((!once_in(rng, 20)).then_some(paid));
    insert.number_or_null((!once_in(rng, 9)).then(|| rng.i64(1..=3))).text_or_null(by_phone.as_deref());
    insert.text_or_null(on_air.then_some(order.day.as_str())).number_or_null(on_air.then(|| rng.i64(1..=2)));
    insert.money(if order.amount > 5_000_000 { 0 } else { 250_000 }).text(reserved.get(..10).unwrap_or(ZERO_DATE));
    insert.text(cancelled).text(&names::phone(rng)).text(deleted);
    let booked = if once_in(rng, 100) { ZERO_DATETIME.into() } else { datetime(&order.day, order.second) };
    insert.text(&booked).text(&datetime(&order.day, order.second));
}

/// Adds a line and returns what it costs, in hundredths.
fn order_line(rng: &mut Rng, sizes: Sizes, tables: &mut Tables, order: &Order, line: u32) -> i64 {
    let item = if once_in(rng, 400) { sizes.items + 9 } else { rng.u32(1..=sizes.items) }; // now and then an item that is gone
    let (quantity, price) = (rng.i64(1..5), rng.i64(10..3_000) * 10_000);
    let discount = once_in(rng, 3).then(|| rng.i64(1..100) * 1_005);
    let cancelled = order.state == "90" || once_in(rng, 25);
    let state = if cancelled { "90" } else { names::pick(rng, &["10", "30", "50", "50", "77"]) };
    let warehouse = (!once_in(rng, 10)).then(|| names::pick(rng, &["W01", "W02", "W03"]));
    let insert = tables.of("tb_ord_dtl").row();
    insert.text(&order.number).number(line).number(item).number_or_null((!once_in(rng, 6)).then(|| rng.i64(1..4)));
    insert.text(&names::item(rng)).number(quantity).money(price);
    match discount {
        Some(discount) => insert.money(discount),
        None => insert.null(),
    };
    insert.text(state).text_or_null(warehouse).number_or_null((!cancelled).then_some(1)).text(if cancelled { "Y" } else { "N" });
    if cancelled { 0 } else { quantity * price - discount.unwrap_or(0) }
}

fn history(rng: &mut Rng, tables: &mut Tables, order: &Order) {
    let path = ["10", "20", "30", "40", "50", "60"];
    let reached = path.iter().position(|state| *state == order.state).map_or(2, |at| at + 1).min(4);
    for (sequence, state) in (1u32..).zip(path.iter().take(reached)) {
        let when =
            if once_in(rng, 60) { ZERO_DATETIME.into() } else { datetime(&day(order.day_number + sequence), order.second) };
        let by = once_in(rng, 3).then_some("E00001");
        tables.of("tb_ord_hist").row().text(&order.number).number(sequence).text(state).text(&when).text_or_null(by);
    }
}

fn settlement(rng: &mut Rng, sizes: Sizes, tables: &mut Tables, order: &Order) {
    for sequence in 1..=if once_in(rng, 8) { 2 } else { 1u32 } {
        let method = if once_in(rng, 200) { "ZZ" } else { names::pick(rng, &["01", "01", "01", "02", "03", "04", "04", "09"]) };
        let state = names::pick(rng, &["10", "20", "20", "20", "20", "30", "90"]);
        let approved = if state == "10" { ZERO_DATETIME.into() } else { datetime(&order.day, order.second) };
        let number = (state != "10").then(|| format!("{:08}", rng.u32(..100_000_000)));
        let insert = tables.of("tb_pay").row();
        insert.text(&order.number).number(sequence).text(method).text(state).money(order.amount / i64::from(sequence));
        insert.text_or_null((method == "01").then_some("1234-****-****-5678")).number(rng.i64(0..12));
        insert.text_or_null(number.as_deref()).text(&approved);
    }
    let first = i64::from(order.index) * 4;
    if once_in(rng, 4) {
        let order_number = (!once_in(rng, 10)).then_some(order.number.as_str()); // a coupon nobody has used yet
        let insert = tables.of("tb_cpn_use").row();
        insert.number(first + 1).number(rng.i64(1..=i64::from(sizes.coupons) + 1)).number_or_null(order.customer.map(i64::from));
        insert.text_or_null(order_number).money(rng.i64(1..50) * 10_000).text(&order.day);
    }
    for extra in 0..rng.i64(0..3).saturating_sub(1) + i64::from(once_in(rng, 4)) {
        let kind = names::pick(rng, &["SAVE", "SAVE", "USE", "EXPIRE"]);
        let insert = tables.of("tb_pnt_hist").row();
        insert.number(first + 1 + extra).number(order.customer.map_or(0, i64::from)).text(&order.number).text(kind);
        insert.money(rng.i64(1..5_000) * 100).text(&order.day);
    }
}

fn delivery(rng: &mut Rng, tables: &mut Tables, order: &Order) {
    if matches!(order.state, "10" | "20") {
        return;
    }
    let done = matches!(order.state, "50" | "60");
    let sent = day(order.day_number + 1);
    let carrier = (!once_in(rng, 12)).then(|| names::pick(rng, &["01", "01", "02", "03", "04", "09", "88"]));
    let invoice = (!once_in(rng, 15)).then(|| format!("{:012}", rng.u64(..1_000_000_000_000)));
    let delivered = if done { datetime(&day(order.day_number + 3), order.second) } else { ZERO_DATETIME.into() };
    let insert = tables.of("tb_dlv").row();
    insert.text(&order.number).number(1).text_or_null(carrier).text_or_null(invoice.as_deref());
    insert.text(if done { "50" } else { names::pick(rng, &["10", "20", "30", "77"]) }).text("문 앞에 놓아주세요");
    insert.text(if once_in(rng, 10) { "" } else { &sent }).text(&delivered);
}

fn claim(rng: &mut Rng, tables: &mut Tables, order: &Order) {
    if order.state != "90" && !once_in(rng, 15) {
        return;
    }
    let number = format!("C{}{}", order.day, day_serial(order.index));
    let kind = if order.state == "90" { "CANCEL" } else { names::pick(rng, &["RETURN", "RETURN", "EXCHANGE", "CANCEL"]) };
    let reason = (!once_in(rng, 6)).then(|| names::pick(rng, &["01", "02", "03", "04", "99"]));
    tables.of("tb_claim").row().text(&number).text(&order.number).text(kind).text("10").text_or_null(reason).text(&order.day);
    for line in 1..=order.lines {
        tables.of("tb_claim_dtl").row().text(&number).number(line).text(&order.number).number(line).number(rng.i64(1..3));
    }
    if rng.bool() {
        let claim_number = (!once_in(rng, 10)).then_some(number.as_str());
        let refunded = if once_in(rng, 8) { String::new() } else { day(order.day_number + 4) };
        let insert = tables.of("tb_rfnd").row();
        insert.number(i64::from(order.index) + 1).text_or_null(claim_number).text(&order.number);
        insert.text(names::pick(rng, &["01", "02", "ZZ"])).money(order.amount / 2).text(&refunded);
    }
}

fn memos(rng: &mut Rng, tables: &mut Tables, order: &Order) {
    if once_in(rng, 4) {
        let memo = names::memo(rng);
        for _ in 0..if once_in(rng, 6) { 2 } else { 1 } {
            // twice: the table has no key, two equal rows are two rows
            tables.of("tb_ord_memo").row().text(&order.number).text_or_null(memo).text("E00001").text(&order.day);
        }
    }
}
