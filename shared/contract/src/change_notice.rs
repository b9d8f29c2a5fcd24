//! Notices of changes: which products moved, in which store, and how far. A hint that may be lost,
//! repeated or late; the stores themselves say what is so.

use domain::{ProductId, Version};
use serde::{Deserialize, Serialize};

/// A database that answers readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Reviews.
    Primary,
    /// Finished metas.
    Meta,
}

/// Products that moved in a store, each with the version that it has reached there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNotice {
    /// The store.
    pub store: Store,
    /// Product and version.
    pub changes: Vec<(ProductId, Version)>,
}

impl ChangeNotice {
    /// The notice as the body of a message.
    ///
    /// # Errors
    /// Never in practice: there is nothing in it that JSON cannot say.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads the body of a message. Unknown fields are passed over.
    ///
    /// # Errors
    /// When it is not a notice.
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../golden/change_notice.json");

    #[test]
    fn writes_and_reads_the_golden_notice() {
        let product = |id: i64| ProductId::try_from(id).unwrap();
        let notice = ChangeNotice {
            store: Store::Primary,
            changes: vec![(product(5), Version(12)), (product(9_007_199_254_740_991), Version(1))],
        };
        assert_eq!(String::from_utf8(notice.write().unwrap()).unwrap(), GOLDEN.trim_end());
        assert_eq!(ChangeNotice::read(GOLDEN.as_bytes()).unwrap(), notice);
    }

    #[test]
    fn passes_over_what_it_does_not_know_and_refuses_what_is_no_notice() {
        let later = GOLDEN.replacen("{", "{\"later\":[1],", 1);
        assert!(ChangeNotice::read(later.as_bytes()).is_ok());
        for body in
            ["", "{}", "[]", r#"{"store":"other","changes":[]}"#, r#"{"store":"meta","changes":[[0,1]]}"#]
        {
            assert!(ChangeNotice::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
