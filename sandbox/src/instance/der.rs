//! DER, and BER where AWS writes it: just what certificates and signed identity documents are made of.
//!
//! Written by hand because the crates of this field write DER only, and what is needed is the
//! indefinite lengths of AWS's messages (X.690, 8.1.3.6).

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xA0;
/// `[1]`, constructed.
pub(super) const CONTEXT_1: u8 = 0xA1;
/// An octet string made of octet strings.
pub(super) const OCTET_STRINGS: u8 = 0x24;

/// An element of known length.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short @ 0..=0x7F) => out.push(short),
        Ok(_) | Err(_) => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let count =
                u8::try_from(bytes.len() - zeros).expect("a length has eight bytes at most");
            out.push(0x80 | count);
            out.extend_from_slice(&bytes[zeros..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An element whose end is marked instead.
pub(super) fn open_ended(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, 0x80];
    out.extend_from_slice(content);
    out.extend_from_slice(&[0, 0]);
    out
}

/// Elements one after another.
pub(super) fn joined<const N: usize>(parts: [Vec<u8>; N]) -> Vec<u8> {
    parts.concat()
}

/// A sequence of elements.
pub(super) fn sequence<const N: usize>(parts: [Vec<u8>; N]) -> Vec<u8> {
    element(SEQUENCE, &joined(parts))
}

/// An object identifier of numbers below 2^28.
pub(super) fn oid(numbers: &[u32]) -> Vec<u8> {
    let mut content = Vec::new();
    let (first, rest) = match numbers {
        [first, second, rest @ ..] => (first * 40 + second, rest),
        _ => (0, numbers),
    };
    for number in std::iter::once(&first).chain(rest) {
        for shift in [21_u32, 14, 7, 0] {
            let digit = u8::try_from((number >> shift) & 0x7F).expect("seven bits");
            let is_leading_zero = shift > 0 && number >> shift == 0;
            if !is_leading_zero {
                content.push(if shift > 0 { digit | 0x80 } else { digit });
            }
        }
    }
    element(OBJECT_IDENTIFIER, &content)
}

/// A positive integer from its bytes, most significant first.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut content = vec![0; usize::from(bytes.first().is_some_and(|first| *first >= 0x80))];
    content.extend_from_slice(bytes);
    element(INTEGER, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_lengths_are_those_of_real_messages() {
        // As in AWS's own messages: signedData, sha256.
        let signed_data = [0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
        assert_eq!(oid(&[1, 2, 840, 113_549, 1, 7, 2]), signed_data);
        let sha256 = [0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
        assert_eq!(oid(&[2, 16, 840, 1, 101, 3, 4, 2, 1]), sha256);
        assert_eq!(element(4, &[7; 3])[..2], [4, 3]);
        assert_eq!(element(4, &[7; 150])[..3], [4, 0x81, 150]);
        assert_eq!(element(4, &[7; 484])[..4], [4, 0x82, 1, 228]);
        assert_eq!(unsigned(&[0xBD, 1]), [2, 3, 0, 0xBD, 1]);
    }
}
