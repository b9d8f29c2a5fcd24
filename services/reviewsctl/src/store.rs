//! The stores by name, for messages that say which one, where it should be, and the mend.

use crate::fault::Fault;
use anyhow::Error;
use broker::{BrokerAddress, BrokerError};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use std::io;
use utoipa::ToSchema;

/// A store as a message names it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    name: &'static str,
    /// Its name for `cargo stack`.
    process: &'static str,
    /// The setting that holds its address.
    setting: &'static str,
    /// Host and port or a socket's folder, without a password.
    address: String,
}

/// Where a store was looked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Place {
    /// The setting that says so.
    pub(crate) setting: &'static str,
    /// Host and port or a socket's folder, and the database; without a password.
    pub(crate) address: String,
}

impl Store {
    pub(crate) fn primary(options: &PgConnectOptions) -> Self {
        let address = database_address(options);
        Self { name: "primary database", process: "primary", setting: "PRIMARY_URL", address }
    }

    pub(crate) fn meta(options: &PgConnectOptions) -> Self {
        let address = database_address(options);
        Self { name: "meta database", process: "meta", setting: "META_URL", address }
    }

    pub(crate) fn broker(address: &BrokerAddress) -> Self {
        let address = format!("{address:?}");
        Self { name: "broker", process: "rabbitmq", setting: "BROKER_URL", address }
    }

    /// Where it was looked for.
    pub(crate) fn place(&self) -> Place {
        Place { setting: self.setting, address: self.address.clone() }
    }

    /// What a database's error means here.
    pub(crate) fn failed(&self, error: &sqlx::Error) -> Error {
        if is_gone(error) {
            return Error::new(Fault::Away(self.away(&database_cause(error))));
        }
        let Self { name, setting, address, process } = self;
        let cause = database_cause(error);
        if is_refused(error) {
            let password = format!("{}_PASSWORD_FILE", process.to_uppercase());
            return Error::new(Fault::Away(format!(
                "the {name} does not let us in ({address}): {cause}; check the role in {setting}, and {password}"
            )));
        }
        Error::new(Fault::Away(format!(
            "the {name} cannot be used ({address}): {cause}; check {setting}, and that `reviewsctl migrate` has run"
        )))
    }

    /// The same, and what to do when the store is back.
    pub(crate) fn failed_then(&self, error: &sqlx::Error, then: &str) -> Error {
        if is_gone(error) {
            Error::new(Fault::Away(format!("{}{then}", self.away(&database_cause(error)))))
        } else {
            self.failed(error)
        }
    }

    /// What an error of the broker means here.
    pub(crate) fn broker_failed(&self, error: BrokerError) -> Error {
        let error = Error::from(error);
        let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
        let cause = io.map_or_else(|| error.root_cause().to_string(), io_cause);
        let away = self.away(&cause);
        Error::new(Fault::Away(format!("{away}; its queues are declared by the services when they run")))
    }

    /// An error of a longer work, or, when it came from losing the store, what that means.
    pub(crate) fn lost(&self, error: Error, then: &str) -> Error {
        match error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>()) {
            Some(lost) if is_gone(lost) => {
                Error::new(Fault::Away(format!("{}{then}", self.away(&database_cause(lost)))))
            }
            _ => error,
        }
    }

    fn away(&self, cause: &str) -> String {
        let Self { name, process, setting, address } = self;
        format!(
            "the {name} is away ({address}): {cause}; start it (`cargo stack start {process}`) or check {setting}"
        )
    }
}

/// Where a database is, with its name.
fn database_address(options: &PgConnectOptions) -> String {
    let server = match (options.get_socket(), options.get_host()) {
        (Some(folder), _) => folder.display().to_string(),
        (None, folder) if folder.starts_with('/') => folder.to_owned(),
        (None, host) => format!("{host}:{}", options.get_port()),
    };
    match options.get_database() {
        Some(database) => format!("{server}/{database}"),
        None => server,
    }
}

/// Whether there is no connection, or no longer one: something that waits for a lock is not gone.
fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Lost connections, and servers that stop, crashed or only start.
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| code.starts_with("08") || ["57P01", "57P02", "57P03"].contains(&&*code)),
        _ => false,
    }
}

/// Whether the server does not take the role or its password.
fn is_refused(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("28"))
}

fn database_cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => io_cause(error),
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no connection could be made in time".to_owned(),
        error => error.to_string(),
    }
}

fn io_cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn refused() -> sqlx::Error {
        sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into())
    }

    #[test]
    fn a_store_that_is_away_is_named_with_its_address_and_the_mend() {
        let options = PgConnectOptions::new_without_pgpass().host("10.0.0.7").port(5444).password("secret");
        assert_eq!(
            Store::primary(&options).failed(&refused()).to_string(),
            "the primary database is away (10.0.0.7:5444): connection refused; \
             start it (`cargo stack start primary`) or check PRIMARY_URL"
        );
        let options: PgConnectOptions = "postgres://a@localhost:5433/meta?host=/run/meta".parse().unwrap();
        let said = Store::meta(&options).failed(&sqlx::Error::PoolTimedOut).to_string();
        assert!(said.starts_with("the meta database is away (/run/meta/meta): "), "{said}");
    }

    #[test]
    fn only_a_lost_store_hides_what_was_under_way() {
        let store = Store::primary(&PgConnectOptions::new_without_pgpass().host("h").port(1));
        let lost = Err::<(), _>(refused()).context("cannot append").unwrap_err();
        let said = store.lost(lost, ", then again").to_string();
        assert!(said.starts_with("the primary database is away (h:1): "), "{said}");
        assert!(said.ends_with(" or check PRIMARY_URL, then again"), "{said}");
        let other = Err::<(), _>(sqlx::Error::RowNotFound).context("cannot append").unwrap_err();
        assert_eq!(store.lost(other, "").to_string(), "cannot append");
    }
}
