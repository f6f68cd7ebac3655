//! Page: what a running engine tells monitors over HTTP, on the control socket always, and where the project file says so on an address.
//!
//! `/metrics` is OpenMetrics text; `/livez` says whether the engine answers at all; `/readyz` whether every mapping is live and runs. Nothing
//! here names a row, a value or a secret, and nothing can be changed through it.

mod exposition;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::{Class, Error, Result};
use crate::migrate::{Board, EngineStatus};
use crate::state::meta::Stage;
use crate::target::Phase;

pub use exposition::exposition;

/// The media type of what `/metrics` answers.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long an address may still be in use.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// What is served of a board.
pub fn routes(board: Board) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/livez", get(livez)).route("/readyz", get(readyz)).with_state(board)
}

async fn metrics(State(board): State<Board>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], exposition(&board))
}

async fn livez() -> &'static str {
    "live\n"
}

async fn readyz(State(board): State<Board>) -> (StatusCode, String) {
    match unready(&board.snapshot()) {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reasons) => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    }
}

/// Why not every mapping is kept up, one reason per line; `None`: all are.
fn unready(status: &EngineStatus) -> Option<String> {
    let mut reasons = Vec::new();
    if status.stage != Stage::Live {
        reasons.push("the first load is not done".to_owned());
    }
    for mapping in &status.mappings {
        if let Some(halted) = &mapping.halted {
            reasons.push(format!("mapping {} is {}", mapping.mapping, halted.cause.word()));
        } else if mapping.phase != Phase::Live {
            reasons.push(format!("mapping {} is loading", mapping.mapping));
        }
    }
    reasons.extend(status.waiting.as_ref().map(|_| "the engine waits; `strangler status` says what for".to_owned()));
    (!reasons.is_empty()).then(|| reasons.join("\n") + "\n")
}

/// A page that is being served on an address; closed when dropped.
pub struct Serving {
    task: JoinHandle<()>,
    address: SocketAddr,
}

impl Serving {
    /// Where it is served, the port that the system chose included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a board where the project file says so, if it does.
///
/// # Errors
/// As [`serve`].
pub async fn serve_at(address: Option<SocketAddr>, board: &Board) -> Result<Option<Serving>> {
    match address {
        Some(address) => serve(address, board.clone()).await.map(Some),
        None => Ok(None),
    }
}

/// Serves a board on an address.
///
/// # Errors
/// `Local` if the address cannot be listened on.
pub async fn serve(address: SocketAddr, board: Board) -> Result<Serving> {
    let failed = |error: std::io::Error| {
        Error::new(Class::Local, format!("cannot listen on {address} for metrics"))
            .with_hint("choose another address in `metrics: { listen: .. }` of the project file")
            .because(error)
    };
    let asked = Instant::now();
    let listener = loop {
        match TcpListener::bind(address).await {
            // The start of this engine may have served it until now.
            Err(error) if error.kind() == ErrorKind::AddrInUse && asked.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            bound => break bound.map_err(failed)?,
        }
    };
    let address = listener.local_addr().map_err(failed)?;
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes(board)).await {
            tracing::warn!(%error, "the metrics are not served any more");
        }
    });
    Ok(Serving { task, address })
}
