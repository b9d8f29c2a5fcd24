//! Whether the generation that answers is of the fold that this program has.

use crate::active_generation;
use domain::PROJECTION_VERSION;
use sqlx::PgPool;

/// Looks at the version of the fold that the generation which answers is of, and remembers what was said of it.
#[derive(Debug, Default)]
pub struct VersionWatch {
    said: Option<(i32, i32)>,
}

impl VersionWatch {
    /// What is to be said now: once of each generation that is not of this program's version.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn look(&mut self, pool: &PgPool) -> Result<Option<String>, sqlx::Error> {
        let active = active_generation(pool).await?;
        if active == self.said {
            return Ok(None);
        }
        self.said = active;
        Ok(active.and_then(|(generation, version)| notice(generation, version)))
    }
}

fn notice(generation: i32, version: i32) -> Option<String> {
    let of = format!(
        "meta's generation {generation} was made by projection version {version}, this program has {PROJECTION_VERSION}"
    );
    if version < PROJECTION_VERSION {
        Some(format!("{of}: `reviewsctl replay` makes it anew"))
    } else if version > PROJECTION_VERSION {
        Some(format!("{of}: this program is the older one, and is to be replaced"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_and_newer_are_said_and_the_same_is_not() {
        assert_eq!(notice(7, PROJECTION_VERSION), None);
        assert!(
            notice(7, PROJECTION_VERSION - 1)
                .is_some_and(|said| said.ends_with("`reviewsctl replay` makes it anew"))
        );
        assert!(notice(7, PROJECTION_VERSION + 1).is_some_and(|said| said.ends_with("is to be replaced")));
    }
}
