//! Baseline: the target alone, taking rows of the same tables in batches of the same size through the same code, from memory.
//!
//! The same in tables, batch sizes, statements and checkpoint row; not in what the rows are: each table takes an equal share of a batch, and every
//! row is one that is there already and stays what it is, where an engine inserts and deletes some. So it is what the target takes at best.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use strangler::cli::project::Project;
use strangler::target::{Advance, Target};
use strangler::write::{TableWrites, WriteBatch};

use crate::support::{Outcome, Stage};

/// Rows of each table that take turns.
const ROWS_MAX: u32 = 20_000;
/// Rows that are written in all.
const WRITTEN: u64 = 200_000;

/// Rows per second; no engine may run.
pub async fn rate(stage: &Stage, mapping: &str, rows_per_batch: usize) -> Outcome<f64> {
    let path = project(stage)?;
    let project = Project::open(&path, &[]).map_err(|_| "the project of the baseline is wrong")?;
    let planned = project.plan_live().await.map_err(|_| "the project of the baseline has no plan")?;
    let (_, target) = project.target_of(mapping).ok_or("the mapping has no target")?;
    let tables: Vec<_> = planned.plan.nodes.iter().map(|node| node.table.clone()).collect();
    let held = target.checkpoint(mapping).await?.ok_or("the mapping has no checkpoint")?;
    let mut checkpoint = target.take_over(Some(&held), held.clone()).await?;
    let mut rows = Vec::new();
    for table in &tables {
        rows.push(target.read_after(mapping, table, None, ROWS_MAX).await?.1);
    }
    let per_table = (rows_per_batch / tables.len()).max(1);
    let (mut written, mut turn, began) = (0_u64, 0, Instant::now());
    while written < WRITTEN {
        let batch = |(table, rows): (u32, &Vec<_>)| {
            let upserts = rows.iter().cycle().skip(turn * per_table % rows.len().max(1)).take(per_table.min(rows.len()));
            TableWrites { table, deletes: Vec::new(), upserts: upserts.cloned().collect() }
        };
        let batch = WriteBatch { tables: (0..).zip(&rows).map(batch).collect() };
        written += batch.row_count() as u64;
        let mut next = checkpoint.clone();
        next.sequence += 1;
        let advance = Advance { expected_sequence: checkpoint.sequence, next: next.clone() };
        target.apply(&[(advance, tables.as_slice(), batch)]).await?;
        (checkpoint, turn) = (next, turn + 1);
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

/// The bench's project again, with passwords in files: this process cannot change its environment.
fn project(stage: &Stage) -> Outcome<std::path::PathBuf> {
    let folder = stage.folder.path();
    let secret = |name: &str, password: &str| -> Outcome<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(name))?;
        Ok(std::io::Write::write_all(&mut file, password.as_bytes())?)
    };
    secret("source.secret", stage.mariadb.password())?;
    secret("target.secret", stage.postgres.password())?;
    let text = std::fs::read_to_string(folder.join("strangler.yaml"))?
        .replace("{ env: BENCH_SOURCE_PASSWORD }", "{ file: source.secret }")
        .replace("{ env: BENCH_TARGET_PASSWORD }", "{ file: target.secret }");
    let path = Path::new(folder).join("alone.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}
