//! What an operator does with `cargo stack`, and what the databases' roles may.

use std::time::Duration;

use crate::commands::{listed, review};
use crate::http::Front;
use crate::sql::Database;
use crate::stack::{Process, Stack, processes_of};
use crate::wait::until;

pub(crate) const NAMES: [&str; 12] = [
    "primary",
    "meta",
    "epmd",
    "rabbitmq",
    "projector",
    "write",
    "read-1",
    "read-2",
    "read-3",
    "read-4",
    "admin",
    "nginx",
];

/// A new review is listed and comes to meta.
pub(crate) fn assert_works(front: Front, why: &str) {
    let product = 1_000_000;
    let before = ratings_of(front, product);
    let id = front.posted(&format!("/reviews/{product}"), &review(5, why));
    // Both may follow the answer where it did not wait for readers, one of which may have been killed just now.
    until(&format!("{why}: the review is listed"), Duration::from_secs(10), || {
        let first = listed(front, &format!("/reviews/{product}/list"))[0]["review_id"].clone();
        if first == id { Ok(()) } else { Err(format!("{first} is the first")) }
    });
    until(&format!("{why}: the review is in meta"), Duration::from_secs(10), || {
        let now = ratings_of(front, product);
        if now > before { Ok(()) } else { Err(format!("{now} reviews as before")) }
    });
}

fn ratings_of(front: Front, product: i64) -> i64 {
    let meta = front.json(&format!("/reviews/{product}/meta"));
    meta["ratings"].as_object().expect("ratings").values().filter_map(|count| count.as_i64()).sum()
}

/// `status --json`: every process by name, with pid and port, all ready.
pub(crate) fn status_names_every_process(stack: &Stack) {
    let status = stack.status();
    assert_eq!(status.front, format!("http://127.0.0.1:{}", stack.front.port));
    let port = status.processes.iter().find(|process| process.name == "admin").map(|admin| admin.port);
    assert_eq!(status.admin, port.map(|port| format!("http://127.0.0.1:{port}")));
    let names: Vec<&str> = status.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, NAMES);
    let well = |process: &Process| process.ready && process.pid.is_some() && process.port > 0;
    assert!(status.processes.iter().all(well), "{status:#?}");
    assert_eq!(status.processes.last().map(|nginx| nginx.port), Some(stack.front.port));
}

/// `up` on a running stack changes nothing, and the sample is not imported again.
pub(crate) fn up_twice_is_harmless(stack: &Stack) {
    let reviews = |stack: &Stack| Database::primary(stack).number("SELECT count(*) FROM reviews");
    let before = (stack.pids(), reviews(stack));
    stack.up();
    assert_eq!((stack.pids(), reviews(stack)), before);
}

/// What was set once stays set, whichever command starts a service later, until it is set again.
pub(crate) fn settings_are_remembered(stack: &Stack) {
    let has = |stack: &Stack, name: &str| {
        let environ = std::fs::read(format!("/proc/{}/environ", stack.pids()[name])).unwrap();
        environ.split(|byte| *byte == 0).any(|pair| pair == b"REPORT_THRESHOLD=3")
    };
    let readers = |stack: &Stack| {
        stack.pids().into_iter().filter(|(name, _)| name.starts_with("read")).collect::<Vec<_>>()
    };
    let before = readers(stack);
    crate::stack::succeeds(stack.up_command(&["--detach"]).env("REPORT_THRESHOLD", "3"));
    assert!(has(stack, "write"));
    assert_eq!(readers(stack), before, "nobody else reads it");
    stack.run("restart", &["write"]);
    assert!(has(stack, "write"), "a restart forgot the setting");
    let pids = stack.pids();
    stack.up();
    assert_eq!(stack.pids(), pids);
    crate::stack::succeeds(stack.up_command(&["--detach"]).env("REPORT_THRESHOLD", ""));
    assert!(!has(stack, "write"));
}

