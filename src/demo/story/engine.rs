//! The engine in the background: started as `strangler run`, watched through `strangler status`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::failure::Told;
use super::program::{Program, Running};
use super::screen::Screen;

/// How long a backfill of the demo may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the status is asked for.
const POLL: Duration = Duration::from_millis(250);

/// Waits until every mapping is live, showing how far it is.
pub async fn until_live(program: &Program, engine: &mut Running, screen: &Screen) -> Told<Value> {
    let started = Instant::now();
    loop {
        engine.expect_alive()?;
        // While the engine opens its state it does not answer yet; that is no surprise.
        let asked = program.run("status --format json").await?;
        let status: Value = serde_json::from_str(&asked.stdout).unwrap_or_default();
        let engine_status = status.get("engine").cloned().unwrap_or_default();
        if is_live(&engine_status) {
            return Ok(engine_status);
        }
        if started.elapsed() > PATIENCE {
            return Err(asked.unexpected("strangler status", "a live mapping"));
        }
        screen.passing(&progress(&engine_status));
        tokio::time::sleep(POLL).await;
    }
}

fn is_live(engine: &Value) -> bool {
    let mappings = engine.get("mappings").and_then(Value::as_array);
    let live = |value: &Value, field: &str| value.get(field).and_then(Value::as_str) == Some("live");
    live(engine, "stage")
        && mappings.is_some_and(|mappings| !mappings.is_empty() && mappings.iter().all(|mapping| live(mapping, "phase")))
}

fn progress(engine: &Value) -> String {
    let rows = |list: Option<&Value>| -> u64 {
        list.and_then(Value::as_array).into_iter().flatten().filter_map(|entry| entry.get("row_count")?.as_u64()).sum()
    };
    let loads = engine
        .get("mappings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|mapping| rows(mapping.get("loads")))
        .sum::<u64>();
    match engine.get("stage").and_then(Value::as_str) {
        None => "starting ..".to_owned(),
        Some("load") => format!("load: {loads} rows in the service"),
        Some(stage) => format!("{}: {} legacy rows read", stage.replace('_', " "), rows(engine.get("tables"))),
    }
}
