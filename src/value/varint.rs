//! Whole numbers of any size in few bytes, and the careful reading of what they frame.
//!
//! In: numbers and blocks. Out: bytes, one form per number only, so that encodings built from them are canonical. A
//! [`Reader`] answers `None` for anything that the writers here cannot have written; it never panics and never reserves
//! memory for a length it has not seen.

/// Appends `number`, seven bits per byte, lowest first.
pub(super) fn push_varint(number: u128, out: &mut Vec<u8>) {
    // Arithmetic of 128 bits is slow, and seldom needed.
    let Ok(mut number) = u64::try_from(number) else { return push_long_varint(number, out) };
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_long_varint(mut number: u128, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers of either sign become small unsigned numbers.
pub(super) fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

/// Undoes [`zigzag`].
pub(super) fn unzigzag(number: u128) -> i128 {
    ((number >> 1) as i128) ^ -((number & 1) as i128)
}

/// What is left to read; every method takes from the front and answers `None` where the bytes are not an encoding.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything is read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// A length or count.
    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    /// A length and that many bytes.
    pub(super) fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        let (block, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(block)
    }

    /// A fixed number of bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// A varint in its shortest form; a longer form of the same number is damage.
    pub(super) fn varint(&mut self) -> Option<u128> {
        // Most are small, and arithmetic of 128 bits is slow.
        let (first, rest) = self.rest.split_first()?;
        if *first < 0x80 {
            self.rest = rest;
            return Some(u128::from(*first));
        }
        let mut short = 0_u64;
        for (place, byte) in self.rest.iter().take(8).enumerate() {
            short |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(place + 1..)?;
                return (*byte != 0).then_some(u128::from(short));
            }
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Option<u128> {
        let mut number = 0_u128;
        let mut shift = 0_u32;
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if shift > 126 || (shift == 126 && part > 3) || (shift > 0 && byte == 0) {
                return None;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }
}
