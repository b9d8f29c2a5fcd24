//! Reaching the broker.

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// Longest wait for a connection, a declaration or a confirm: past it the broker counts as away.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds of silence after which either side gives a connection up.
const HEARTBEAT_SECONDS: u16 = 10;

/// The broker cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It refused, or the connection broke.
    #[error("the broker refused or the connection broke")]
    Amqp(#[from] lapin::Error),
    /// It did not answer in time.
    #[error("the broker did not answer within {} s", REPLY_TIMEOUT.as_secs())]
    Timeout,
    /// The connection has ended.
    #[error("the connection to the broker has ended")]
    Ended,
}

/// Where the broker is, with user and password.
#[derive(Clone)]
pub struct BrokerAddress(AMQPUri);

impl std::fmt::Debug for BrokerAddress {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AMQPUri { authority, vhost, .. } = &self.0;
        write!(f, "amqp://{}@{}:{}/{vhost}", authority.userinfo.username, authority.host, authority.port)
    }
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressInvalid {
    /// The address is not of the broker's form.
    #[error("the broker's address must look like amqp://USER@HOST:PORT/VHOST, with / in VHOST as %2f: {0}")]
    Form(&'static str),
    /// The password's file cannot be read.
    #[error("the password file {0} cannot be read: {1}")]
    Password(String, String),
}

impl BrokerAddress {
    /// Reads an address and, from a file, the user's password.
    ///
    /// # Errors
    /// When the address is not of the broker's form, or the file cannot be read.
    pub fn read(url: &str, password_file: Option<&Path>) -> Result<Self, AddressInvalid> {
        let mut uri: AMQPUri = url.parse().map_err(|_: String| {
            // The reader's words are of its own parts; and the address itself may hold a password.
            AddressInvalid::Form(match url.starts_with("amqp://") || url.starts_with("amqps://") {
                true => "host, port or a parameter of this one cannot be read",
                false => "this one does not begin with amqp://",
            })
        })?;
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        if let Some(path) = password_file {
            let password = std::fs::read_to_string(path)
                .map_err(|e| AddressInvalid::Password(path.display().to_string(), e.to_string()))?;
            password.trim_end_matches(['\r', '\n']).clone_into(&mut uri.authority.userinfo.password);
        }
        Ok(Self(uri))
    }
}

/// Waits for an answer of the broker, but not for ever.
pub(crate) async fn in_time<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match tokio::time::timeout(REPLY_TIMEOUT, answer).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(BrokerError::Timeout),
    }
}

/// Opens a connection, shown to operations people under `name`, with one channel.
pub(crate) async fn open(address: &BrokerAddress, name: &str) -> Result<(Connection, Channel), BrokerError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connection = in_time(Connection::connect_uri(address.0.clone(), properties)).await?;
    let channel = in_time(connection.create_channel()).await?;
    Ok((connection, channel))
}

/// Closes a connection that is no longer needed.
pub(crate) async fn close(connection: &Connection) {
    if let Err(error) = in_time(connection.close(200, "done".into())).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the broker connection did not close in order"
        );
    }
}
