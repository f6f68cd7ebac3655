//! The engine's side of the control socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;

use super::{HaltAnswer, HaltRequest, LimitRequest, PATH_BYTES_MAX, Refusal, TouchedAnswer, TouchedRequest, note_path};
use crate::error::{Class, Error, Result};
use crate::migrate::{Answer, Board, Engine, EngineStatus};
use crate::page;
use crate::plan::{MappingId, Plan};
use crate::source::Source;
use crate::source::limits::Limits;
use crate::state::meta::Identity;
use crate::target::Target;

/// What the socket can be asked.
pub trait Answers: Send + Sync + 'static {
    /// The engine's picture of itself.
    fn status(&self) -> EngineStatus;

    /// What monitors are told of.
    fn board(&self) -> Board;

    /// The identity of the state; `None` while the start still waits for a database.
    fn identity(&self) -> Option<&Identity>;

    /// Whether keys may have been written behind a sequence; `None` for an unknown mapping or table.
    fn touched(&self, mapping: &str, table: &str, since: u64, keys: &[u128]) -> Option<Vec<bool>>;

    /// Halts a mapping, or lets it go on; `None` for an unknown mapping. May wait for the end of an epoch.
    ///
    /// # Errors
    /// The state's disk failed.
    fn halt(&self, mapping: &str, goes_on: bool) -> Result<Option<Answer>>;

    /// Changes limits of a source and answers them all. May wait for the source to tell its load.
    ///
    /// # Errors
    /// The setting makes no sense, or the source cannot be held to it.
    fn limit(&self, _source: &str, _settings: &[String]) -> Result<Limits> {
        Err(Error::new(Class::Unreachable, "the engine is still starting; `strangler status` says what it waits for"))
    }
}

/// An engine and the identity of its state answer for themselves.
impl<S: Source, T: Target> Answers for (Engine<S, T>, Identity) {
    fn status(&self) -> EngineStatus {
        self.0.board().snapshot()
    }

    fn board(&self) -> Board {
        self.0.board().clone()
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.1)
    }

    fn touched(&self, mapping: &str, table: &str, since: u64, keys: &[u128]) -> Option<Vec<bool>> {
        let plan: &Plan = self.0.plan();
        let index = plan.mappings.iter().position(|candidate| candidate.name == mapping)?;
        let is_table = |node: &&crate::plan::NodeId| plan.nodes.get(node.0 as usize).is_some_and(|node| node.table.name == table);
        let node = *plan.mappings.get(index)?.nodes.iter().find(is_table)?;
        let mapping = MappingId(u32::try_from(index).ok()?);
        Some(keys.iter().map(|key| self.0.may_have_changed(mapping, node, *key, since)).collect())
    }

    fn halt(&self, mapping: &str, goes_on: bool) -> Result<Option<Answer>> {
        let index = self.0.plan().mappings.iter().position(|candidate| candidate.name == mapping);
        let Some(id) = index.and_then(|index| u32::try_from(index).ok()).map(MappingId) else { return Ok(None) };
        Ok(Some(if goes_on { self.0.resume_asked(id) } else { self.0.pause(id)? }))
    }

    fn limit(&self, source: &str, settings: &[String]) -> Result<Limits> {
        tokio::runtime::Handle::current().block_on(self.0.limit(source, settings))
    }
}

/// A socket that is being served; removed when dropped.
pub struct Serving {
    task: tokio::task::JoinHandle<()>,
    path: PathBuf,
    note: Option<PathBuf>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
        // Whatever stays is replaced by the next engine.
        let _ = std::fs::remove_file(&self.path);
        if let Some(note) = &self.note {
            let _ = std::fs::remove_file(note);
            let _ = self.path.parent().map(std::fs::remove_dir);
        }
    }
}

/// Serves the control socket of a state folder, whose lock the caller holds.
///
/// # Errors
/// `Local` if the socket cannot be made.
pub fn serve(state: &Path, answers: impl Answers) -> Result<Serving> {
    let (path, note) = place(state)?;
    let failed = |error: std::io::Error| {
        Error::new(Class::Local, format!("cannot open the control socket {}", path.display())).because(error)
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    only_owner(&path).map_err(failed)?;
    let page = page::routes(answers.board());
    let routes = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/identity", get(identity))
        .route("/v1/touched", post(touched))
        .route("/v1/pause", post(pause))
        .route("/v1/resume", post(resume))
        .route("/v1/limit", post(limit))
        .with_state(Arc::new(answers) as Shared)
        .merge(page);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::warn!(%error, "the control socket is closed");
        }
    });
    Ok(Serving { task, path, note })
}

