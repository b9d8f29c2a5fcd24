//! Processes killed, servers away, a broker's data deleted, all under load; and what must still work
//! meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::commands::review;
use crate::http::{Answer, Front, Request};
use crate::import;
use crate::load::{Characteristics, Ledger, Load, PRODUCTS};
use crate::operating::assert_works;
use crate::sql::Database;
use crate::stack::Stack;
use crate::truth;
use crate::wait::{pause, until};

/// Reviews acknowledged before, during and after what happens on a bad day.
const REVIEWS_EACH: usize = 30;
/// With the broker away, meta follows within this by pulling.
const PULL_LIMIT: Duration = Duration::from_secs(5);
/// From the broker's return to the last event offered to it.
const PUBLISHED_LIMIT: Duration = Duration::from_secs(30);
/// Events of a part that the load may just have made.
const EVENTS_UNDER_WAY: i64 = 20;
/// How long a store is away.
const AWAY: Duration = Duration::from_secs(60);

/// Metas of products that no load writes to.
const METAS_IN_MEMORY: [&str; 2] = ["/reviews/760/meta", "/reviews/meta?product_id=761"];

/// A stack and everything that its load was told.
#[derive(Debug)]
pub(crate) struct BadDays<'a> {
    stack: &'a Stack,
    characteristics: Arc<Characteristics>,
    ledger: Arc<Mutex<Ledger>>,
}

impl<'a> BadDays<'a> {
    pub(crate) fn new(stack: &'a Stack) -> Self {
        let mut characteristics: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for row in Database::primary(stack).rows("SELECT product_id, characteristic_id FROM characteristics")
        {
            characteristics.entry(row[0].parse().unwrap()).or_default().push(row[1].parse().unwrap());
        }
        Self { stack, characteristics: Arc::new(characteristics), ledger: Arc::default() }
    }

    /// Runs `day` under load, then ends the load and asks whether all is well.
    fn under_load(&self, name: &str, day: impl FnOnce(&Load)) {
        let load = Load::start(self.stack.front, name, &self.characteristics, &self.ledger);
        load.progresses(REVIEWS_EACH, "before anything happens");
        day(&load);
        load.progresses(REVIEWS_EACH, "after everything was started again");
        load.stop();
        self.all_is_well();
    }

    /// Does `work` with replays, under load.
    pub(crate) fn replays(&self, name: &str, work: impl FnOnce(&Stack, &Load)) {
        self.under_load(name, |load| work(self.stack, load));
    }

    /// Everything is as the load was told. No load may be running.
    pub(crate) fn all_is_well(&self) {
        let ledger = self.ledger.lock().unwrap();
        truth::all_is_well(self.stack, &ledger);
        let (known, unknown) = (ledger.reviews.len(), ledger.unanswered.len());
        eprintln!("        {known} reviews so far, {unknown} not acknowledged");
    }

    /// `kill -9` of every process at once, as when the power fails; nothing is started again.
    pub(crate) fn all_killed(&self) {
        let load = Load::start(self.stack.front, "power cut", &self.characteristics, &self.ledger);
        load.progresses(REVIEWS_EACH, "before the power cut");
        self.stack.kill_everything();
        load.stop();
    }

    /// `kill -9`, a look at what works without the process, `restart`.
    pub(crate) fn killed(&self, name: &str, meanwhile: impl FnOnce(Front, &Load)) {
        self.under_load(&format!("kill {name}"), |load| {
            self.stack.kill(name);
            meanwhile(self.stack.front, load);
            self.stack.run("restart", &[name]);
            if ["primary", "meta"].contains(&name) {
                // Connections of before its end must not cost a reader's client an answer.
                all_work(&of_each_product(self.stack.front, "list"), "list with the store just back");
                all_work(&of_each_product(self.stack.front, "meta"), "meta with the store just back");
            }
        });
    }

    /// The broker away for a while, then back, with its data or without.
    pub(crate) fn broker_away(&self, deleted: bool) {
        self.under_load(if deleted { "broker wiped" } else { "broker away" }, |load| {
            self.stack.run("stop", &["rabbitmq"]);
            without_broker(self.stack.front, load);
            if deleted {
                fs::remove_dir_all(self.stack.servers().join("rabbitmq/mnesia")).unwrap();
            }
            self.stack.run("start", &["rabbitmq"]);
            everything_is_published(&Database::primary(self.stack), EVENTS_UNDER_WAY);
        });
    }

    /// An import beside live writes.
    pub(crate) fn import(&self) {
        self.under_load("import", |_| import::an_import_is_killed_and_run_again(self.stack));
    }

    /// Meta away for a minute.
    pub(crate) fn meta_away(&self) {
        self.under_load("meta away", |load| {
            let front = self.stack.front;
            let in_memory = METAS_IN_MEMORY.map(|target| (target, front.get(target).text()));
            self.stack.run("stop", &["meta"]);
            let begun = Instant::now();
            for (target, before) in in_memory {
                let answer = front.get(target);
                assert_eq!(
                    (answer.status, answer.text()),
                    (200, before),
                    "{target}: its reader has it in memory"
                );
            }
            without_meta(front, load);
            while begun.elapsed() < AWAY {
                pause();
            }
            load.progresses(1, "after a minute without meta");
            without_meta(self.stack.front, load);
            self.stack.run("start", &["meta"]);
        });
    }
}

