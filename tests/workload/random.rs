//! Random transactions over the five tables, as statements; nothing is executed here.

use super::schema::ORDERS;
use fastrand::Rng;

/// What one step does.
pub enum Step {
    /// Statements on one connection, with their own BEGIN and COMMIT where they want one.
    Plain(Vec<String>),
    /// An XA transaction: its statements, another step that commits while it is prepared, and whether it is committed itself.
    Xa(Vec<String>, Vec<String>, bool),
}

/// Draws the next step. `truncate`: tables may be emptied too.
pub fn step(rng: &mut Rng, truncate: bool) -> Step {
    let transaction = |rng: &mut Rng, end: &str| {
        let mut statements = vec!["BEGIN".to_owned()];
        statements.extend((0..rng.u32(1..6)).map(|_| statement(rng)));
        statements.push(end.into());
        statements
    };
    match rng.u32(0..100) {
        0..35 => Step::Plain(vec![statement(rng)]),
        35..60 => Step::Plain(transaction(rng, "COMMIT")),
        60..68 => Step::Plain(transaction(rng, "ROLLBACK")),
        68..78 => Step::Plain(with_savepoint(rng)),
        78..84 => Step::Plain(there_and_back(rng)),
        84..90 => Step::Plain(vec![many_rows(rng)]),
        90..94 => Step::Plain(vec![code(rng)]),
        94..98 => {
            let inner = (0..rng.u32(1..4)).map(|_| transactional(rng)).collect();
            Step::Xa(inner, vec![transactional(rng)], rng.u32(0..4) > 0)
        }
        98 if truncate && rng.u32(0..6) == 0 => Step::Plain(vec![truncated(rng)]),
        _ => Step::Plain(vec![format!("INSERT INTO w_unmapped (txt) VALUES ('{}')", rng.u32(..))]),
    }
}

fn order(rng: &mut Rng) -> u32 {
    // Half of the work goes to few rows, so that rows change again while they are under way; some rows do not exist yet.
    if rng.bool() { rng.u32(1..60) } else { rng.u32(1..ORDERS + 200) }
}

fn customer(rng: &mut Rng) -> u32 {
    if rng.bool() { rng.u32(1..12) } else { rng.u32(1..ORDERS / 10 + 30) }
}

fn nullable(rng: &mut Rng, value: impl ToString) -> String {
    if rng.u32(0..5) == 0 { "NULL".into() } else { value.to_string() }
}

fn status(rng: &mut Rng) -> String {
    let status = rng.choice(["'10'", "'20'", "'x1'", "'X1 '", "'99'", "''", "NULL"]);
    status.unwrap_or("NULL").into()
}

fn item(rng: &mut Rng) -> String {
    let number = rng.u32(0..95);
    let item = if rng.u32(0..8) == 0 { format!("'i{number}'") } else { format!("'I{number}'") };
    nullable(rng, item)
}

/// One statement; MyISAM among them.
fn statement(rng: &mut Rng) -> String {
    if rng.u32(0..25) == 0 { code(rng) } else { transactional(rng) }
}

/// One statement on the transactional tables.
fn transactional(rng: &mut Rng) -> String {
    match rng.u32(0..14) {
        0 => insert_order(rng),
        1 => format!("DELETE FROM w_ord WHERE ord_no = {}", order(rng)),
        2 => set_join_key(rng),
        3 => format!("UPDATE w_ord SET st = {}, rate = rate * -1.5 WHERE ord_no = {}", status(rng), order(rng)),
        4 => format!("UPDATE w_ord SET ord_no = {} WHERE ord_no = {}", order(rng), order(rng)),
        5 => insert_line(rng),
        6 => format!("DELETE FROM w_line WHERE ord_no = {}", order(rng)),
        7 => format!("UPDATE w_line SET qty = {}, item = {} WHERE ord_no = {}", rng.i32(-5..90), item(rng), order(rng)),
        8 => format!("UPDATE w_line SET ord_no = {}, seq = {} WHERE ord_no = {} LIMIT 1", order(rng), rng.u32(1..9), order(rng)),
        9 => edit_customer(rng),
        10 => format!("UPDATE w_cust SET cust_no = {} WHERE cust_no = {}", customer(rng), customer(rng)),
        11 => format!("INSERT INTO w_log VALUES ({}, '같은 줄', {})", order(rng), rng.u32(0..3)),
        12 => edit_log(rng),
        _ => edit_dates(rng),
    }
}

fn insert_order(rng: &mut Rng) -> String {
    let (number, customer) = (order(rng), customer(rng));
    let customer = nullable(rng, customer);
    let insert = rng.choice(["INSERT IGNORE INTO", "REPLACE INTO", "INSERT INTO"]).unwrap_or("REPLACE INTO");
    let rest = if insert == "INSERT INTO" { " ON DUPLICATE KEY UPDATE memo = 'seen again', alt_no = NULL" } else { "" };
    let status = status(rng);
    format!(
        "{insert} w_ord VALUES ({number}, {customer}, {}, {status}, '새 주문 😀', NOW(3), NOW(3), '2025-12-31', {}e-3){rest}",
        rng.u32(1..80),
        rng.i32(-9_999..9_999)
    )
}

