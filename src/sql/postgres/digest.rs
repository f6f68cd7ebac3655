//! MD5 (RFC 1321) and SHA-256 (FIPS 180-4) of a text or of bytes.

/// The message with its padding: a one bit, zeros, and the length in bits.
fn padded(bytes: &[u8], length: [u8; 8]) -> Vec<u8> {
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&length);
    message
}

fn bits(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).wrapping_mul(8)
}

/// The n-th word of a table; the tables here are as long as their indexes reach.
fn at(words: &[u32], index: usize) -> u32 {
    words.get(index).copied().unwrap_or(0)
}

/// The MD5 digest.
#[must_use]
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    const SHIFTS: [u32; 16] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
    // Sines of whole numbers: exact in a double after the cut to 32 bits, as RFC 1321 defines them.
    let sines: Vec<u32> = (1..=64).map(|number| (f64::from(number).sin().abs() * 4_294_967_296.0) as u32).collect();
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for chunk in padded(bytes, bits(bytes).to_le_bytes()).chunks(64) {
        let words: Vec<u32> =
            chunk.chunks(4).map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for round in 0..64 {
            let (mixed, word) = match round / 16 {
                0 => ((b & c) | (!b & d), round),
                1 => ((d & b) | (!d & c), (5 * round + 1) % 16),
                2 => (b ^ c ^ d, (3 * round + 5) % 16),
                _ => (c ^ (b | !d), (7 * round) % 16),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(at(&sines, round)).wrapping_add(at(&words, word));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(at(&SHIFTS, round / 16 * 4 + round % 4)));
        }
        let [first, second, third, fourth] = state;
        state = [first.wrapping_add(a), second.wrapping_add(b), third.wrapping_add(c), fourth.wrapping_add(d)];
    }
    let mut out = [0; 16];
    for (slot, byte) in out.iter_mut().zip(state.iter().flat_map(|word| word.to_le_bytes())) {
        *slot = byte;
    }
    out
}

/// The first 32 bits of the fraction of the root of each of the first primes.
fn root_fractions(count: usize, cube: bool) -> Vec<u32> {
    let is_prime =
        |number: &u64| (2..*number).take_while(|factor| factor * factor <= *number).all(|factor| !number.is_multiple_of(factor));
    let fraction = |prime: u64| {
        // The largest whole number whose power is not above prime * 2^64 (or 2^96): its low 32 bits are the fraction.
        let (mut low, mut high) = (0_u128, 1_u128 << 40);
        while low + 1 < high {
            let middle = (low + high) / 2;
            let fits = if cube {
                middle * middle * middle <= u128::from(prime) << 96
            } else {
                middle * middle <= u128::from(prime) << 64
            };
            if fits { low = middle } else { high = middle }
        }
        low as u32
    };
    (2_u64..).filter(is_prime).take(count).map(fraction).collect()
}

/// The SHA-256 digest.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let constants = root_fractions(64, true);
    let mut state = root_fractions(8, false);
    for chunk in padded(bytes, bits(bytes).to_be_bytes()).chunks(64) {
        let mut words: Vec<u32> =
            chunk.chunks(4).map(|word| word.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))).collect();
        for index in 16..64 {
            let (early, late) = (at(&words, index - 15), at(&words, index - 2));
            let first = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
            let second = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
            words.push(at(&words, index - 16).wrapping_add(first).wrapping_add(at(&words, index - 7)).wrapping_add(second));
        }
        let mut turning = state.clone();
        for index in 0..64 {
            let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(|index| at(&turning, index));
            let big = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let chosen = (e & f) ^ (!e & g);
            let first =
                h.wrapping_add(big).wrapping_add(chosen).wrapping_add(at(&constants, index)).wrapping_add(at(&words, index));
            let small = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let second = small.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            turning = vec![first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g];
        }
        state = state.iter().zip(&turning).map(|(before, after)| before.wrapping_add(*after)).collect();
    }
    let mut out = [0; 32];
    for (slot, byte) in out.iter_mut().zip(state.iter().flat_map(|word| word.to_be_bytes())) {
        *slot = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::output::hex;
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        assert_eq!(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&md5(b"message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(hex(&md5("12345678901234567890".repeat(4).as_bytes())), "57edf4a22be3c955ac49da2e2107b67a");
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex(&sha256(b"")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
