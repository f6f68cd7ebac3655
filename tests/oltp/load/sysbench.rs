//! sysbench's published `oltp_read_write`: its tables `sbtest1..` with `id`, `k`, `c` and `pad`, and its transaction mix (10 point
//! selects, 4 ranges of 100 rows, 1 indexed and 1 other update, 1 delete with 1 insert), in prepared statements, ids uniform.
//!
//! Written by sessions of our own, so that sysbench need not be installed.

use fastrand::Rng;

use super::Outcome;
use super::session::{Session, Value};

/// Rows that one range covers (`--range-size`).
const RANGE: i64 = 100;
/// `--point-selects`.
const POINT_SELECTS: u32 = 10;
/// Rows of one INSERT of the load.
const ROWS_PER_INSERT: i64 = 500;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// `--tables`.
    pub tables: u32,
    /// `--table-size`.
    pub rows: i64,
}

/// Makes and fills the tables.
pub async fn load(session: &mut Session, scale: Scale, rng: &mut Rng) -> Outcome<()> {
    for table in 1..=scale.tables {
        session
            .plain(&format!(
                "CREATE TABLE sbtest{table} (id INTEGER NOT NULL, k INTEGER DEFAULT 0 NOT NULL, c CHAR(120) DEFAULT '' NOT NULL, \
                 pad CHAR(60) DEFAULT '' NOT NULL, PRIMARY KEY (id))"
            ))
            .await?;
        for first in (1..=scale.rows).step_by(usize::try_from(ROWS_PER_INSERT)?) {
            let ids = first..=(first + ROWS_PER_INSERT - 1).min(scale.rows);
            let rows: Vec<String> =
                ids.map(|id| format!("({id},{},'{}','{}')", rng.i64(1..=scale.rows), digits(rng, 10), digits(rng, 5))).collect();
            session.plain(&format!("INSERT INTO sbtest{table} (id, k, c, pad) VALUES {}", rows.join(","))).await?;
        }
        session.plain(&format!("CREATE INDEX k_{table} ON sbtest{table} (k)")).await?;
    }
    Ok(())
}

/// Groups of eleven digits with hyphens, as sysbench fills `c` (ten of them) and `pad` (five).
fn digits(rng: &mut Rng, groups: u32) -> String {
    let group = |rng: &mut Rng| format!("{:011}", rng.u64(0..100_000_000_000));
    (0..groups).map(|_| group(rng)).collect::<Vec<_>>().join("-")
}

/// One transaction; the caller rolls back what fails.
pub async fn transaction(session: &mut Session, scale: Scale, rng: &mut Rng) -> Outcome<()> {
    let table = rng.u32(1..=scale.tables);
    let id = |rng: &mut Rng| Value::Int(rng.i64(1..=scale.rows));
    session.plain("BEGIN").await?;
    for _ in 0..POINT_SELECTS {
        session.run(&format!("SELECT c FROM sbtest{table} WHERE id = ?"), &[id(rng)]).await?;
    }
    for select in [
        format!("SELECT c FROM sbtest{table} WHERE id BETWEEN ? AND ?"),
        format!("SELECT SUM(k) FROM sbtest{table} WHERE id BETWEEN ? AND ?"),
        format!("SELECT c FROM sbtest{table} WHERE id BETWEEN ? AND ? ORDER BY c"),
        format!("SELECT DISTINCT c FROM sbtest{table} WHERE id BETWEEN ? AND ? ORDER BY c"),
    ] {
        let first = rng.i64(1..=scale.rows);
        session.run(&select, &[first.into(), (first + RANGE - 1).into()]).await?;
    }
    session.run(&format!("UPDATE sbtest{table} SET k = k + 1 WHERE id = ?"), &[id(rng)]).await?;
    session.run(&format!("UPDATE sbtest{table} SET c = ? WHERE id = ?"), &[digits(rng, 10).into(), id(rng)]).await?;
    let moved = id(rng);
    session.run(&format!("DELETE FROM sbtest{table} WHERE id = ?"), std::slice::from_ref(&moved)).await?;
    let row = [moved, id(rng), digits(rng, 10).into(), digits(rng, 5).into()];
    session.run(&format!("INSERT INTO sbtest{table} (id, k, c, pad) VALUES (?, ?, ?, ?)"), &row).await?;
    session.plain("COMMIT").await
}
