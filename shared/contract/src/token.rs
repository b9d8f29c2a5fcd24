//! `Consistency-Token`: how far a product was when a command was accepted.

use domain::{Epoch, ProductId, Version};
use std::fmt;
use std::str::FromStr;

/// `EPOCH.PRODUCT.VERSION`: a read that brings it back is answered no older than this version of
/// this product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsistencyToken {
    /// The log that the version belongs to.
    pub epoch: Epoch,
    /// The product.
    pub product_id: ProductId,
    /// Its version.
    pub version: Version,
}

/// A text that no command was ever answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct TokenInvalid;

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.epoch.as_simple(), self.product_id, self.version)
    }
}

impl FromStr for ConsistencyToken {
    type Err = TokenInvalid;

    /// Exactly what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, TokenInvalid> {
        let mut fields = text.split('.');
        let (Some(epoch), Some(product), Some(version), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(TokenInvalid);
        };
        let token = ConsistencyToken {
            epoch: Epoch::try_parse(epoch).map_err(|_| TokenInvalid)?,
            product_id: product.parse().map_err(|_| TokenInvalid)?,
            version: Version(version.parse().map_err(|_| TokenInvalid)?),
        };
        if token.version.0 >= 1 && token.to_string() == text { Ok(token) } else { Err(TokenInvalid) }
    }
}

/// Reads the tokens of a header, separated by commas.
///
/// # Errors
/// When one of them is none.
pub fn read_tokens(header: &str) -> Result<Vec<ConsistencyToken>, TokenInvalid> {
    header.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_token_is_read_back(epoch: u128, product in 1..=domain::ID_MAX, version in 1..=i64::MAX) {
            let token = ConsistencyToken {
                epoch: Epoch::from_u128(epoch),
                product_id: product.try_into().unwrap(),
                version: Version(version),
            };
            prop_assert_eq!(read_tokens(&format!(" {token} ,{token},")), Ok(vec![token, token]));
        }

        #[test]
        fn nothing_else_is_read(text in "\\PC{0,60}") {
            if let Ok(token) = text.parse::<ConsistencyToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }

        #[test]
        fn a_token_with_one_character_more_or_less_is_none(at in 0_usize..36, extra in "[0-9a-f.+ -]") {
            let token = ConsistencyToken {
                epoch: Epoch::from_u128(7),
                product_id: 66.try_into().unwrap(),
                version: Version(3),
            }
            .to_string();
            let mut longer = token.clone();
            longer.insert_str(at, &extra);
            if let Ok(other) = longer.parse::<ConsistencyToken>() {
                prop_assert_eq!(other.to_string(), longer);
            }
            let mut shorter = token;
            shorter.remove(at);
            prop_assert!(shorter.parse::<ConsistencyToken>().is_err() || at > 32);
        }
    }

    #[test]
    fn a_header_without_a_token_constrains_nothing() {
        assert_eq!(read_tokens(" , "), Ok(Vec::new()));
        for bad in
            ["x", "0.5.1", "00000000000000000000000000000007.0.1", "00000000000000000000000000000007.5.0"]
        {
            assert_eq!(read_tokens(bad), Err(TokenInvalid), "{bad}");
        }
    }
}
