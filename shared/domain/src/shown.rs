//! What somebody gave, shown to people.

use std::borrow::Cow;

/// Longest text that is shown whole.
const SHOWN_CHARS_MAX: usize = 40;

/// A text as far as it is short.
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let forty = "é".repeat(40);
        assert_eq!(shortened(&forty), forty);
        assert_eq!(shortened(&format!("{forty}e")), format!("{forty}…"));
    }
}
