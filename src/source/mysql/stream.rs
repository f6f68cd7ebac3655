//! The change stream of MySQL and MariaDB: a binlog dump on one connection, read by our own decoder.
//!
//! Goes in: an open connection and a position. Comes out: transactions, schema changes, heartbeats. The connection speaks
//! COM_BINLOG_DUMP; the library below it reassembles packets and cuts checksums, nothing else of it is used. A connection that is
//! silent for 30 seconds is unreachable; servers are asked to send a heartbeat every five.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStreamRequest, Conn, DriverError, IoError, Sid};
use tokio::time::{Instant, timeout};

use super::decode::event::{self, FLAG_ARTIFICIAL, RawEvent, kind};
use super::transaction::{Assembler, AssemblerSettings};
use super::zone::SessionZone;
use crate::change::SourceEvent;
use crate::error::{Class, Error, Result};
use crate::position::BinlogPosition;
use crate::schema::{Flavor, SourceCatalog};
use crate::source::spill::SpillOptions;
use crate::source::{CommitClock, Layouts, Pace, SourceStream};

/// How long a connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often a server that has nothing to say is asked to say so, in nanoseconds.
const HEARTBEAT_NS: u64 = 5_000_000_000;
/// What every error of the stream was about.
const CANNOT_READ: &str = "cannot read the source's binlog";
/// At most one heartbeat in this time for transactions that touch no mapped table.
const COALESCE: Duration = Duration::from_millis(100);

/// How a position is found on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartBy {
    /// By file and offset: on the server that wrote them.
    FilePosition,
    /// By the GTID set: on any server that has the history.
    Gtid,
}

/// What a stream starts from.
#[derive(Debug)]
pub struct StreamRequest<'a> {
    /// The connected server's identity; the positions of the stream carry it.
    pub server_identity: String,
    /// Our own replica id, different from every other replica's.
    pub server_id: u32,
    /// Server family.
    pub flavor: Flavor,
    /// How the position is found.
    pub by: StartBy,
    /// Everything up to here is contained already.
    pub position: BinlogPosition,
    /// The session zone of TIMESTAMP values.
    pub zone: SessionZone,
    /// The mapped tables.
    pub layouts: Layouts,
    /// Their schemas.
    pub catalog: &'a SourceCatalog,
    /// The bound of one transaction, in bytes of memory.
    pub transaction_bytes_max: usize,
    /// Where larger ones go.
    pub spill: Option<SpillOptions>,
}

/// An open change stream.
pub struct BinlogStream {
    stream: mysql_async::BinlogStream,
    assembler: Assembler,
    /// Inner events of the last transaction payload: the library delivers them once more.
    inner: VecDeque<(u8, u32)>,
    heard: Instant,
    given: Instant,
    beat: bool,
    /// Decoding since the last event was given, and of the one given last.
    decoding: Duration,
    pace: Pace,
}

impl std::fmt::Debug for BinlogStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BinlogStream").field("place", self.assembler.place()).finish_non_exhaustive()
    }
}

impl BinlogStream {
    /// Starts the dump behind `request.position` on `connection`, which belongs to the stream from now on.
    ///
    /// # Errors
    /// The server refuses (`Unreachable`, `Privilege`, or `Person` where its log no longer reaches back), or the position is
    /// malformed.
    pub async fn open(mut connection: Conn, request: StreamRequest<'_>) -> Result<Self> {
        let mut position = request.position;
        position.server = request.server_identity;
        if request.by == StartBy::Gtid && position.prepared_from.is_some() {
            return Err(Error::new(
                Class::Person,
                "prepared transactions were open at this position, and it lies on another server",
            )
            .with_hint("reset the mappings of this source and load them again"));
        }
        let settings = AssemblerSettings {
            zone: request.zone,
            layouts: request.layouts,
            transaction_bytes_max: request.transaction_bytes_max,
            spill: request.spill,
        };
        let assembler = Assembler::new(settings, request.catalog, &position)?;
        prepare_session(&mut connection, request.flavor, request.by, &position).await.map_err(server_error)?;
        let dump = BinlogStreamRequest::new(request.server_id);
        let (file, offset) = position.prepared_from.clone().unwrap_or_else(|| (position.file.clone(), position.offset));
        let dump = match (request.by, request.flavor) {
            (StartBy::FilePosition, _) => dump.with_filename(file.as_bytes()).with_pos(offset),
            (StartBy::Gtid, Flavor::MariaDb) => dump.with_filename(b"").with_pos(4_u64),
            (StartBy::Gtid, _) => dump.with_gtid().with_gtid_set(sids(&position.gtid)?).with_pos(4_u64),
        };
        let stream = connection.get_binlog_stream(dump).await.map_err(server_error)?;
        let now = Instant::now();
        Ok(Self {
            stream,
            assembler,
            inner: VecDeque::new(),
            heard: now,
            given: now,
            beat: false,
            decoding: Duration::ZERO,
            pace: Pace::default(),
        })
    }

