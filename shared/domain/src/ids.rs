//! Numbers with a meaning. Each is made once, at the edge where it comes in.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Number of parts the log and every table are divided into. Fixed for ever: it is in the data.
pub const PARTS: u8 = 64;

/// Highest id: the largest integer that every JSON reader keeps exact (2^53 - 1).
pub const ID_MAX: i64 = (1 << 53) - 1;

/// Not a whole number from 1 to 2^53 - 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a whole number from 1 to 9007199254740991")]
pub struct IdInvalid(pub String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The id as databases and messages carry it.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdInvalid;

            fn try_from(value: i64) -> Result<Self, IdInvalid> {
                if (1..=ID_MAX).contains(&value) { Ok(Self(value)) } else { Err(IdInvalid(value.to_string())) }
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = IdInvalid;

            /// Decimal digits only, blanks around them ignored.
            fn from_str(text: &str) -> Result<Self, IdInvalid> {
                let digits = text.trim();
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let number = if plain { digits.parse::<i64>().ok() } else { None };
                number.and_then(|n| Self::try_from(n).ok()).ok_or_else(|| IdInvalid(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A product of the shop, which gives the number.
    ProductId
}
id! {
    /// A review, unique over all products.
    ReviewId
}
id! {
    /// One characteristic of one product.
    CharacteristicId
}
id! {
    /// A photo of a review.
    PhotoId
}

impl ProductId {
    /// The part of the log that this product's events are in.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a remainder from 0 to 63")]
    pub const fn part(self) -> Part {
        Part((self.0 % PARTS as i64) as u8)
    }
}

/// Which of the [`PARTS`] parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i16", into = "i16")]
pub struct Part(u8);

impl Part {
    /// The part as databases carry it (`smallint`).
    pub const fn get(self) -> i16 {
        self.0 as i16
    }

    /// The part as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl TryFrom<i16> for Part {
    type Error = IdInvalid;

    fn try_from(value: i16) -> Result<Self, IdInvalid> {
        u8::try_from(value).ok().filter(|p| *p < PARTS).map(Part).ok_or_else(|| IdInvalid(value.to_string()))
    }
}

impl From<Part> for i16 {
    fn from(part: Part) -> i16 {
        part.get()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All parts, ascending: the order in which their rows are locked.
pub fn log_parts() -> impl Iterator<Item = Part> {
    (0..PARTS).map(Part)
}

/// How many commands a product has accepted; the first event of a product makes it 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

/// Place of an event in its part of the log: 1, 2, 3, ... without a hole; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub i64);

impl Position {
    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Number of a sign of life of whoever gives positions; only comparable within one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Beat(pub i64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of an event, the same in the outbox, the log, a message and a checkpoint.
pub type EventId = Uuid;

/// Which log a position belongs to; another after a restore.
pub type Epoch = Uuid;

/// Stars, 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Rating(u8);

impl Rating {
    /// The stars as databases carry them (`smallint`).
    pub const fn get(self) -> i16 {
        self.0 as i16
    }

    /// 0 for one star to 4 for five.
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl TryFrom<i64> for Rating {
    type Error = IdInvalid;

    fn try_from(value: i64) -> Result<Self, IdInvalid> {
        match u8::try_from(value) {
            Ok(stars @ 1..=5) => Ok(Self(stars)),
            _ => Err(IdInvalid(value.to_string())),
        }
    }
}

impl From<Rating> for i64 {
    fn from(rating: Rating) -> i64 {
        i64::from(rating.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_numbers_that_json_keeps_exact() {
        for good in ["1", " 7 ", "007", "9007199254740991"] {
            assert!(good.parse::<ProductId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "0",
            "-1",
            "+1",
            "5.55",
            "5.0",
            "abc",
            "1e3",
            "9007199254740992",
            "99999999999999999999",
            "٣",
        ] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_part_is_the_remainder_by_64() {
        let part = |id: i64| ProductId::try_from(id).unwrap().part().get();
        assert_eq!([part(1), part(63), part(64), part(ID_MAX)], [1, 63, 0, 63]);
        assert!(Part::try_from(64).is_err() && Part::try_from(-1).is_err());
    }
}
