//! An HTTP client that sends exactly the bytes it is given, each request on a connection of its own: what
//! was not answered was sent once and no more.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any limit of the front door or of a service.
const PATIENCE: Duration = Duration::from_secs(30);

/// The front door.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Front {
    pub(crate) port: u16,
}

/// An answer as it came over the wire.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// No whole answer came: why, in words.
#[derive(Debug)]
pub(crate) struct Unanswered(pub(crate) String);

/// A request being written.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).header("Content-Type", "application/json").body(body)
    }

    pub(crate) fn put(target: &str) -> Self {
        Self::new("PUT", target)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

impl Front {
    /// Sends a request and reads its whole answer.
    pub(crate) fn send(self, request: &Request) -> Result<Answer, Unanswered> {
        self.send_bytes(&request.bytes(), request.method == "HEAD")
    }

    /// The same for bytes that need not be a request.
    pub(crate) fn send_bytes(self, request: &[u8], head: bool) -> Result<Answer, Unanswered> {
        let lost = |what: &str, error: &dyn std::fmt::Display| Unanswered(format!("{what}: {error}"));
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(|e| lost("no connection", &e))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| lost("no read timeout", &e))?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(|e| lost("no write timeout", &e))?;
        // A server may refuse and close before it has read everything: what it answered is what counts.
        let sent = stream.write_all(request);
        let mut bytes = Vec::new();
        let read = read_answer(&mut stream, &mut bytes, head);
        Answer::parse(&bytes, head)
            .map_err(|Unanswered(why)| Unanswered(format!("{why} (sent: {sent:?}, read: {read:?})")))
    }

    /// Sends a request that must be answered.
    pub(crate) fn ask(self, request: &Request) -> Answer {
        let answer = self.send(request);
        answer.unwrap_or_else(|Unanswered(why)| panic!("{} {}: {why}", request.method, request.target))
    }

    pub(crate) fn get(self, target: &str) -> Answer {
        self.ask(&Request::get(target))
    }

    /// The JSON of a GET that must succeed.
    pub(crate) fn json(self, target: &str) -> Value {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "GET {target}: {}", answer.text());
        answer.json()
    }

    /// Posts a review that must be taken, and returns its id.
    pub(crate) fn posted(self, target: &str, review: &Value) -> i64 {
        let answer = self.ask(&Request::post(target, review.to_string()));
        assert_eq!(answer.status, 201, "POST {target} {review}: {}", answer.text());
        answer.json()["review_id"].as_i64().expect("review_id is a number")
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {:.500}", self.status, self.headers, self.text())
    }
}

impl Answer {
    fn parse(bytes: &[u8], head: bool) -> Result<Self, Unanswered> {
        let cut = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let cut =
            cut.ok_or_else(|| Unanswered(format!("no answer but {:?}", String::from_utf8_lossy(bytes))))?;
        let top = String::from_utf8_lossy(&bytes[..cut]).into_owned();
        let broken = || Unanswered(format!("not an HTTP answer: {top:?}"));
        let mut lines = top.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(broken)?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(broken)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Self { status, headers, body: bytes[cut + 4..].to_vec() };
        if status == 100 {
            return Self::parse(&answer.body, head);
        }
        if answer.all("transfer-encoding") == ["chunked"] {
            answer.body =
                unchunked(&answer.body).ok_or_else(|| Unanswered(format!("a chunk is cut: {top:?}")))?;
        } else if let Some(length) = answer.all("content-length").first()
            && !head
            && *length != answer.body.len().to_string()
        {
            return Err(Unanswered(format!("{} bytes of {length} came", answer.body.len())));
        }
        Ok(answer)
    }

    /// The values of every header line of that name, which is in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Reads until the answer is whole by its length, or the server closes. A server may keep a refused
/// connection open for seconds after its answer, to read what is still under way.
fn read_answer(stream: &mut TcpStream, bytes: &mut Vec<u8>, head: bool) -> std::io::Result<()> {
    let mut part = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut part)?;
        bytes.extend_from_slice(&part[..read]);
        let whole = Answer::parse(bytes, head).is_ok_and(|answer| !answer.all("content-length").is_empty());
        if read == 0 || whole {
            return Ok(());
        }
    }
}

fn unchunked(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).ok()?, 16).ok()?;
        let rest = &chunks[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(..size)?);
        chunks = rest.get(size + 2..)?;
    }
}
