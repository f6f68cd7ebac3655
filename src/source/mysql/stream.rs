//! The change stream's face; its reader is built beside it.

use crate::change::SourceEvent;
use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::schema::{Flavor, SourceCatalog};
use crate::source::{Layouts, SourceStream};

use super::zone::SessionZone;

/// How the stream starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartBy {
    /// At the file and offset.
    FilePosition,
    /// Behind the GTIDs.
    Gtid,
}

/// What a stream is opened with.
#[allow(missing_docs)]
pub struct StreamRequest {
    pub server_identity: String,
    pub server_id: u32,
    pub flavor: Flavor,
    pub by: StartBy,
    pub position: BinlogPosition,
    pub zone: SessionZone,
    pub layouts: Layouts,
    pub catalog: SourceCatalog,
}

/// An open stream.
pub struct BinlogStream;

impl BinlogStream {
    /// Opens a stream.
    ///
    /// # Errors
    /// Always, in this build.
    pub async fn open(_connection: mysql_async::Conn, _request: StreamRequest) -> Result<Self> {
        Err(Error::bug("the change stream is not part of this build"))
    }
}

impl SourceStream for BinlogStream {
    async fn next(&mut self) -> Result<SourceEvent> {
        Err(Error::bug("the change stream is not part of this build"))
    }
}
