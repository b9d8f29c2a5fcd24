//! Whatever a client sends, it gets an answer of the contract's kind, and never a server error.

mod manners;
mod posts;
mod reads;
mod text;
mod votes;
mod wire;

pub(crate) use manners::{any_origin_may_read, requests_have_ids, traces_reach_the_log};
pub(crate) use text::text_comes_out_as_it_went_in;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Answer, Front, Request, Unanswered};
use crate::sql::Database;

/// What no answer may hold: names of our parts, of our files, of SQL.
const INTERNAL: [&str; 12] = [
    "sqlx",
    "postgres",
    "lapin",
    "axum",
    "tokio",
    "panicked",
    "/target/",
    "/home",
    "src/",
    ".rs:",
    "SELECT ",
    "backtrace",
];

/// A request that is there as a whole is answered within this time, whatever it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A request and the statuses that are right for it; none: any below 500.
struct Case {
    name: String,
    bytes: Vec<u8>,
    head: bool,
    right: Vec<u16>,
}

impl Case {
    fn new(request: &Request, name: impl Into<String>, right: &[u16]) -> Self {
        Self { name: name.into(), bytes: request.bytes(), head: false, right: right.to_vec() }
    }

    fn get(target: &str, right: &[u16]) -> Self {
        Self::new(&Request::get(target), format!("GET {target}"), right)
    }

    fn method(method: &str, target: &str, right: &[u16]) -> Self {
        let case = Self::new(&Request::new(method, target), format!("{method} {target}"), right);
        Self { head: method == "HEAD", ..case }
    }

    fn wire(name: &str, bytes: impl Into<Vec<u8>>, right: &[u16]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into(), head: false, right: right.to_vec() }
    }
}

/// Sends every odd request and names all whose answer is not as it should be.
pub(crate) fn nothing_is_answered_badly(front: Front, primary: &Database) {
    let cases: Vec<Case> =
        [reads::cases(), posts::cases(), votes::cases(), wire::cases()].into_iter().flatten().collect();
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.wrong(front)).collect();
    eprintln!("        {} odd requests", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(primary.number(wire::FOREIGN_TRACES), 0, "a traceparent that is none was stored");
}

impl Case {
    /// What is wrong with the answer.
    fn wrong(&self, front: Front) -> Option<String> {
        let begun = Instant::now();
        let sent = front.send_bytes(&self.bytes, self.head);
        let slow = begun.elapsed() > ANSWER_LIMIT;
        let faults = match sent {
            Err(Unanswered(why)) => vec![format!("was not answered: {why}")],
            Ok(answer) => {
                let mut faults = faults(&answer, self.head);
                if slow {
                    faults.push(format!("was answered after {:?}", begun.elapsed()));
                }
                if !self.right.is_empty() && !self.right.contains(&answer.status) {
                    faults.push(format!("has status {}, not {:?}", answer.status, self.right));
                }
                if !faults.is_empty() {
                    faults.push(format!("answer: {answer:?}"));
                }
                faults
            }
        };
        (!faults.is_empty()).then(|| format!("- {}: {}", self.name, faults.join("; ")))
    }
}

/// What is wrong with an answer whatever the question was.
fn faults(answer: &Answer, head: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut require = |is_so: bool, fault: &str| {
        if !is_so {
            faults.push(fault.to_owned());
        }
    };
    // What HTTP itself asks for when a transfer coding or a version is unknown.
    require(answer.status < 500 || [501, 505].contains(&answer.status), "a server error");
    require(answer.all("access-control-allow-origin") == ["*"], "the CORS header is not there once");
    require(answer.all("access-control-expose-headers").len() == 1, "the exposed headers are not there once");
    let ids = answer.all("x-request-id");
    let plain = |id: &str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    require(
        ids.len() == 1 && plain(ids[0]) && !ids[0].is_empty(),
        "X-Request-Id is not there once and plain",
    );
    let text = answer.text();
    for word in INTERNAL {
        require(!text.contains(word), &format!("the body says {word:?}"));
    }
    if answer.status >= 400 {
        require(answer.all("content-type") == ["application/problem+json"], "it is no problem document");
        if !head {
            match serde_json::from_str::<Value>(&text) {
                Ok(problem) => {
                    for field in ["type", "title", "detail"] {
                        let there = problem[field].as_str().is_some_and(|text| !text.is_empty());
                        require(there, &format!("the problem has no {field}"));
                    }
                    require(problem["status"] == answer.status, "the problem has another status");
                }
                Err(_) => require(false, "the problem is not JSON"),
            }
        }
        require(answer.status != 405 || answer.all("allow").len() == 1, "405 without Allow");
        require(!head || text.is_empty(), "HEAD with a body");
    }
    faults
}