fn insert_line(rng: &mut Rng) -> String {
    let (number, item) = (order(rng), item(rng));
    let first = rng.u32(1..9);
    format!(
        "INSERT IGNORE INTO w_line VALUES ({number}, {first}, {item}, {}, {}.{:02}), ({number}, {}, 'I1', 1, 9999.99)",
        rng.i32(-8..900),
        rng.u32(0..9999),
        rng.u32(0..100),
        first + 1
    )
}

fn set_join_key(rng: &mut Rng) -> String {
    let column = if rng.bool() { "cust_no" } else { "alt_no" };
    let customer = customer(rng);
    format!("UPDATE w_ord SET {column} = {} WHERE ord_no = {}", nullable(rng, customer), order(rng))
}

fn edit_customer(rng: &mut Rng) -> String {
    let number = customer(rng);
    match rng.u32(0..4) {
        0 => format!("DELETE FROM w_cust WHERE cust_no = {number}"),
        1 => format!("REPLACE INTO w_cust VALUES ({number}, 'a ', 'Renée {number}', {}.5)", rng.i32(-500..500)),
        _ => {
            let name = nullable(rng, "'개명'");
            format!("UPDATE w_cust SET nm = {name}, grd = IF(grd = 'A', 'b', 'A'), bal = bal + 0.01 WHERE cust_no = {number}")
        }
    }
}

fn edit_log(rng: &mut Rng) -> String {
    let number = order(rng);
    match rng.u32(0..3) {
        0 => format!("DELETE FROM w_log WHERE ord_no = {number} LIMIT 1"), // one of several equal rows
        1 => format!("UPDATE w_log SET n = n + 1 WHERE ord_no = {number}"),
        _ => format!("UPDATE w_log SET ord_no = {} WHERE ord_no = {number} LIMIT 1", order(rng)),
    }
}

fn edit_dates(rng: &mut Rng) -> String {
    let date = rng.choice(["'0000-00-00'", "'2024-02-29'", "'2024-00-00'", "'9999-12-31'", "NULL"]).unwrap_or("NULL");
    format!("UPDATE w_ord SET ship_dt = {date}, at = '2024-03-10 02:30:00.999', ts = NULL WHERE ord_no = {}", order(rng))
}

fn code(rng: &mut Rng) -> String {
    let (group, code) =
        if rng.bool() { ("GRD", rng.choice(["A", "b", "C"])) } else { ("ST", rng.choice(["10", "20", "x1", "99"])) };
    let code = code.unwrap_or("A");
    match rng.u32(0..4) {
        0 => format!("DELETE FROM w_code WHERE grp = '{group}' AND cd = '{code}'"),
        _ => format!("REPLACE INTO w_code VALUES ('{group}', '{code}', '이름 {}')", rng.u32(0..100)),
    }
}

fn with_savepoint(rng: &mut Rng) -> Vec<String> {
    let mut statements = vec!["BEGIN".into(), transactional(rng), "SAVEPOINT one".into()];
    statements.extend((0..3).map(|_| transactional(rng)));
    statements.push("ROLLBACK TO SAVEPOINT one".into());
    if rng.bool() {
        statements.push(transactional(rng));
    }
    statements.push("COMMIT".into());
    statements
}

/// Changes that cancel out within one transaction, and a row that is born and dies in it.
fn there_and_back(rng: &mut Rng) -> Vec<String> {
    let number = order(rng);
    let fresh = ORDERS + 1_000 + rng.u32(0..50);
    [
        "BEGIN".into(),
        format!("UPDATE w_ord SET alt_no = IFNULL(alt_no, 0) + 1 WHERE ord_no = {number}"),
        // All columns: under MINIMAL images an insert lacks those that it does not name, and their defaults are nowhere in the log.
        format!("INSERT IGNORE INTO w_ord VALUES ({fresh}, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"),
        format!("INSERT IGNORE INTO w_line VALUES ({fresh}, 1, 'I7', 2, 5)"),
        format!("UPDATE w_ord SET alt_no = alt_no - 1 WHERE ord_no = {number}"),
        format!("DELETE FROM w_ord WHERE ord_no = {fresh}"),
        "COMMIT".into(),
    ]
    .into()
}

fn many_rows(rng: &mut Rng) -> String {
    let from = order(rng);
    match rng.u32(0..4) {
        0 => format!("UPDATE w_line SET qty = qty + 1 WHERE ord_no BETWEEN {from} AND {}", from + 40),
        1 => format!("DELETE FROM w_line WHERE ord_no BETWEEN {from} AND {} AND seq = 2", from + 25),
        2 => format!(
            "INSERT IGNORE INTO w_line SELECT ord_no, 3, 'I3', 1, 1.25 FROM w_ord WHERE ord_no BETWEEN {from} AND {}",
            from + 25
        ),
        _ => format!("UPDATE w_ord SET cust_no = 5 WHERE ord_no BETWEEN {from} AND {}", from + 30),
    }
}

fn truncated(rng: &mut Rng) -> String {
    rng.choice(["TRUNCATE TABLE w_log", "TRUNCATE w_code", "DELETE FROM w_log"]).unwrap_or("TRUNCATE w_log").into()
}
