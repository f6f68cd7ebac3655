//! Frames, commands and the copy stream of a replication connection.
//!
//! [`Framed`] cuts the byte stream into messages; [`Client`] runs replication commands; [`Client::start`] turns it into a [`Copy`], whose
//! two halves read the log and send what was stored.

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::super::connect::{CONNECT_LIMIT, PostgresSourceOptions, TextRow};
use super::super::decode::reader::Reader;
use super::super::failure::{self, ServerError, malformed};
use super::login::{Security, log_in};
use super::socket::{Wire, dial};
use crate::error::{Class, Error, Result};
use crate::position::Lsn;

/// The server never sends more in one message.
const FRAME_BYTES_MAX: usize = 1 << 30;
/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 64 << 10;
/// 2000-01-01 in microseconds since 1970: where the server's clock begins.
pub(in super::super) const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// One message of the server.
pub(in super::super) struct Frame {
    /// What it is.
    pub(in super::super) tag: u8,
    /// Its contents.
    pub(in super::super) body: Bytes,
}

/// A connection cut into messages.
pub(super) struct Framed {
    reading: Reading,
    writing: WriteHalf<Box<dyn Wire>>,
}

/// The reading half.
pub(in super::super) struct Reading {
    socket: ReadHalf<Box<dyn Wire>>,
    buffer: BytesMut,
}

impl Reading {
    /// The next message. Cancel-safe: what has arrived stays here.
    pub(in super::super) async fn frame(&mut self, attempt: &str) -> Result<Frame> {
        loop {
            if let Some(frame) = self.parsed()? {
                return Ok(frame);
            }
            self.buffer.reserve(READ_BYTES);
            let read = self.socket.read_buf(&mut self.buffer).await.map_err(|error| failure::of_io(error, attempt))?;
            if read == 0 {
                return Err(Error::new(Class::Unreachable, format!("could not {attempt}: the server closed the connection")));
            }
        }
    }

    fn parsed(&mut self) -> Result<Option<Frame>> {
        let Some((tag, length)) =
            self.buffer.first_chunk::<5>().map(|[tag, a, b, c, d]| (*tag, u32::from_be_bytes([*a, *b, *c, *d])))
        else {
            return Ok(None);
        };
        let length = length as usize;
        if !(4..=FRAME_BYTES_MAX).contains(&length) {
            return Err(malformed("a message of an impossible length"));
        }
        if self.buffer.len() <= length {
            return Ok(None);
        }
        let mut whole = self.buffer.split_to(length + 1).freeze();
        Ok(Some(Frame { tag, body: whole.split_off(5) }))
    }
}

impl Framed {
    pub(super) async fn frame(&mut self, attempt: &str) -> Result<Frame> {
        self.reading.frame(attempt).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8], attempt: &str) -> Result<()> {
        send(&mut self.writing, bytes, attempt).await
    }
}

async fn send(writing: &mut WriteHalf<Box<dyn Wire>>, bytes: &[u8], attempt: &str) -> Result<()> {
    writing.write_all(bytes).await.map_err(|error| failure::of_io(error, attempt))?;
    writing.flush().await.map_err(|error| failure::of_io(error, attempt))
}

/// The fields of an error response that are told.
pub(super) fn server_error(body: &[u8]) -> Result<ServerError> {
    let mut error = ServerError::default();
    let mut body = Reader(body);
    loop {
        match body.u8()? {
            0 => return Ok(error),
            b'C' => error.code = body.text()?.to_owned(),
            b'M' => error.message = body.text()?.to_owned(),
            _ => drop(body.text()?),
        }
    }
}

/// A replication connection that takes commands.
pub(in super::super) struct Client {
    framed: Framed,
}

/// Who answered, as IDENTIFY_SYSTEM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Identified {
    /// System identifier.
    pub(in super::super) system: String,
    /// Timeline.
    pub(in super::super) timeline: u32,
}

impl Client {
    /// Connects and logs in.
    pub(in super::super) async fn connect(options: &PostgresSourceOptions, time_zone: Option<&str>) -> Result<Self> {
        let attempt = format!("open the replication connection of source {}", options.name);
        failure::within(CONNECT_LIMIT, &attempt, async {
            let socket = dial(options, &attempt).await?;
            let (read, writing) = tokio::io::split(socket.wire);
            let mut framed = Framed { reading: Reading { socket: read, buffer: BytesMut::new() }, writing };
            let security = Security { encrypted: socket.encrypted, end_point: socket.end_point };
            log_in(&mut framed, options, time_zone, security, &attempt).await?;
            Ok(Self { framed })
        })
        .await
    }

    /// Runs a command that answers rows.
    pub(in super::super) async fn command(&mut self, attempt: &str, sql: &str) -> Result<Vec<TextRow>> {
        self.query(attempt, sql).await?;
        let (mut rows, mut failed) = (Vec::new(), None);
        loop {
            let frame = self.framed.frame(attempt).await?;
            match frame.tag {
                b'D' => rows.push(text_row(&frame.body)?),
                b'E' => failed = Some(failure::of_server(&server_error(&frame.body)?, attempt)),
                b'Z' => return failed.map_or(Ok(rows), Err),
                b'T' | b'C' | b'N' | b'S' => {}
                _ => return Err(malformed("an unknown answer to a replication command")),
            }
        }
    }

    async fn query(&mut self, attempt: &str, sql: &str) -> Result<()> {
        let mut message = BytesMut::new();
        frontend::query(sql, &mut message).map_err(|error| failure::of_io(error, attempt))?;
        self.framed.send(&message, attempt).await
    }