    /// How long to wait for the server before there is something else to do.
    fn patience(&self) -> Duration {
        let silence = SILENCE_MAX.saturating_sub(self.heard.elapsed());
        if self.assembler.has_advanced() { silence.min(COALESCE.saturating_sub(self.given.elapsed())) } else { silence }
    }

    fn heartbeat_due(&self) -> bool {
        self.beat || (self.assembler.has_advanced() && self.given.elapsed() >= COALESCE)
    }

    /// A broken connection is tried again; what arrived and cannot be read is not, and its place is named.
    fn failure(&self, error: mysql_async::Error) -> Error {
        if let Some(class) = transport_class(&error) {
            return Error::new(class, CANNOT_READ).because(error);
        }
        if let mysql_async::Error::Server(_) = error {
            return server_error(error);
        }
        let place = self.assembler.place();
        Error::new(Class::Person, format!("the binlog event behind {}:{} cannot be read", place.file, place.offset))
            .with_hint("check the file with mysqlbinlog --verify-binlog-checksum; if it is damaged, reset the mappings of this source and load them again")
            .because(error)
    }

    /// Feeds one event of the library to the assembler.
    fn feed(&mut self, event: &mysql_async::binlog::events::Event) -> Result<()> {
        let header = event.header();
        let kind = header.event_type_raw();
        if header.log_pos() == 0 && self.inner.front() == Some(&(kind, header.event_size())) {
            self.inner.pop_front();
            return Ok(());
        }
        self.inner.clear();
        let mut raw = RawEvent {
            timestamp: header.timestamp(),
            kind,
            flags: header.flags_raw(),
            log_pos: header.log_pos(),
            size: header.event_size(),
            body: event.data(),
        };
        if kind == kind::ROTATE && (raw.flags & FLAG_ARTIFICIAL != 0 || raw.log_pos == 0) {
            raw.body = event::without_checksum(header_bytes(&raw, header.server_id()), raw.body);
        }
        if kind == kind::TRANSACTION_PAYLOAD && event.checksum().is_none() {
            return Err(Error::new(Class::Person, "compressed transactions without checksums cannot be read")
                .with_hint("set binlog_checksum=CRC32 or binlog_transaction_compression=OFF on the source"));
        }
        self.beat = matches!(kind, kind::HEARTBEAT | kind::HEARTBEAT_V2);
        if kind == kind::MARIADB_GTID {
            return self.assembler.feed_mariadb_gtid(&raw, header.server_id());
        }
        self.assembler.feed(&raw, &mut self.inner)
    }
}

impl SourceStream for BinlogStream {
    async fn next(&mut self) -> Result<SourceEvent> {
        loop {
            if let Some(event) = self.assembler.pop() {
                self.given = Instant::now();
                let clock = if self.assembler.has_fine_clock() { CommitClock::Microseconds } else { CommitClock::Seconds };
                self.pace = Pace { decoding: std::mem::take(&mut self.decoding), clock };
                return Ok(event);
            }
            if self.heartbeat_due() {
                self.beat = false;
                self.given = Instant::now();
                if let Some(heartbeat) = self.assembler.heartbeat() {
                    return Ok(heartbeat);
                }
            }
            match timeout(self.patience(), self.stream.next()).await {
                Ok(Some(Ok(event))) => {
                    self.heard = Instant::now();
                    let fed = self.feed(&event);
                    self.decoding += self.heard.elapsed();
                    fed?;
                }
                Ok(Some(Err(error))) => return Err(self.failure(error)),
                Ok(None) => return Err(Error::new(Class::Unreachable, "the source ended the change stream")),
                Err(_) if self.heard.elapsed() >= SILENCE_MAX => {
                    return Err(Error::new(Class::Unreachable, "the change stream was silent for 30 seconds"));
                }
                Err(_) => {}
            }
        }
    }

    fn pace(&self) -> Pace {
        self.pace
    }
}

