use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::ReservedPort;

/// What an upstream does with each connection.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers 200, with its own name as the body, and keeps the connection.
    Answers,
    /// Answers these bytes, and keeps the connection.
    AnswersBytes(String),
    /// Closes the connection without reading from it.
    DiesAtOnce,
    /// Reads a whole request and closes the connection.
    DiesAfterRequest,
    /// Reads a whole request, sends the beginning of an answer's head, and closes the connection.
    DiesInsideAnswer,
    /// Reads a whole request and never answers.
    NeverAnswers,
}

/// A request that reached an upstream.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
}

impl Seen {
    /// The values of every header line of that name (in lower case).
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A small HTTP server whose behaviour the test scripts. Stops, connections included, when it is dropped.
pub(crate) struct Upstream {
    pub(crate) name: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    port: u16,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    connections: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Upstream {
    /// Listens on a port that stays reserved by the caller, so that the server can go and come back there.
    pub(crate) fn start(name: &str, port: &ReservedPort, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number)).unwrap();
        let shared = Arc::new(Shared::default());
        let (for_acceptor, owned_name) = (Arc::clone(&shared), name.to_owned());
        let acceptor =
            std::thread::spawn(move || accept_all(&listener, &for_acceptor, &owned_name, &behaviour));
        Self { name: name.to_owned(), shared, acceptor: Some(acceptor), port: port.number }
    }

    /// The connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The whole requests read so far, oldest first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>, name: &str, behaviour: &Behaviour) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let stream = stream.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.lock().unwrap().push(stream.try_clone().unwrap());
        let (shared, name, behaviour) = (Arc::clone(shared), name.to_owned(), behaviour.clone());
        std::thread::spawn(move || serve(&stream, &shared, &name, &behaviour));
    }
}

fn serve(stream: &TcpStream, shared: &Shared, name: &str, behaviour: &Behaviour) {
    if matches!(behaviour, Behaviour::DiesAtOnce) {
        let _ = stream.shutdown(Shutdown::Both);
        return;
    }
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read_request(&mut reader) {
        let head_only = seen.line.starts_with("HEAD ");
        shared.seen.lock().unwrap().push(seen);
        let answer = match behaviour {
            Behaviour::Answers => {
                let body = if head_only { "" } else { name };
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", name.len())
            }
            Behaviour::AnswersBytes(bytes) => bytes.clone(),
            Behaviour::DiesInsideAnswer => "HTTP/1.1 200 OK\r\nContent-Le".to_owned(),
            Behaviour::NeverAnswers => continue,
            Behaviour::DiesAtOnce | Behaviour::DiesAfterRequest => String::new(),
        };
        let sent = { stream }.write_all(answer.as_bytes());
        let dies = matches!(behaviour, Behaviour::DiesAfterRequest | Behaviour::DiesInsideAnswer);
        if dies || sent.is_err() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Reads one request with its body; `None` when the connection ended before it was whole.
fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let line = read_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let header = read_line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let body_bytes = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; body_bytes];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { line, headers, body_bytes })
}

fn read_line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.strip_suffix("\r\n").map(str::to_owned)
}
