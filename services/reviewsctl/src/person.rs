//! What `erase` and `export` share: a person's address, their reviews, and who runs the command.

use crate::config::Config;
use crate::fault::Fault;
use crate::status::cause;
use crate::store::Store;
use anyhow::{Error, bail};
use domain::ReviewId;
use indicatif::ProgressBar;
use primary::{Audit, AuditAction, operations_pool, record_audit, reviews_of};
use sqlx::{ConnectOptions as _, PgPool};
use std::fmt::{self, Display};
use std::os::unix::fs::MetadataExt as _;
use std::str::FromStr;

/// An e-mail address that is asked for. It is shown nowhere but where it was asked for.
#[derive(Clone)]
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        // Erased reviews have an empty address.
        match text.trim() {
            "" => bail!("it is blank: give the address that the reviews came with"),
            address => Ok(Self(address.to_owned())),
        }
    }
}

/// The primary, for an operation of people.
pub(crate) struct Primary {
    pub(crate) pool: PgPool,
    store: Store,
    /// Said in the audit behind who runs this process.
    way: &'static str,
}

impl Primary {
    /// For a command on a terminal.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        Self::by_way_of("", config)
    }

    /// For whoever asks in another way, which the audit names.
    pub(crate) fn by_way_of(way: &'static str, config: &Config) -> anyhow::Result<Self> {
        let options = config.primary()?;
        let store = Store::primary(&options);
        // Looking through all reviews may be slow, which is no news.
        Ok(Self { pool: operations_pool(options.disable_statement_logging()), store, way })
    }

    /// The reviews that came with an address; the bar shows how many were looked through.
    pub(crate) async fn reviews_of(
        &self,
        email: &Address,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<ReviewId>> {
        let found = reviews_of(&self.pool, email.as_str(), |reviews| bar.inc(reviews)).await;
        bar.finish_and_clear();
        match found {
            Ok(found) => Ok(found),
            Err(error) => Err(self.failed(error, "cannot look through the reviews").await),
        }
    }

    /// Writes down what is about to be done.
    pub(crate) async fn record(
        &self,
        action: AuditAction,
        reviews: &[ReviewId],
        email: Option<&Address>,
    ) -> anyhow::Result<()> {
        let os_user = format!("{}{}", os_user(), self.way);
        let audit = Audit { action, reviews, email: email.map(Address::as_str), os_user: &os_user };
        match record_audit(&self.pool, audit).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error, "cannot write down in audit what is done").await),
        }
    }

    /// What an error means here.
    pub(crate) async fn failed(&self, error: sqlx::Error, what: impl Display) -> Error {
        let code = error.as_database_error().and_then(|error| error.code());
        // Lock not available, or a statement past its limit.
        if matches!(code.as_deref(), Some("55P03" | "57014")) {
            return Error::new(Fault::Away(format!(
                "{what}: the primary database was too busy; run the same command again"
            )));
        }
        self.store.failed(&cause(&self.pool, error).await)
    }
}

/// Name of the user that this process runs as, by the operating system: the environment may say anything.
fn os_user() -> String {
    let Ok(process) = std::fs::metadata("/proc/self") else { return "unknown".to_owned() };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = process.uid();
    user_name(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

/// The name of a user in the lines of `/etc/passwd`.
fn user_name(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_shown_to_nobody() {
        let address: Address = " Ada@example.com\n".parse().unwrap();
        assert_eq!(address.as_str(), "Ada@example.com");
        assert_eq!(format!("{address:?}"), "Address(..)");
        assert!(" \t".parse::<Address>().is_err());
    }

    #[test]
    fn users_are_named_by_their_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbad\nada:x:1000:100::/home/ada:/bin/sh\n";
        assert_eq!(user_name(users, 1000), Some("ada"));
        assert_eq!(user_name(users, 100), None);
    }
}