async fn prepare_session(
    connection: &mut Conn,
    flavor: Flavor,
    by: StartBy,
    position: &BinlogPosition,
) -> mysql_async::Result<()> {
    connection
        .query_drop(format!("SET @master_heartbeat_period = {HEARTBEAT_NS}, @source_heartbeat_period = {HEARTBEAT_NS}"))
        .await?;
    if flavor == Flavor::MariaDb {
        connection.query_drop("SET @mariadb_slave_capability = 4").await?;
        if by == StartBy::Gtid {
            connection.exec_drop("SET @slave_connect_state = ?", (&position.gtid,)).await?;
            connection.query_drop("SET @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0").await?;
        }
    }
    Ok(())
}

/// The GTID set in the library's terms.
fn sids(text: &str) -> Result<Vec<Sid<'static>>> {
    let malformed = || Error::new(Class::Person, "a recorded GTID set cannot be sent to the server");
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse::<Sid<'static>>().map_err(|cause| malformed().because(cause))).collect()
}

/// The header as it was on the wire: the checksum covers it.
fn header_bytes(event: &RawEvent<'_>, server: u32) -> [u8; 19] {
    let mut bytes = [0; 19];
    let fields = event.timestamp.to_le_bytes().into_iter().chain([event.kind]).chain(server.to_le_bytes());
    let fields = fields.chain(event.size.to_le_bytes()).chain(event.log_pos.to_le_bytes()).chain(event.flags.to_le_bytes());
    bytes.iter_mut().zip(fields).for_each(|(target, source)| *target = source);
    bytes
}

/// What a failure of the library means while the stream is being opened.
fn server_error(error: mysql_async::Error) -> Error {
    match &error {
        mysql_async::Error::Server(server) => match server.code {
            1236 | 1220 | 1373 => Error::new(Class::Person, CANNOT_READ)
                .with_hint("if the log no longer reaches back to the position, reset the mappings of this source and load them again; keep more of the log")
                .because(error),
            1044 | 1045 | 1142 | 1227 => Error::new(Class::Privilege, CANNOT_READ).with_hint("GRANT REPLICATION SLAVE ON *.* TO the user").because(error),
            _ => Error::new(Class::Unreachable, CANNOT_READ).because(error),
        },
        _ => Error::new(transport_class(&error).unwrap_or(Class::Person), CANNOT_READ).because(error),
    }
}

/// The class of a failure of the connection itself; `None` if the connection is whole and what came over it is not. The library gives
/// checksum and parse failures as I/O errors too; only their kinds tell them apart.
fn transport_class(error: &mysql_async::Error) -> Option<Class> {
    use std::io::ErrorKind;
    match error {
        mysql_async::Error::Io(IoError::Io(io)) => match io.kind() {
            // A socket that closes inside a packet, or between packets.
            ErrorKind::Other if io.to_string().contains("bytes remaining on stream") => Some(Class::Unreachable),
            ErrorKind::UnexpectedEof if io.to_string().contains("connection closed") => Some(Class::Unreachable),
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::Other => None,
            // The end of an event's bytes and the end of a socket look alike, but only the library's parser says what it expected.
            ErrorKind::UnexpectedEof
                if io.get_ref().is_some() && io.raw_os_error().is_none() && !io.to_string().contains("close_notify") =>
            {
                None
            }
            _ => Some(Class::Unreachable),
        },
        mysql_async::Error::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => Some(Class::Unreachable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_connection_is_tried_again() {
        use std::io::{Error as Io, ErrorKind};
        let class = |io: Io| transport_class(&mysql_async::Error::Io(IoError::Io(io)));
        for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::TimedOut, ErrorKind::UnexpectedEof] {
            assert_eq!(class(kind.into()), Some(Class::Unreachable), "{kind}");
        }
        assert_eq!(class(Io::other("bytes remaining on stream")), Some(Class::Unreachable));
        assert_eq!(class(Io::new(ErrorKind::UnexpectedEof, "connection closed")), Some(Class::Unreachable));
        assert_eq!(class(Io::other("binlog checksum mismatch")), None);
        assert_eq!(class(Io::new(ErrorKind::InvalidData, "unknown event")), None);
        assert_eq!(class(Io::new(ErrorKind::UnexpectedEof, "can't parse: buf doesn't have enough data")), None);
        let unexpected = DriverError::UnexpectedPacket { payload: vec![7] };
        assert_eq!(server_error(mysql_async::Error::Driver(unexpected)).class(), Class::Person);
        assert_eq!(server_error(mysql_async::Error::Driver(DriverError::ConnectionClosed)).class(), Class::Unreachable);
    }
}
