//! The commands' side of the control socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{HaltAnswer, HaltRequest, LimitRequest, Refusal, TouchedAnswer, TouchedRequest, socket_path};
use crate::error::{Class, Error, Result};
use crate::migrate::EngineStatus;
use crate::source::limits::Limits;
use crate::state::meta::Identity;

/// How long an engine may take to answer: it never waits for a database to do so.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a running engine. One connection per question: an engine that ends is noticed at the next one.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// The client of the engine that runs on a state folder; `None` if none does.
    ///
    /// # Errors
    /// `Local` if the socket exists but may not be used.
    pub async fn of_state(state: &Path) -> Result<Option<Self>> {
        let Some(path) = socket_path(state) else { return Ok(None) };
        let client = Self { path };
        match UnixStream::connect(&client.path).await {
            Ok(_) => Ok(Some(client)),
            // Nobody listens on what a killed engine left.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) => Err(client.failed().because(error)),
        }
    }

    /// The engine's picture of itself.
    ///
    /// # Errors
    /// `Local` if it does not answer.
    pub async fn status(&self) -> Result<EngineStatus> {
        self.ask::<(), _>(Method::GET, "/v1/status", None).await
    }

    /// The identity of its state.
    ///
    /// # Errors
    /// `Local` if it does not answer; `Unreachable` while it still waits for a database to begin.
    pub async fn identity(&self) -> Result<Identity> {
        self.ask::<(), _>(Method::GET, "/v1/identity", None).await
    }

    /// Whether each of `keys` of a target table may have been written behind sequence `since` of its mapping.
    ///
    /// # Errors
    /// `Local` if it does not answer; `Person` if it has no such table.
    pub async fn touched(&self, mapping: &str, table: &str, since: u64, keys: &[u128]) -> Result<Vec<bool>> {
        let request = TouchedRequest {
            mapping: mapping.to_owned(),
            table: table.to_owned(),
            since,
            keys: keys.iter().map(|key| format!("{key:032x}")).collect(),
        };
        let answer: TouchedAnswer = self.ask(Method::POST, "/v1/touched", Some(&request)).await?;
        if answer.changed.len() != keys.len() {
            return Err(Error::bug("the engine answered about another number of keys"));
        }
        Ok(answer.changed)
    }

    /// Halts a mapping, or lets it go on; answers how it stands if there was nothing to do.
    ///
    /// # Errors
    /// `Local` if it does not answer; `Person` if it refuses.
    pub async fn halt(&self, mapping: &str, goes_on: bool) -> Result<Option<String>> {
        let request = HaltRequest { mapping: mapping.to_owned() };
        let path = if goes_on { "/v1/resume" } else { "/v1/pause" };
        let answer: HaltAnswer = self.ask(Method::POST, path, Some(&request)).await?;
        Ok(answer.already)
    }

    /// Changes limits of a source; answers all of its limits.
    ///
    /// # Errors
    /// `Local` if it does not answer; the class of the refusal if it refuses.
    pub async fn limit(&self, source: &str, settings: Vec<String>) -> Result<Limits> {
        let request = LimitRequest { source: source.to_owned(), settings };
        self.ask(Method::POST, "/v1/limit", Some(&request)).await
    }

    fn failed(&self) -> Error {
        Error::new(Class::Local, format!("the engine at {} does not answer", self.path.display()))
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(&self, method: Method, path: &str, question: Option<&Q>) -> Result<A> {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(method, path, question)).await;
        let (status, body) = asked.map_err(|_| self.failed())??;
        if status != StatusCode::OK {
            let unread = |_| Refusal { error: format!("it answered {status}"), hint: None };
            let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_else(unread);
            let error = Error::new(super::class_of(status), refusal.error);
            return Err(match refusal.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            });
        }
        serde_json::from_slice(&body)
            .map_err(|error| self.failed().with_hint("is it another version of strangler?").because(error))
    }

    async fn exchange<Q: Serialize>(&self, method: Method, path: &str, question: Option<&Q>) -> Result<(StatusCode, Bytes)> {
        let body = question
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|error| Error::bug("a question cannot be written as JSON").because(error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "strangler")
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body.unwrap_or_default()))
            .map_err(|error| Error::bug("a question is not an HTTP request").because(error))?;
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.failed().because(error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.failed().because(error))?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| self.failed().because(error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| self.failed().because(error))?.to_bytes();
        driver.abort();
        Ok((status, body))
    }
}
