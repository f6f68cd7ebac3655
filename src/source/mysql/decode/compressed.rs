//! The three ways in which servers compress the log: MariaDB's zlib inside rows and query events, MySQL's zstd around a whole
//! transaction. Never inflates beyond a bound that the caller gives, whatever the bytes claim.

use std::io::Read;

use super::event::RawEvent;
use super::reader::{Reader, malformed};
use crate::error::{Class, Error, Result};

/// Inflates what MariaDB's `log_bin_compress` wrote: `0x80 | algorithm << 4 | n`, `n` bytes of length most significant first, zlib.
///
/// # Errors
/// The algorithm is unknown, the length is above `bytes_max`, or the stream does not inflate to exactly that length.
pub fn inflate(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let head = reader.u8()?;
    if head & 0xf8 != 0x80 {
        return Err(malformed("it is compressed by an unknown algorithm"));
    }
    let length = usize::try_from(reader.big(usize::from(head & 7))?).map_err(|_| malformed("its length is out of range"))?;
    bounded(flate2::read::ZlibDecoder::new(reader.rest()), length, bytes_max)
}

/// The events inside a TRANSACTION_PAYLOAD body, one after the other, as raw bytes for [`events`].
///
/// # Errors
/// The body is malformed, its compression unknown, or its size above `bytes_max` or not as declared.
pub fn payload(body: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut reader = Reader::new(body);
    let (mut size, mut algorithm, mut length) = (None, 255, None);
    loop {
        let field = reader.packed()?;
        if field == 0 {
            break;
        }
        let mut value = Reader::new(reader.packed_bytes()?);
        match field {
            1 => size = Some(value.packed_length()?),
            2 => algorithm = value.packed()?,
            3 => length = Some(value.packed_length()?),
            _ => {}
        }
    }
    let packed = match size {
        Some(size) => reader.bytes(size)?,
        None => reader.rest(),
    };
    match algorithm {
        0 => {
            let length = length.ok_or_else(|| malformed("a transaction payload does not say its size"))?;
            let decoder = zstd::stream::read::Decoder::new(packed)
                .map_err(|cause| malformed("a transaction payload is no zstd").because(cause))?;
            bounded(decoder, length, bytes_max)
        }
        255 => Ok(packed.to_vec()),
        other => Err(malformed(&format!("a transaction payload is compressed by the unknown algorithm {other}"))),
    }
}

/// Walks the events of an inflated payload.
pub fn events(payload: &[u8]) -> impl Iterator<Item = Result<RawEvent<'_>>> {
    let mut reader = Reader::new(payload);
    std::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let event = RawEvent::read(&mut reader);
        if event.is_err() {
            reader = Reader::new(&[]);
        }
        Some(event)
    })
}

fn bounded(stream: impl Read, length: usize, bytes_max: usize) -> Result<Vec<u8>> {
    if length > bytes_max {
        return Err(Error::new(Class::Person, format!("an event inflates to {length} bytes, above the bound of {bytes_max}"))
            .with_hint("raise `transaction_bytes_max`"));
    }
    let mut out = Vec::with_capacity(length);
    let limit = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1);
    stream.take(limit).read_to_end(&mut out).map_err(|cause| malformed("its compressed part is broken").because(cause))?;
    if out.len() == length { Ok(out) } else { Err(malformed("it does not inflate to its declared size")) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn f22_inflates_and_keeps_its_bound() {
        let mut encoder = flate2::write::ZlibEncoder::new(vec![0x81, 200], flate2::Compression::fast());
        encoder.write_all(&[7; 200]).unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(inflate(&bytes, 200).unwrap(), [7; 200]);
        assert!(inflate(&bytes, 199).unwrap_err().message().contains("bound"));
        assert!(inflate(&bytes[..bytes.len() - 8], 200).is_err());
        assert!(inflate(&[0x91, 1, 0], 200).is_err());
    }

    #[test]
    fn f21_a_broken_payload_is_an_error_not_an_empty_transaction() {
        let mut body = vec![2, 1, 0, 3, 1, 10, 1, 1, 4, 0];
        body.extend([1, 2, 3, 4]);
        assert!(payload(&body, 1000).is_err());
    }
}
