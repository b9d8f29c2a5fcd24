//! Whatever a client sends as trace context: only what is well-formed goes on.

use axum::http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use service::traceparent;

/// The rule by places: lower-case hexadecimal digits, dashes between the fields, ids that are not zero.
fn well_formed(bytes: &[u8]) -> bool {
    let dashes = [2, 35, 52];
    let digit = |at: usize| bytes[at].is_ascii_hexdigit() && !bytes[at].is_ascii_uppercase();
    bytes.len() == 55
        && (0..55).all(|at| if dashes.contains(&at) { bytes[at] == b'-' } else { digit(at) })
        && bytes[3..35].iter().any(|b| *b != b'0')
        && bytes[36..52].iter().any(|b| *b != b'0')
        && !bytes.starts_with(b"ff")
}

/// Something well-formed, zeros and forbidden versions among it, with some bytes replaced or none.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let text = "(00|ff|[0-9a-f]{2})-(0{32}|[0-9a-f]{32})-(0{16}|[0-9a-f]{16})-[0-9a-f]{2}";
    let byte = prop_oneof![Just(b'-'), Just(b'A'), Just(b'g'), any::<u8>()];
    (text, prop::collection::vec((0_usize..56, byte), 0..2)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            if at < bytes.len() { bytes[at] = byte } else { bytes.push(byte) }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn only_a_well_formed_traceparent_is_taken_and_as_it_is(
        bytes in prop_oneof![4 => nearly(), 1 => prop::collection::vec(any::<u8>(), 0..70)],
    ) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value);
            let taken = traceparent(&headers).map(str::as_bytes);
            prop_assert_eq!(taken, well_formed(&bytes).then_some(bytes.as_slice()));
        }
    }
}
