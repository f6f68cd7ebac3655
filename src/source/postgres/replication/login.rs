//! Startup and authentication: SCRAM with channel binding where both sides can, MD5 where the server still asks for it, a bare password
//! over TLS only.

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ScramSha256};
use postgres_protocol::message::frontend;

use super::super::connect::PostgresSourceOptions;
use super::super::decode::reader::Reader;
use super::super::failure::{self, malformed};
use super::client::{Framed, server_error};
use crate::error::{Class, Error, Result};
use crate::transport::Secret;

/// Logs in on a fresh connection as a walsender of the database; answers when the server is ready for commands.
pub(super) async fn log_in(
    framed: &mut Framed,
    options: &PostgresSourceOptions,
    time_zone: Option<&str>,
    security: Security,
    attempt: &str,
) -> Result<()> {
    let settings = options.pinned(time_zone);
    let fixed = [
        ("user", options.user.as_str()),
        ("database", &options.database),
        ("replication", "database"),
        ("application_name", "strangler"),
    ];
    let parameters = fixed.into_iter().chain(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut startup = BytesMut::new();
    frontend::startup_message(parameters, &mut startup).map_err(|error| failure::of_io(error, attempt))?;
    framed.send(&startup, attempt).await?;
    let mut login = Login { framed, options, security, scram: None, attempt };
    loop {
        let frame = login.framed.frame(attempt).await?;
        match frame.tag {
            b'R' => login.step(&frame.body).await?,
            b'E' => return Err(failure::of_server(&server_error(&frame.body)?, attempt)),
            // Parameters, the key for cancelling, notices.
            b'S' | b'K' | b'N' | b'v' => {}
            b'Z' if login.scram.is_none() => return Ok(()),
            _ => return Err(malformed("an unknown message while logging in")),
        }
    }
}

/// What the connection offers for authentication.
pub(super) struct Security {
    /// Whether it is encrypted.
    pub(super) encrypted: bool,
    /// See [`super::socket::Socket::end_point`].
    pub(super) end_point: Option<Vec<u8>>,
}

struct Login<'a> {
    framed: &'a mut Framed,
    options: &'a PostgresSourceOptions,
    security: Security,
    scram: Option<ScramSha256>,
    attempt: &'a str,
}

impl Login<'_> {
    async fn step(&mut self, body: &[u8]) -> Result<()> {
        let mut body = Reader(body);
        let mut answer = BytesMut::new();
        match body.u32()? {
            // A server that skips the end of SCRAM has not proven that it knows the password.
            0 if self.scram.is_some() => return Err(malformed("an end of the login before its proof")),
            0 => return Ok(()),
            3 if self.security.encrypted => frontend::password_message(self.password()?.reveal().as_bytes(), &mut answer),
            5 => {
                let salt = body.take(4)?.try_into().map_err(|_| malformed("a short salt"))?;
                let hash = md5_hash(self.options.user.as_bytes(), self.password()?.reveal().as_bytes(), salt);
                frontend::password_message(hash.as_bytes(), &mut answer)
            }
            10 => {
                let (mechanism, binding) = self.mechanism(body)?;
                let scram = ScramSha256::new(self.password()?.reveal().as_bytes(), binding);
                let done = frontend::sasl_initial_response(mechanism, scram.message(), &mut answer);
                self.scram = Some(scram);
                done
            }
            11 => {
                let scram = self.scram.as_mut().ok_or_else(|| malformed("an answer to a login that was not begun"))?;
                scram.update(body.rest()).map_err(|error| refused(error, self.attempt))?;
                frontend::sasl_response(scram.message(), &mut answer)
            }
            12 => {
                let mut scram = self.scram.take().ok_or_else(|| malformed("an end of a login that was not begun"))?;
                return scram.finish(body.rest()).map_err(|error| refused(error, self.attempt));
            }
            _ => {
                let message = format!("could not {}: the server asks for an authentication that is not supported", self.attempt);
                return Err(Error::new(Class::Preflight, message)
                    .with_hint("let pg_hba.conf ask for scram-sha-256; a bare password is sent over TLS only"));
            }
        }
        .map_err(|error| failure::of_io(error, self.attempt))?;
        self.framed.send(&answer, self.attempt).await
    }

    /// SCRAM bound to the TLS channel if both sides can; else SCRAM, saying truly whether we could have bound it, so that nobody in
    /// between can talk us out of it.
    fn mechanism(&self, mut body: Reader<'_>) -> Result<(&'static str, sasl::ChannelBinding)> {
        let (mut plain, mut plus) = (false, false);
        loop {
            match body.text()? {
                "" => break,
                sasl::SCRAM_SHA_256 => plain = true,
                sasl::SCRAM_SHA_256_PLUS => plus = true,
                _ => {}
            }
        }
        match (&self.security.end_point, plus, plain) {
            (Some(end_point), true, _) => {
                Ok((sasl::SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(end_point.clone())))
            }
            (Some(_), false, true) => Ok((sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested())),
            (None, _, true) => Ok((sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported())),
            _ => Err(malformed("a choice of logins without SCRAM-SHA-256")),
        }
    }

    fn password(&self) -> Result<&Secret> {
        self.options.password.as_ref().ok_or_else(|| {
            Error::new(Class::Privilege, format!("could not {}: the server asks for a password", self.attempt))
                .with_hint("give `password: { env: NAME }` to the source")
        })
    }
}

fn refused(error: std::io::Error, attempt: &str) -> Error {
    Error::new(Class::Privilege, format!("could not {attempt}: the server and the password do not fit"))
        .with_hint("check the user and the password of the source")
        .because(error)
}
