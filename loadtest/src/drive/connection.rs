//! One connection, kept as long as the server keeps it.

use super::Run;
use super::outcome::Counts;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::response::Parts;
use hyper::{Request, header};
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

/// Sends what is due, until the end.
pub(super) async fn work(run: Arc<Run>, counts: Arc<Mutex<Counts>>, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sender = None;
    while let Some(due) = run.due().await {
        let (mut request, asked) = run.traffic.next(&mut random);
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("localhost"));
        let exchanged = tokio::time::timeout(ANSWER_TIMEOUT, exchange(&mut sender, run.plan.front, request));
        let answer = exchanged.await.unwrap_or(Err("no answer in time"));
        let latency = due.elapsed();
        let found = match answer {
            Ok((parts, body)) => run.traffic.judge(&asked, &parts, &body),
            Err(kind) => {
                sender = None;
                Err(kind.to_owned())
            }
        };
        counts.lock().unwrap_or_else(PoisonError::into_inner).record(latency, found);
    }
}

async fn exchange(
    sender: &mut Option<SendRequest<Body>>,
    front: SocketAddr,
    request: Request<Body>,
) -> Result<(Parts, Bytes), &'static str> {
    // A server may close a connection after so many requests, once it has answered.
    let ready = match sender {
        Some(sender) => sender.ready().await.is_ok(),
        None => false,
    };
    if !ready {
        *sender = None;
    }
    let sender = match sender {
        Some(sender) => sender,
        None => sender.insert(connect(front).await?),
    };
    let response = sender.send_request(request).await.map_err(|_| "connection broken")?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| "answer cut off")?;
    Ok((parts, body.to_bytes()))
}

async fn connect(front: SocketAddr) -> Result<SendRequest<Body>, &'static str> {
    let Ok(stream) = TcpStream::connect(front).await else {
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