type Shared = Arc<dyn Answers>;

async fn status(State(answers): State<Shared>) -> Json<EngineStatus> {
    Json(answers.status())
}

type Refused = (StatusCode, Json<Refusal>);

fn refuse(code: StatusCode, error: impl Into<String>) -> Refused {
    (code, Json(Refusal { error: error.into(), hint: None }))
}

async fn identity(State(answers): State<Shared>) -> std::result::Result<Json<Identity>, Refused> {
    let starting =
        || refuse(StatusCode::SERVICE_UNAVAILABLE, "the engine is still starting; `strangler status` says what it waits for");
    answers.identity().cloned().map(Json).ok_or_else(starting)
}

async fn touched(
    State(answers): State<Shared>,
    Json(request): Json<TouchedRequest>,
) -> std::result::Result<Json<TouchedAnswer>, Refused> {
    let mut keys = Vec::with_capacity(request.keys.len());
    for key in &request.keys {
        let parsed =
            u128::from_str_radix(key, 16).map_err(|_| refuse(StatusCode::BAD_REQUEST, "a key is not a hexadecimal hash"))?;
        keys.push(parsed);
    }
    let changed = answers.touched(&request.mapping, &request.table, request.since, &keys);
    let unknown =
        || refuse(StatusCode::NOT_FOUND, format!("the engine has no table {} in mapping {}", request.table, request.mapping));
    changed.map(|changed| Json(TouchedAnswer { changed })).ok_or_else(unknown)
}

async fn limit(State(answers): State<Shared>, Json(request): Json<LimitRequest>) -> std::result::Result<Json<Limits>, Refused> {
    let done = tokio::task::spawn_blocking(move || answers.limit(&request.source, &request.settings)).await;
    let failed = |error: tokio::task::JoinError| refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    done.map_err(failed)?.map(Json).map_err(|error| {
        let code = super::code_of(error.class());
        let hint = error.hint().map(str::to_owned);
        (code, Json(Refusal { error: error.message().to_owned(), hint }))
    })
}

async fn pause(state: State<Shared>, request: Json<HaltRequest>) -> std::result::Result<Json<HaltAnswer>, Refused> {
    halt(state, request, false).await
}

async fn resume(state: State<Shared>, request: Json<HaltRequest>) -> std::result::Result<Json<HaltAnswer>, Refused> {
    halt(state, request, true).await
}

async fn halt(
    State(answers): State<Shared>,
    Json(HaltRequest { mapping }): Json<HaltRequest>,
    goes_on: bool,
) -> std::result::Result<Json<HaltAnswer>, Refused> {
    let name = mapping.clone();
    let done = tokio::task::spawn_blocking(move || answers.halt(&name, goes_on)).await;
    let failed = |error: String| refuse(StatusCode::INTERNAL_SERVER_ERROR, error);
    match done.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))? {
        Some(Answer::Done) => Ok(Json(HaltAnswer { already: None })),
        Some(Answer::Already(word)) => Ok(Json(HaltAnswer { already: Some(word.to_owned()) })),
        Some(Answer::NeedsRebuild) => Err(refuse(
            StatusCode::CONFLICT,
            format!(
                "what mapping {mapping} reads has changed its definition: stop the engine and run `strangler run --rebuild --mapping {mapping}`"
            ),
        )),
        None => Err(refuse(StatusCode::NOT_FOUND, format!("the engine has no mapping {mapping}, or is still starting"))),
    }
}

/// Where to put the socket, and the file that names the place where it is not in the state folder.
fn place(state: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let note = note_path(state);
    let path = state.join("control.sock");
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        // A note of an earlier engine, which had the folder under a longer name, would mislead.
        let _ = std::fs::remove_file(&note);
        return Ok((path, None));
    }
    let failed = |error: std::io::Error| Error::new(Class::Local, format!("cannot write {}", note.display())).because(error);
    let folder = std::env::temp_dir().join(format!("strangler-{:016x}", fastrand::u64(..)));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(failed)?;
    let path = folder.join("control.sock");
    std::fs::write(&note, path.as_os_str().as_encoded_bytes()).map_err(failed)?;
    Ok((path, Some(note)))
}

fn only_owner(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
