//! How numbers are said to people.

use std::fmt::Display;

/// So many of something: `1 product`, `2 products`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, of: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(
            [counted(0_u64, "event"), counted(1_i64, "event"), counted(2_usize, "event")],
            ["0 events", "1 event", "2 events"]
        );
    }
}