fn of_each_product(front: Front, route: &str) -> Vec<Answer> {
    PRODUCTS.map(|product| front.get(&format!("/reviews/{product}/{route}"))).collect()
}

/// Every answer is a problem that says when to come again.
fn all_are_away(answers: &[Answer], status: u16) {
    for answer in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.all("content-type"), ["application/problem+json"], "{answer:?}");
        assert_eq!(answer.all("access-control-allow-origin"), ["*"], "{answer:?}");
        assert!(
            answer.all("retry-after").first().is_some_and(|after| after.parse::<u32>().is_ok()),
            "{answer:?}"
        );
    }
}

fn all_work(answers: &[Answer], why: &str) {
    for answer in answers {
        assert_eq!(answer.status, 200, "{why}: {answer:?}");
    }
}

/// Without write, reads go on, and a command is refused as worth another try.
pub(crate) fn without_write(front: Front, _: &Load) {
    all_work(&of_each_product(front, "list"), "list without write");
    all_work(&of_each_product(front, "meta"), "meta without write");
    let post = front.ask(&Request::post("/reviews/1", review(1, "Nobody takes this.").to_string()));
    let put = front.ask(&Request::put("/reviews/1/helpful"));
    all_are_away(&[post, put], 502);
}

/// Without the projector, commands and lists go on, and meta answers what it knew.
pub(crate) fn without_projector(front: Front, load: &Load) {
    load.progresses(REVIEWS_EACH, "without the projector");
    all_work(&of_each_product(front, "list"), "list without the projector");
    all_work(&of_each_product(front, "meta"), "meta without the projector");
}

/// With a reader dead, its products are answered by the others.
pub(crate) fn without_a_reader(front: Front, load: &Load) {
    for _ in 0..3 {
        all_work(&of_each_product(front, "list"), "list without a reader");
        all_work(&of_each_product(front, "meta"), "meta without a reader");
    }
    load.progresses(REVIEWS_EACH, "without a reader");
}

/// Without the broker, commands go on and meta follows by pull.
pub(crate) fn without_broker(front: Front, load: &Load) {
    load.progresses(REVIEWS_EACH, "without the broker");
    let product = 800_001;
    let meta = format!("/reviews/{product}/meta");
    let before = front.get(&meta).text();
    front.posted(&format!("/reviews/{product}"), &review(2, "Pulled."));
    until("meta follows without the broker", PULL_LIMIT, || {
        if front.get(&meta).text() == before { Err(before.clone()) } else { Ok(()) }
    });
}

/// Without meta, commands and lists go on.
pub(crate) fn without_meta(front: Front, load: &Load) {
    load.progresses(REVIEWS_EACH, "without meta");
    all_work(&of_each_product(front, "list"), "list without meta");
    // Of products that no reader has in memory.
    all_are_away(&[front.get("/reviews/990002/meta"), front.get("/reviews/meta?product_id=990003")], 503);
    // Who brings a token is answered from the reviews themselves.
    let posted = front.ask(&Request::post("/reviews/990001", review(4, "Nobody projects this.").to_string()));
    let token = posted.all("consistency-token")[0].to_owned();
    for target in ["/reviews/990001/meta", "/reviews/meta?product_id=990001", "/reviews/990001/jsonld"] {
        let answer = front.ask(&Request::get(target).header("Consistency-Token", &token));
        assert!(answer.status == 200 && answer.text().contains('4'), "{target} without meta: {answer:?}");
    }
}

/// Without the primary, meta goes on; lists and commands are refused as worth another try.
pub(crate) fn without_primary(front: Front, _: &Load) {
    all_work(&of_each_product(front, "meta"), "meta without the primary");
    let post = front.ask(&Request::post("/reviews/1", review(1, "Nobody can store this.").to_string()));
    // Of a product that no reader has in memory.
    all_are_away(&[post, front.get("/reviews/990004/list")], 503);
}

/// epmd is asked only when a node starts.
pub(crate) fn without_epmd(_: Front, load: &Load) {
    load.progresses(REVIEWS_EACH, "without epmd");
}

/// Without the front door nothing is answered; what is behind it lives.
pub(crate) fn without_nginx(_: Front, _: &Load) {}

/// The relay has offered the log to the broker, but for so many events of each part.
fn everything_is_published(primary: &Database, under_way: i64) {
    until("the relay has offered the log's head to the broker", PUBLISHED_LIMIT, || {
        let behind = primary.try_rows(&format!(
            "SELECT part, published, head FROM log_published JOIN log_head USING (part)
             WHERE published + {under_way} < head"
        ))?;
        if behind.is_empty() { Ok(()) } else { Err(format!("[part, published, head]: {behind:?}")) }
    });
}

/// After all bad days: meta of every product, through the front door, and a new review.
pub(crate) fn everything_is_whole(stack: &Stack) {
    let (primary, meta) = (Database::primary(stack), Database::meta(stack));
    truth::meta_catches_up(&primary, &meta);
    truth::meta_is_the_sum_of_the_reviews(&primary, stack.front, |_| true);
    everything_is_published(&primary, 0);
    assert_works(stack.front, "after all bad days");
}
