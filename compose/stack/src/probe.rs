//! Whether a server answers: one short question in its own protocol.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A server that is up answers at once; one that does not is asked again.
const LIMIT: Duration = Duration::from_secs(2);

/// The status of a GET, when there is an answer at all.
pub(crate) fn http(url: &str) -> Option<u16> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .new_agent();
    Some(agent.get(url).call().ok()?.status().as_u16())
}

/// A broker that takes clients answers the protocol header with `Connection.Start` (class 10, method 10).
pub(crate) fn amqp(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = connect(port)?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut frame = [0_u8; 11];
        stream.read_exact(&mut frame)?;
        Ok(frame.first() == Some(&1) && frame.get(7..) == Some(&[0, 10, 0, 10]))
    };
    ask().unwrap_or_default()
}

/// epmd answers a request for names with its own port number.
pub(crate) fn epmd(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = connect(port)?;
        stream.write_all(b"\x00\x01n")?;
        let mut answer = [0_u8; 4];
        stream.read_exact(&mut answer)?;
        Ok(u32::from_be_bytes(answer) == u32::from(port))
    };
    ask().unwrap_or_default()
}

/// Postgres takes a connection and answers a query, on the address that clients use. Who may not read the
/// password (`status` by another user) is told whether connections are taken.
pub(crate) fn postgres(data: &Path, port: u16) -> bool {
    let Some((_, bin)) =
        crate::programs::Programs::find(crate::install::Needs::Nothing).postgres.into_iter().next()
    else {
        return false;
    };
    let password = std::fs::read_to_string(data.join("secrets/postgres")).ok();
    let mut command = match &password {
        Some(_) => Command::new(bin.join("psql")),
        None => Command::new(bin.join("pg_isready")),
    };
    command.env_clear().args([
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-U",
        "postgres",
        "-d",
        "postgres",
    ]);
    if let Some(password) = password {
        command
            .args(["-X", "-q", "-w", "-c", "select 1"])
            .env("PGPASSWORD", password.trim())
            .env("PGCONNECT_TIMEOUT", LIMIT.as_secs().to_string());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}
