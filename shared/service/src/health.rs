//! Whether a service lives, and whether it can do its work.

use anyhow::{Context, bail};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for a store when readiness is asked for.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// `/livez`, and `/readyz`, which is 200 when `ready` says so in time and 503 otherwise.
pub fn health_routes<S, F>(ready: impl Fn() -> F + Clone + Send + Sync + 'static) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let readyz = move || {
        let ready = ready();
        async move {
            match tokio::time::timeout(READY_TIMEOUT, ready).await {
                Ok(true) => (StatusCode::OK, "ok\n"),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            }
        }
    };
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz))
}

/// Asks the service that listens there whether it is ready: what `SERVICE healthcheck` does in a container
/// that has no other program.
///
/// # Errors
/// When it is not ready.
pub async fn healthcheck(service: &str, mut address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(READY_TIMEOUT * 2, ask).await.context("no answer in time")??;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        bail!("{service} is not ready");
    }
    Ok(())
}
