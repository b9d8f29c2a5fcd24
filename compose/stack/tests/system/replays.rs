//! Replays of the running system: killed again and again, and in the end right; readers notice nothing.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::http::{Front, Request};
use crate::import::reviewsctl;
use crate::load::{Load, PRODUCTS};
use crate::operating::assert_works;
use crate::sql::Database;
use crate::stack::{Stack, succeeds};
use crate::wait::{pause, until};

/// How often a replay is killed at work.
const KILLS: usize = 20;
/// Longest time that a replay is let work before it is killed.
const WORK_MAX: Duration = Duration::from_millis(900);
/// Longest time until the projector has noticed, or gone on: it compares its generations every ten seconds.
const MENDED_WITHIN: Duration = Duration::from_secs(40);
/// Beside live writers, whatever they need on this machine.
const THROTTLED: &[&str] = &["--max-write-p99", "10s"];
const HARD: &[&str] = &["--unthrottled"];

/// `kill -9` of the replay at random moments twenty times, under live writes; then to its end: nothing differs.
pub(crate) fn killed_twenty_times(stack: &Stack, load: &Load) {
    let mut moments = Moments(0x5eed_2019);
    let (mut kills, mut finished) = (0, 0);
    let meta = Database::meta(stack);
    let first = meta.number("SELECT generation FROM active_generation");
    while kills < KILLS {
        // The one works by little pieces with long rests, the other hard.
        let pace = if kills % 2 == 0 { THROTTLED } else { HARD };
        let mut work = replay(stack, pace).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if ended_within(&mut work, moments.next(WORK_MAX)) {
            finished += 1;
            succeeds(&mut tool(stack, &["generations", "prune"]));
            continue;
        }
        work.kill().unwrap();
        work.wait().unwrap();
        kills += 1;
    }
    load.progresses(10, "after twenty kills of a replay");
    let json = last_line(&succeeds(&mut replay(stack, HARD)));
    assert_eq!(json["differences"], 0, "{json}");
    let verified = last_line(&succeeds(&mut tool(stack, &["verify", "--json", "--unthrottled"])));
    assert!(verified["differences"] == 0 && verified["products"].as_i64().unwrap() > 100, "{verified}");
    assert!(meta.number("SELECT generation FROM active_generation") > first);
    succeeds(&mut tool(stack, &["generations", "prune"]));
    assert_eq!(meta.number("SELECT count(*) FROM generation"), 1);
    let left = meta.number("SELECT count(*) FROM product_meta m WHERE NOT EXISTS (SELECT FROM active_generation a WHERE a.generation = m.generation)");
    assert_eq!(left, 0, "rows of generations that are gone");
    eprintln!("        {kills} kills, {finished} replays ended before theirs; the last one: {json}");
}

/// Swaps and rollbacks while every product's meta is read: no read fails, and no product goes back.
pub(crate) fn swapped_unnoticed(stack: &Stack, _: &Load) {
    let front = stack.front;
    let ended = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|n| {
                scope.spawn({
                    let ended = &ended;
                    move || read(front, n, ended)
                })
            })
            .collect();
        let json = last_line(&succeeds(&mut replay(stack, HARD)));
        assert_eq!(json["differences"], 0, "{json}");
        for _ in 0..10 {
            let json = last_line(&succeeds(&mut tool(stack, &["rollback", "--json"])));
            assert!(json["swap_ms"].as_f64().is_some(), "{json}");
        }
        ended.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>()
    });
    assert!(reads > 100, "only {reads} reads");
    eprintln!("        {reads} reads beside a replay and eleven swaps");
}

