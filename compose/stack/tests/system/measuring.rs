//! The load tests work: each scenario for a second, for what it does and not for how fast.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sql::Database;
use crate::stack::Stack;

/// Requests a second, and as many in all.
const RATE: i64 = 40;
/// The products that the sample has.
const PRODUCTS: &str = "1007";

fn loadtest(args: &[&str]) -> Command {
    let mut load = Command::new(Path::new(&std::env::var_os("TEST_BIN_DIR").unwrap()).join("loadtest"));
    load.arg("run").args(args).stdin(Stdio::null());
    load
}

/// Runs a scenario and returns its JSON.
fn run(stack: &Stack, scenario: &str, args: &[&str]) -> Value {
    let beside = stack.data.parent().unwrap();
    let (json, page) = (beside.join("load.json"), beside.join("load.html"));
    let mut load = loadtest(&[scenario, "--front", &format!("127.0.0.1:{}", stack.front.port)]);
    load.args(["--products", PRODUCTS, "--seconds", "1", "--connections", "4"]).args(args);
    load.arg("--json").arg(&json).arg("--html").arg(&page);
    let ran = load.output().unwrap();
    assert!(ran.status.success(), "{scenario}: {}", String::from_utf8_lossy(&ran.stderr));
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.matches("<svg").count() == 3 && page.contains(scenario), "{scenario}: {page}");
    assert!(!page.contains("src=") && !page.contains("href="), "the page needs something from elsewhere");
    serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap()
}

/// Every scenario sends what it says, and nothing is answered badly or late.
pub(crate) fn every_scenario_runs(stack: &Stack, primary: &Database) {
    let rate = RATE.to_string();
    let count = |sql: &str| primary.number(sql);
    let reviews = || count("SELECT count(*) FROM reviews");
    let votes = || count("SELECT sum(helpfulness)::bigint FROM reviews");
    for scenario in [
        "random-meta",
        "random-list",
        "zipf",
        "hot-meta",
        "hot-list",
        "post",
        "vote",
        "mixed",
        "ceiling-literal",
        "ceiling-static",
    ] {
        let before = (reviews(), votes());
        let at_rate = run(stack, scenario, &["--rate", &rate]);
        assert_eq!(at_rate["scenario"], scenario);
        assert_eq!(at_rate["requests"], RATE, "{scenario}: {at_rate}");
        let clean = ["errors", "stale", "stale_with_token"].map(|key| at_rate[key].as_i64().unwrap());
        assert_eq!(clean, [0; 3], "{scenario}: {at_rate}");
        let ms =
            ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"].map(|key| at_rate[key].as_f64().unwrap());
        assert!(ms[0] > 0.0 && ms.is_sorted(), "{scenario}: {at_rate}");
        let added = (reviews() - before.0, votes() - before.1);
        match scenario {
            "post" => assert_eq!(added, (RATE, 0)),
            "vote" => assert_eq!(added, (0, RATE)),
            "mixed" => assert!(added.0 + added.1 <= RATE / 2, "{added:?} of {RATE} were writes"),
            _ => assert_eq!(added, (0, 0), "{scenario}"),
        }
    }
    let data = stack.data.to_str().unwrap();
    let before = reviews();
    let dropped = run(stack, "list-dropped", &["--rate", &rate, "--data", data]);
    let watched = dropped["requests"].as_i64().unwrap();
    assert!(watched > 0 && dropped["errors"] == 0 && dropped["p50_ms"].as_f64() > Some(0.0), "{dropped}");
    assert_eq!(reviews() - before, RATE + watched, "those at the rate, and those watched: {dropped}");
    let before = reviews();
    let ceiling = run(stack, "ceiling-post", &["--data", data]);
    assert!(ceiling["requests"].as_i64() > Some(4) && ceiling["errors"] == 0, "{ceiling}");
    assert_eq!(reviews() - before, ceiling["requests"].as_i64().unwrap(), "{ceiling}");
    let closed = run(stack, "post", &["--respond-async"]);
    assert_eq!(
        (closed["offered_rps"].clone(), closed["errors"].as_i64()),
        (Value::Null, Some(0)),
        "{closed}"
    );
    assert!(
        closed["requests"].as_i64().unwrap() > 4 && closed["achieved_rps"].as_f64().unwrap() > 4.0,
        "{closed}"
    );
}

/// What cannot be measured is said before anything is, in one line.
pub(crate) fn what_cannot_be_measured_is_said_at_once(stack: &Stack) {
    let front = format!("127.0.0.1:{}", stack.front.port);
    // Nobody listens where a listener has just been.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = listener.local_addr().unwrap().to_string();
    drop(listener);
    for (args, said) in [
        (["random-meta", "--front", &nowhere, "--seconds", "600"], "loadtest: nobody answers at 127.0.0.1:"),
        (["post", "--front", &nowhere, "--seconds", "600"], "loadtest: nobody answers at 127.0.0.1:"),
        (
            ["zipf", "--front", &front, "--json", "/nowhere/at/all"],
            "loadtest: cannot write /nowhere/at/all: ",
        ),
        (
            ["zipf", "--front", &front, "--html", "/nowhere/at/all"],
            "loadtest: cannot write /nowhere/at/all: ",
        ),
    ] {
        let ran = loadtest(&args).output().unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.starts_with(said) && stderr.trim_end().lines().count() == 1, "{args:?}: {stderr}");
        assert!(ran.stdout.is_empty(), "{args:?}");
    }
}

/// A load test that is interrupted takes what it had started with it.
pub(crate) fn nothing_is_left_of_an_interrupted_one() {
    let args = ["ceiling-static", "--seconds", "600", "--connections", "4"];
    let mut load = loadtest(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(load.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("requests/s"), "{first}");
    let dir = std::env::temp_dir().join(format!("reviews-bare-{}", load.id()));
    assert!(dir.exists(), "{}", dir.display());
    // To it alone, not to its group, as from a terminal.
    let sent = Command::new("kill").args(["-INT", &load.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(load.wait().unwrap().code(), Some(130));
    assert!(!dir.exists(), "{} is still there", dir.display());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(rest.last().map(String::as_str), Some("loadtest: interrupted"), "{rest:?}");
}
