//! Where the stores are: from the environment, or from a file of the same variables.

use anyhow::{Context as _, bail};
use broker::BrokerAddress;
use sqlx::postgres::PgConnectOptions;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Written by `cargo stack up`.
const DEFAULT_ENV_FILE: &str = ".stack/reviewsctl.env";
/// Without any of these in the environment, the default file counts.
const ADDRESSES: [&str; 3] = ["PRIMARY_URL", "META_URL", "BROKER_URL"];
/// Where the admin API listens by default.
const ADMIN_PORT: u16 = 8090;
/// How the servers show who is connected.
const APPLICATION: &str = "reviewsctl";

/// Settings by name. What `--env-file` names comes before the environment.
#[derive(Debug, Default)]
pub(crate) struct Config {
    file: HashMap<String, String>,
}

impl Config {
    /// Reads the file that was named, or else the default one if there is one and nothing is set.
    pub(crate) fn load(env_file: Option<&Path>) -> anyhow::Result<Self> {
        let default = Path::new(DEFAULT_ENV_FILE);
        let path = match env_file {
            Some(path) => path,
            None if ADDRESSES.iter().all(|name| std::env::var_os(name).is_none()) && default.exists() => {
                default
            }
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings in {}", path.display()))?;
        Ok(Self { file: parse(&text).with_context(|| format!("cannot use {}", path.display()))? })
    }

    /// The primary database.
    pub(crate) fn primary(&self) -> anyhow::Result<PgConnectOptions> {
        self.database(
            "PRIMARY_URL",
            "PRIMARY_PASSWORD_FILE",
            "postgres://reviews_owner@127.0.0.1:5432/reviews",
        )
    }

    /// The meta database.
    pub(crate) fn meta(&self) -> anyhow::Result<PgConnectOptions> {
        self.database("META_URL", "META_PASSWORD_FILE", "postgres://reviews_owner@127.0.0.1:5433/meta")
    }

    /// The broker.
    pub(crate) fn broker(&self) -> anyhow::Result<BrokerAddress> {
        let url = self.required("BROKER_URL", "amqp://reviews@127.0.0.1:5672/%2f")?;
        BrokerAddress::read(&url, self.path("BROKER_PASSWORD_FILE").as_deref())
            .context("cannot use BROKER_URL")
    }

    /// The folder with the roles' passwords.
    pub(crate) fn role_passwords_dir(&self) -> Option<PathBuf> {
        self.path("ROLE_PASSWORDS_DIR")
    }

    /// Where the admin API listens: on loopback unless it is told otherwise.
    pub(crate) fn admin_listen(&self) -> anyhow::Result<SocketAddr> {
        match self.get("ADMIN_LISTEN") {
            None => Ok((Ipv4Addr::LOCALHOST, ADMIN_PORT).into()),
            Some(value) => {
                let text = value.to_string_lossy();
                text.parse().with_context(|| format!("ADMIN_LISTEN must be ADDRESS:PORT, not {text:?}"))
            }
        }
    }

    /// What callers of the admin API must bring: given itself, or in a file.
    pub(crate) fn admin_token(&self) -> anyhow::Result<String> {
        if let Some(token) = self.get("ADMIN_TOKEN") {
            return token.into_string().ok().context("ADMIN_TOKEN is not UTF-8");
        }
        match self.path("ADMIN_TOKEN_FILE") {
            Some(path) => std::fs::read_to_string(&path)
                .map(|token| token.trim_end_matches(['\r', '\n']).to_owned())
                .with_context(|| format!("cannot read ADMIN_TOKEN_FILE, {}", path.display())),
            None => bail!(
                "neither ADMIN_TOKEN nor ADMIN_TOKEN_FILE is set, and nobody is answered without a token: make one, as by \
                 `openssl rand -hex 24 > FILE`, and set ADMIN_TOKEN_FILE=FILE"
            ),
        }
    }

    fn database(&self, url: &str, password_file: &str, example: &str) -> anyhow::Result<PgConnectOptions> {
        let address = self.required(url, example)?;
        postgres::options(&address, self.path(password_file).as_deref(), APPLICATION)
            .with_context(|| format!("cannot use {url}"))
    }

    fn required(&self, name: &str, example: &str) -> anyhow::Result<String> {
        match self.get(name) {
            Some(value) => value.into_string().ok().with_context(|| format!("{name} is not UTF-8")),
            None => bail!(
                "{name} is not set: set it, as {example}, in the environment or in a file named by --env-file \
                 (`cargo stack up` writes {DEFAULT_ENV_FILE}, read when nothing is set)"
            ),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    fn get(&self, name: &str) -> Option<OsString> {
        let value = self.file.get(name).map(OsString::from).or_else(|| std::env::var_os(name));
        value.filter(|value| !value.is_empty())
    }
}

/// Lines of `KEY=VALUE`; empty ones and those that begin with `#` are passed over.
fn parse(text: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut settings = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            bail!("line {number} is not KEY=VALUE");
        };
        settings.insert(key.trim().to_owned(), unquoted(value.trim()).to_owned());
    }
    Ok(settings)
}

fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_lines_of_key_and_value() {
        let settings =
            parse("# where\n\nPRIMARY_URL=postgres://a@b/c?host=/x\n A = \"b c\" \nEMPTY=\n").unwrap();
        assert_eq!(settings["PRIMARY_URL"], "postgres://a@b/c?host=/x");
        assert_eq!((settings["A"].as_str(), settings["EMPTY"].as_str()), ("b c", ""));
        assert_eq!(parse("A=1\nnonsense\n").unwrap_err().to_string(), "line 2 is not KEY=VALUE");
    }

    #[test]
    fn an_address_that_cannot_be_read_is_said_without_it() {
        let database = "the database's address must look like postgres://ROLE@HOST:PORT/DATABASE: ";
        let broker =
            "the broker's address must look like amqp://USER@HOST:PORT/VHOST, with / in VHOST as %2f: ";
        let no_postgres = "this one does not begin with postgres://";
        let unreadable = "host, port or a parameter of this one cannot be read";
        for (name, address, said) in [
            ("META_URL", "localhost/secret", format!("{database}{no_postgres}")),
            ("META_URL", "postgres://a:secret@localhost:many/meta", format!("{database}{unreadable}")),
            ("BROKER_URL", "secret", format!("{broker}this one does not begin with amqp://")),
            ("BROKER_URL", "amqp://a:secret@localhost:many/%2f", format!("{broker}{unreadable}")),
        ] {
            let config = Config { file: [(name.to_owned(), address.to_owned())].into_iter().collect() };
            let error = match name {
                "META_URL" => config.meta().map(drop).unwrap_err(),
                _ => config.broker().map(drop).unwrap_err(),
            };
            assert_eq!(crate::say::error_line(&error), format!("cannot use {name}: {said}"), "{address}");
        }
    }
}