/// Rows of meta that are changed by hand: what does not answer holds nothing up, and of the rest `status` names the mend.
pub(crate) fn damaged_by_hand_it_goes_on(stack: &Stack) {
    let meta = Database::meta(stack);
    let answering = || meta.number("SELECT generation FROM active_generation");
    last_line(&succeeds(&mut replay(stack, HARD)));
    let damage = |generation| {
        meta.rows(&format!(
            "UPDATE checkpoint SET event_id = gen_random_uuid() WHERE generation = {generation} AND pos > 0"
        ));
    };
    let well = || {
        until("all is well", MENDED_WITHIN, || match alarms(stack).as_slice() {
            [] => Ok(()),
            alarms => Err(format!("{alarms:?}")),
        });
    };
    let prune = || succeeds(&mut tool(stack, &["generations", "prune", "--keep-previous"]));

    damage(meta.number("SELECT from_generation FROM swap ORDER BY swap DESC LIMIT 1"));
    assert_works(stack.front, "the generation before is damaged");
    until_alarm(stack, "invalid-generation", "cargo reviewsctl generations prune --keep-previous");
    assert!(prune().contains("is deleted"));
    well();

    let answered = answering();
    meta.rows("DELETE FROM active_generation");
    let answers_again = until("a generation answers again", MENDED_WITHIN, || {
        let active = meta.column("SELECT generation FROM active_generation");
        active.first().cloned().ok_or_else(|| "none".to_owned())
    });
    assert_eq!(answers_again, answered.to_string());
    well();
    assert_works(stack.front, "none answered");

    last_line(&succeeds(&mut replay(stack, HARD)));
    let damaged = answering();
    damage(damaged);
    until_alarm(stack, "damaged-generation", "cargo reviewsctl rollback");
    let restarted = stack.command("restart", &["projector"]).output().unwrap();
    assert!(!restarted.status.success());
    let said = String::from_utf8_lossy(&restarted.stderr);
    assert!(said.contains("projector runs, but is not ready, and is left running"), "{said}");
    succeeds(&mut tool(stack, &["rollback"]));
    until_alarm(stack, "invalid-generation", "cargo reviewsctl generations prune --keep-previous");
    assert!(prune().contains(&format!("generation {damaged} is deleted")));
    well();
    assert_works(stack.front, "the generation that answered was damaged");
}

/// Until status tells an alarm, with its mend.
fn until_alarm(stack: &Stack, state: &str, command: &str) {
    let expected = (state.to_owned(), command.to_owned());
    until(&format!("status says {state}"), MENDED_WITHIN, || {
        let alarms = alarms(stack);
        if alarms == [expected.clone()] { Ok(()) } else { Err(format!("{alarms:?}")) }
    });
}

/// What status tells somebody to do something about: the state, and the command that mends it.
fn alarms(stack: &Stack) -> Vec<(String, String)> {
    let output = tool(stack, &["status", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |alarm: &serde_json::Value, key: &str| alarm[key].as_str().unwrap_or_default().to_owned();
    status["alarms"].as_array().unwrap().iter().map(|a| (text(a, "state"), text(a, "command"))).collect()
}

/// Reads metas until told to stop: each must answer, with at least as many reviews as before.
fn read(front: Front, reader: usize, ended: &AtomicBool) -> usize {
    let products: Vec<i64> = PRODUCTS.collect();
    let mut before = vec![0; products.len()];
    let mut reads = 0;
    while !ended.load(Ordering::Relaxed) {
        let at = (reads + reader) % products.len();
        let answer = front.ask(&Request::get(&format!("/reviews/{}/meta", products[at])));
        assert_eq!(answer.status, 200, "{answer:?}");
        let meta = answer.json();
        let number = |value: &serde_json::Value| {
            value
                .as_i64()
                .or_else(|| value.as_str()?.parse().ok())
                .unwrap_or_else(|| panic!("{value} is no number"))
        };
        let sum = |of: &serde_json::Value| of.as_object().unwrap().values().map(number).sum::<i64>();
        let (rated, recommended) = (sum(&meta["ratings"]), sum(&meta["recommended"]));
        assert!(
            rated == recommended && rated >= before[at],
            "product {}: {before:?}, then {meta}",
            products[at]
        );
        before[at] = rated;
        reads += 1;
    }
    reads
}

fn replay(stack: &Stack, pace: &[&str]) -> Command {
    tool(stack, &[&["replay", "--json"], pace].concat())
}

fn tool(stack: &Stack, args: &[&str]) -> Command {
    let mut command = reviewsctl(stack);
    command.args(args);
    command
}

fn last_line(output: &str) -> serde_json::Value {
    serde_json::from_str(output.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Whether the process came to its end by itself, before the time was up.
fn ended_within(child: &mut Child, time: Duration) -> bool {
    let until_then = Instant::now() + time;
    while Instant::now() < until_then {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "the replay ended with {status}");
            return true;
        }
        pause();
    }
    false
}

/// Moments that look random and are the same in every run.
struct Moments(u64);

impl Moments {
    fn next(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64((self.0 % 1000) as f64 / 1000.0)
    }
}
