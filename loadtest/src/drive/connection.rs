//! One connection, kept as long as the server keeps it.

use super::Run;
use super::outcome::Counts;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::response::Parts;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a connection was refused, so that a server that is away is not asked a thousand times a second.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

type Body = Full<Bytes>;

/// A connection to a server, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Connection {
    server: SocketAddr,
    sender: Option<SendRequest<Body>>,
}

/// Sends what is due, until the end.
pub(super) async fn work(run: Arc<Run>, counts: Arc<Mutex<Counts>>, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut connection = Connection::to(run.plan.front);
    while let Some(due) = run.due().await {
        let (request, asked) = run.traffic.next(&mut random);
        let is_read = request.method() == Method::GET;
        let answer = connection.exchange(request).await;
        let latency = due.elapsed();
        let found = match answer {
            Ok((parts, body)) => run.traffic.judge(&asked, &parts, &body),
            Err(kind) => Err(kind.to_owned()),
        };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if is_read { counts.record_read(latency, found) } else { counts.record(latency, found) }
    }
}

impl Connection {
    pub(crate) fn to(server: SocketAddr) -> Self {
        Connection { server, sender: None }
    }

    /// Sends a request and waits for its answer. Where that fails, the next one has a new connection.
    pub(crate) async fn exchange(
        &mut self,
        mut request: Request<Body>,
    ) -> Result<(Parts, Bytes), &'static str> {
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("localhost"));
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.send(request)).await;
        let answer = answer.unwrap_or(Err("no answer in time"));
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn send(&mut self, request: Request<Body>) -> Result<(Parts, Bytes), &'static str> {
        // A server may close a connection after so many requests, once it has answered.
        let ready = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            self.sender = None;
        }
        let sender = match &mut self.sender {
            Some(sender) => sender,
            none => none.insert(connect(self.server).await?),
        };
        let response = sender.send_request(request).await.map_err(|_| "connection broken")?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| "answer cut off")?;
        Ok((parts, body.to_bytes()))
    }
}

async fn connect(server: SocketAddr) -> Result<SendRequest<Body>, &'static str> {
    let Ok(stream) = TcpStream::connect(server).await else {
        tokio::time::sleep(REFUSED_PAUSE).await;
        return Err("not connected");
    };
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| "not connected")?;
    tokio::spawn(async move {
        // Whoever sends hears of its end.
        let _ = connection.await;
    });
    Ok(sender)
}
