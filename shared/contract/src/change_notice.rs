//! Notices of changes: which products moved, in which store, and how far. A hint that may be lost,
//! repeated or late; the stores themselves say what is so.

use domain::{ProductId, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A database that answers readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Reviews.
    Primary,
    /// Finished metas.
    Meta,
}

impl Store {
    /// Both.
    pub const ALL: [Store; 2] = [Store::Primary, Store::Meta];
}

/// Products that moved in a store, each with the version that it has reached there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNotice {
    /// The store.
    pub store: Store,
    /// Product and version; none in a notice that only shows that its announcer is there.
    pub changes: Vec<(ProductId, Version)>,
    /// Those of them that stand still in the generation that answers: the store is past the version, and readers show the
    /// product as it was before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standing_still: Vec<ProductId>,
    /// Which of an announcer's notices it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// A notice's place among those of its announcer, so that a receiver sees when one was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The announcer: another with each of its connections.
    pub announcer: Uuid,
    /// The notice's number, from 1, without gaps; a gap says that changes were not announced.
    pub number: u64,
    /// Whether somebody waits to hear that readers have taken it in: then they send a [`Receipt`].
    #[serde(default)]
    pub receipt: bool,
}

/// What a reader has taken in: of what it had kept, nothing is older than these notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The reader: another with each of its connections.
    pub reader: Uuid,
    /// Announcers, each with the number of the last of its notices.
    pub taken_in: Vec<(Uuid, u64)>,
    /// Whether it is its last: the reader stops, and answers nothing from memory any more.
    #[serde(default)]
    pub leaves: bool,
}

impl Receipt {
    /// The receipt as the body of a message.
    ///
    /// # Errors
    /// Never in practice: there is nothing in it that JSON cannot say.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads the body of a message. Unknown fields are passed over.
    ///
    /// # Errors
    /// When it is not a receipt.
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

impl ChangeNotice {
    /// Says that products have reached versions.
    pub const fn of(store: Store, changes: Vec<(ProductId, Version)>) -> Self {
        ChangeNotice { store, changes, standing_still: Vec::new(), origin: None }
    }

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

    const GOLDEN_RECEIPT: &str = include_str!("../golden/receipt.json");
    const GOLDEN: &str = include_str!("../golden/change_notice.json");

    #[test]
    fn writes_and_reads_the_golden_notice() {
        let product = |id: i64| ProductId::try_from(id).unwrap();
        let notice = ChangeNotice {
            store: Store::Meta,
            changes: vec![(product(5), Version(12)), (product(9_007_199_254_740_991), Version(1))],
            standing_still: vec![product(5)],
            origin: Some(Origin { announcer: Uuid::from_u128(7), number: 3, receipt: true }),
        };
        assert_eq!(String::from_utf8(notice.write().unwrap()).unwrap(), GOLDEN.trim_end());
        assert_eq!(ChangeNotice::read(GOLDEN.as_bytes()).unwrap(), notice);
    }

    #[test]
    fn writes_and_reads_the_golden_receipt() {
        let receipt =
            Receipt { reader: Uuid::from_u128(9), taken_in: vec![(Uuid::from_u128(7), 3)], leaves: false };
        assert_eq!(String::from_utf8(receipt.write().unwrap()).unwrap(), GOLDEN_RECEIPT.trim_end());
        assert_eq!(Receipt::read(GOLDEN_RECEIPT.as_bytes()).unwrap(), receipt);
    }

    #[test]
    fn reads_a_notice_without_an_origin() {
        let notice = ChangeNotice::read(br#"{"store":"meta","changes":[[5,12]]}"#).unwrap();
        assert_eq!((notice.changes.len(), notice.standing_still.len(), notice.origin), (1, 0, None));
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