    /// Which cluster this is.
    pub(in super::super) async fn identify(&mut self) -> Result<Identified> {
        let attempt = "identify the source";
        let rows = self.command(attempt, "IDENTIFY_SYSTEM").await?;
        let cells = rows.first().map(|row| (row.first().cloned().flatten(), row.get(1).cloned().flatten()));
        match cells {
            Some((Some(system), Some(timeline))) => {
                let timeline = timeline.parse().map_err(|_| malformed("a timeline that is no number"))?;
                Ok(Identified { system, timeline })
            }
            _ => Err(malformed("an incomplete answer to IDENTIFY_SYSTEM")),
        }
    }

    /// Creates a logical slot for pgoutput; answers its consistent point, behind which every change is decoded.
    pub(in super::super) async fn create_slot(&mut self, slot: &str, failover: bool) -> Result<Lsn> {
        let attempt = format!("create the replication slot {slot}");
        let slot = super::super::names::identifier(slot);
        // No snapshot is exported: chunks take their own, with their own cuts.
        let options = if failover { "(SNAPSHOT 'nothing', FAILOVER)" } else { "NOEXPORT_SNAPSHOT" };
        let rows = self.command(&attempt, &format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput {options}")).await?;
        let point = rows.first().and_then(|row| row.get(1)).and_then(Option::as_deref).and_then(Lsn::parse);
        point.ok_or_else(|| malformed("a new slot without a consistent point"))
    }

    /// Starts the copy stream of a slot behind `from`.
    pub(in super::super) async fn start(mut self, slot: &str, from: Lsn, options: &str) -> Result<Copy> {
        let attempt = "start the change stream";
        let command = format!("START_REPLICATION SLOT {} LOGICAL {from} ({options})", super::super::names::identifier(slot));
        self.query(attempt, &command).await?;
        loop {
            let frame = self.framed.frame(attempt).await?;
            match frame.tag {
                b'W' => return Ok(Copy { reading: self.framed.reading, status: Status { writing: self.framed.writing } }),
                b'E' => return Err(failure::of_server(&server_error(&frame.body)?, attempt)),
                b'N' | b'S' => {}
                _ => return Err(malformed("an unknown answer to START_REPLICATION")),
            }
        }
    }
}

fn text_row(body: &[u8]) -> Result<TextRow> {
    let mut body = Reader(body);
    let count = body.u16()?;
    let mut row = TextRow::new();
    for _ in 0..count {
        let length = body.i32()?;
        row.push(match usize::try_from(length) {
            Ok(length) => {
                let text = std::str::from_utf8(body.take(length)?).map_err(|_| malformed("a text that is not UTF-8"))?;
                Some(text.to_owned())
            }
            Err(_) => None,
        });
    }
    body.end()?;
    Ok(row)
}

/// A running copy stream.
pub(in super::super) struct Copy {
    /// What the server sends.
    pub(in super::super) reading: Reading,
    /// What we answer.
    pub(in super::super) status: Status,
}

/// One message of the copy stream.
pub(in super::super) enum Copied {
    /// A message of the output plugin.
    Data(Bytes),
    /// How far the server has read its log; whether it waits for an answer.
    Keepalive {
        /// Everything that was committed before it has been sent.
        end: Lsn,
        /// Whether it waits for a status.
        reply: bool,
    },
}

impl Reading {
    /// The next message of the copy stream. Cancel-safe.
    pub(in super::super) async fn copied(&mut self) -> Result<Copied> {
        let attempt = "read the change stream";
        loop {
            let frame = self.frame(attempt).await?;
            match frame.tag {
                b'd' => return copied(frame.body),
                b'E' => return Err(failure::of_server(&server_error(&frame.body)?, attempt)),
                b'c' | b'C' => return Err(Error::new(Class::Unreachable, "the source ended the change stream")),
                b'N' | b'S' => {}
                _ => return Err(malformed("an unknown message in the change stream")),
            }
        }
    }
}

fn copied(mut body: Bytes) -> Result<Copied> {
    let mut head = Reader(&body);
    match head.u8()? {
        b'w' => {
            // Start and end of the WAL it comes from, and the server's clock.
            head.take(24)?;
            Ok(Copied::Data(body.split_off(25)))
        }
        b'k' => {
            let end = Lsn(head.u64()?);
            head.i64()?;
            let reply = head.u8()? != 0;
            head.end()?;
            Ok(Copied::Keepalive { end, reply })
        }
        _ => Err(malformed("an unknown kind of copy data")),
    }
}

/// The half that tells the server what has arrived and what is stored.
pub(in super::super) struct Status {
    writing: WriteHalf<Box<dyn Wire>>,
}

impl Status {
    /// Sends a standby status update; the slot lets go of everything up to `stored`.
    pub(in super::super) async fn send(&mut self, received: Lsn, stored: Lsn, ask: bool, now_us: i64) -> Result<()> {
        let mut message = Vec::with_capacity(39);
        message.push(b'd');
        message.extend_from_slice(&38_u32.to_be_bytes());
        message.push(b'r');
        for lsn in [received, stored, stored] {
            message.extend_from_slice(&lsn.0.to_be_bytes());
        }
        message.extend_from_slice(&(now_us - POSTGRES_EPOCH_US).to_be_bytes());
        message.push(u8::from(ask));
        send(&mut self.writing, &message, "tell the source what is stored").await
    }

    /// Ends the session: the server gives the slot up.
    pub(in super::super) async fn end(&mut self) -> Result<()> {
        let attempt = "end the change stream";
        send(&mut self.writing, &[b'X', 0, 0, 0, 4], attempt).await?;
        self.writing.shutdown().await.map_err(|error| failure::of_io(error, attempt))
    }
}
