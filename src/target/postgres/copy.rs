//! COPY in binary form: rows are encoded into buffers of bounded size while the server takes the ones before.

use std::borrow::Borrow;
use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::connect::{Connection, Writes};
use super::encode::field;
use crate::error::{Error, Result};
use crate::schema::TargetTable;
use crate::target::transaction::expect_width;
use crate::value::Value;

/// Bytes of one message.
const BUFFER_BYTES: usize = 256 << 10;
/// Signature, flags and the length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Copies `rows`, whose columns are those of `table`, with the statement `copy_text`.
///
/// # Errors
/// A value that does not fit aborts the COPY; so does whatever the server refuses. The transaction is broken then.
pub(super) async fn rows<V: Borrow<Value>>(
    connection: &mut Connection<Writes>,
    copy_text: &str,
    table: &TargetTable,
    rows: &[impl AsRef<[V]>],
    attempt: &str,
) -> Result<()> {
    let statement = connection.statement(copy_text, attempt).await?;
    let mut sink = pin!(connection.answer(connection.client.copy_in::<_, Bytes>(&statement), attempt).await?);
    let mut buffer = HEADER.to_vec();
    for row in rows {
        encode_row(table, row.as_ref(), &mut buffer)?;
        if buffer.len() >= BUFFER_BYTES {
            let full = std::mem::replace(&mut buffer, Vec::with_capacity(BUFFER_BYTES + 4_096));
            // When the server has stopped reading, the reason comes with the answer to the end of the COPY.
            if connection.answer(sink.send(Bytes::from(full)), attempt).await.is_err() {
                break;
            }
        }
    }
    buffer.extend_from_slice(&(-1_i16).to_be_bytes());
    let _ = connection.answer(sink.send(Bytes::from(buffer)), attempt).await;
    let copied = connection.answer(sink.finish(), attempt).await?;
    if usize::try_from(copied) == Ok(rows.len()) {
        Ok(())
    } else {
        Err(Error::bug(format!("{attempt}: {} rows were sent, the server counts {copied}", rows.len())))
    }
}

fn encode_row<V: Borrow<Value>>(table: &TargetTable, row: &[V], buffer: &mut Vec<u8>) -> Result<()> {
    expect_width(table, row.len(), table.columns.len())?;
    let count = i16::try_from(row.len()).map_err(|_| Error::bug(format!("table {} has too many columns", table.name)))?;
    buffer.extend_from_slice(&count.to_be_bytes());
    for (column, value) in table.columns.iter().zip(row) {
        field(table, column, value.borrow(), buffer)?;
    }
    Ok(())
}
