//! Cursors: where the next page of a list begins, signed so that only what a service gave out is
//! taken back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ProductId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Version of the cursor's form; another one is refused.
const FORM: u8 = 1;
/// Bytes of a cursor before its signature.
const PLAIN_BYTES: usize = 3 + 5 * 8;
/// Bytes of the signature: HMAC-SHA256, cut to 128 bits.
const SIGNATURE_BYTES: usize = 16;

/// Where a page begins, and of what list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The product.
    pub product_id: ProductId,
    /// The order, as whoever made the cursor numbers it.
    pub sort: u8,
    /// Bit n stands for n + 1 stars; none for all.
    pub ratings: u8,
    /// Rows before the page, when the cursor was made.
    pub offset: i64,
    /// The row before the page: what its order looks at first.
    pub rank: i32,
    /// Its date, in microseconds since 1970.
    pub date_us: i64,
    /// Its id.
    pub review_id: i64,
}

/// A text that no service gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorInvalid;

/// What cursors are signed with.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl std::fmt::Debug for CursorKey {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

impl CursorKey {
    /// A key of 32 bytes.
    pub fn new(key: [u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        CursorKey(Hmac::new(&block.into()))
    }

    /// The cursor as a text of letters, digits, `-` and `_`.
    pub fn write(&self, cursor: &Cursor) -> String {
        let mut bytes = Vec::with_capacity(PLAIN_BYTES + SIGNATURE_BYTES);
        bytes.extend([FORM, cursor.sort, cursor.ratings]);
        let Cursor { offset, date_us, review_id, .. } = *cursor;
        for number in [cursor.product_id.get(), offset, cursor.rank.into(), date_us, review_id] {
            bytes.extend(number.to_be_bytes());
        }
        let signature = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(&signature[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor that [`write`](Self::write) wrote with the same key.
    ///
    /// # Errors
    /// [`CursorInvalid`] for everything else.
    pub fn read(&self, text: &str) -> Result<Cursor, CursorInvalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorInvalid)?;
        let (plain, signature) = bytes.split_at_checked(PLAIN_BYTES).ok_or(CursorInvalid)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(CursorInvalid);
        }
        let mac = self.0.clone().chain_update(plain);
        mac.verify_truncated_left(signature).map_err(|_| CursorInvalid)?;
        let ([FORM, sort, ratings], numbers) = plain.split_first_chunk().ok_or(CursorInvalid)? else {
            return Err(CursorInvalid);
        };
        let mut numbers = numbers.as_chunks().0.iter().map(|bytes| i64::from_be_bytes(*bytes));
        let mut next = || numbers.next().ok_or(CursorInvalid);
        Ok(Cursor {
            sort: *sort,
            ratings: *ratings,
            product_id: next()?.try_into().map_err(|_| CursorInvalid)?,
            offset: next()?,
            rank: next()?.try_into().map_err(|_| CursorInvalid)?,
            date_us: next()?,
            review_id: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursors() -> impl Strategy<Value = Cursor> {
        let product = (1..=domain::ID_MAX).prop_map(|id| ProductId::try_from(id).unwrap());
        (product, any::<(u8, u8, i64, i32, i64, i64)>()).prop_map(
            |(product_id, (sort, ratings, offset, rank, date_us, review_id))| Cursor {
                product_id,
                sort,
                ratings,
                offset,
                rank,
                date_us,
                review_id,
            },
        )
    }

    proptest! {
        #[test]
        fn every_cursor_is_read_back(key: [u8; 32], cursor in cursors()) {
            let key = CursorKey::new(key);
            prop_assert_eq!(key.read(&key.write(&cursor)), Ok(cursor));
        }

        #[test]
        fn another_key_reads_nothing(cursor in cursors()) {
            let text = CursorKey::new([1; 32]).write(&cursor);
            prop_assert_eq!(CursorKey::new([2; 32]).read(&text), Err(CursorInvalid));
        }

        #[test]
        fn one_changed_character_is_enough(cursor in cursors(), at in 0_usize..79, with in "[A-Za-z0-9_-]") {
            let key = CursorKey::new([1; 32]);
            let mut text = key.write(&cursor);
            prop_assume!(text[at..=at] != with);
            text.replace_range(at..=at, &with);
            prop_assert_eq!(key.read(&text), Err(CursorInvalid));
        }

        #[test]
        fn no_text_is_read_by_chance(text in "\\PC{0,100}") {
            prop_assert_eq!(CursorKey::new([1; 32]).read(&text), Err(CursorInvalid));
        }
    }
}
