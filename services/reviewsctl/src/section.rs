//! A thing that was read, with where it was read, as text and as JSON.

use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// Something, and where it was read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Section<T: ToSchema> {
    pub(crate) read_from: &'static str,
    #[serde(flatten)]
    #[schema(inline)]
    pub(crate) read: Read<T>,
}

/// What was read, or why nothing was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Read<T: ToSchema> {
    Is(T),
    Away(String),
}

impl<T: ToSchema> Section<T> {
    pub(crate) fn new(read_from: &'static str, read: Result<T, String>) -> Self {
        Self { read_from, read: read.map_or_else(Read::Away, Read::Is) }
    }

    pub(crate) const fn away(&self) -> Option<&String> {
        match &self.read {
            Read::Is(_) => None,
            Read::Away(why) => Some(why),
        }
    }

    /// A line of its name and what it is, and one of where it was read, without a break after it.
    pub(crate) fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
    ) -> fmt::Result {
        write!(f, "{name:<12}")?;
        match &self.read {
            Read::Is(value) => show(f, value)?,
            Read::Away(why) => f.write_str(why)?,
        }
        write!(f, "\n{:<12}read from {}", "", self.read_from)
    }
}