/// Requests at once, so that the readers hold several connections to each store; all must be answered.
fn many_readers(front: Front, why: &str) {
    let ask = |reader: i64| -> Vec<String> {
        let products = [reader, reader + 8, reader + 16].into_iter();
        let targets = products.flat_map(|id| [format!("/reviews/{id}/list"), format!("/reviews/{id}/meta")]);
        targets
            .filter_map(|target| {
                let answer = front.get(&target);
                (answer.status != 200).then(|| format!("GET {target}: {}", answer.status))
            })
            .collect()
    };
    let refused: Vec<String> = std::thread::scope(|scope| {
        let readers: Vec<_> = (1..=8).map(|reader| scope.spawn(move || ask(reader))).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    assert!(refused.is_empty(), "{why}: {refused:#?}");
}

/// `restart` of each process in turn gives a new one, and all goes on.
pub(crate) fn each_process_can_be_restarted(stack: &Stack) {
    for name in NAMES {
        let before = stack.pids();
        many_readers(stack.front, &format!("before `restart {name}`"));
        stack.run("restart", &[name]);
        // Connections of before the restart must not cost a reader's client an answer.
        many_readers(stack.front, &format!("after `restart {name}`"));
        let after = stack.pids();
        for other in NAMES {
            assert_eq!(before[other] == after[other], name != other, "restart {name}: the pid of {other}");
        }
        assert_works(stack.front, &format!("after `restart {name}`"));
    }
    status_names_every_process(stack);
}

/// `down` leaves nothing running, and the data are there after the next `up`, which takes less time than the first: that
/// one made the databases as well and imported the sample.
pub(crate) fn data_survive_down_and_up(stack: &Stack, first_up: Duration) {
    let targets = [
        "/reviews/2/list?count=100",
        "/reviews?product_id=4",
        "/reviews/2/meta",
        "/reviews/meta?product_id=760",
    ];
    let answers = || targets.map(|target| stack.front.get(target).text());
    let before = answers();
    stack.run("down", &[]);
    assert_eq!(processes_of(&stack.data), [], "`down` left processes running");
    let status = stack.status();
    assert!(status.processes.iter().all(|process| process.pid.is_none() && !process.ready), "{status:#?}");
    let took = stack.up();
    eprintln!("        a warm `up` took {:.1} s", took.as_secs_f32());
    assert!(took < first_up, "a warm `up` took {took:?}, the first {first_up:?}");
    assert_eq!(answers(), before);
    assert_works(stack.front, "after `down` and `up`");
}

/// Only write writes the primary and only the projector writes meta, whatever a service's code tries.
pub(crate) fn roles_may_only_what_their_service_does(stack: &Stack) {
    let (primary, meta) = (Database::primary(stack), Database::meta(stack));
    let refused = |database: &Database, role: &str, statements: &[&str]| {
        let database = database.as_role(stack, role);
        assert_eq!(database.column("SELECT current_user"), [role]);
        for statement in statements {
            // In a transaction that ends, so that one which is allowed by mistake changes nothing.
            match database.try_rows(&format!("BEGIN; {statement}; ROLLBACK")) {
                Ok(rows) => panic!("{role} may {statement}: {rows:?}"),
                Err(error) => assert!(error.contains("permission denied"), "{role}, {statement}: {error}"),
            }
        }
    };
    let read_only = [
        "UPDATE reviews SET helpfulness = 0",
        "DELETE FROM reviews",
        "INSERT INTO product_stream VALUES (1, 1, 1)",
        "INSERT INTO outbox (part, product_id, version, event_id, type, payload) VALUES (1, 1, 1, gen_random_uuid(), 'x', '{}')",
        "DELETE FROM event_log",
        "UPDATE log_head SET head = 0",
        "TRUNCATE reviews",
        "CREATE TABLE mine (x int)",
        "SELECT nextval('review_id_seq')",
    ];
    refused(&primary, "reviews_read", &read_only);
    refused(&primary, "reviews_read", &["SELECT reviewer_email FROM reviews"]);
    refused(&primary, "reviews_projector", &read_only);
    refused(&primary, "reviews_projector", &["SELECT body FROM reviews"]);
    let history = [
        "UPDATE event_log SET payload = '{}'",
        "DELETE FROM event_log",
        "DELETE FROM reviews",
        "UPDATE reviews SET rating = 5",
        "DELETE FROM product_stream",
        "TRUNCATE outbox",
        "CREATE TABLE mine (x int)",
    ];
    refused(&primary, "reviews_write", &history);
    let meta_only = [
        "UPDATE product_meta SET rating_5 = 1",
        "INSERT INTO generation (projection_version) VALUES (1)",
        "DELETE FROM product_meta",
        "UPDATE active_generation SET generation = 1",
        "UPDATE checkpoint SET pos = 1",
        "CREATE TABLE mine (x int)",
    ];
    refused(&meta, "reviews_read", &meta_only);
}
