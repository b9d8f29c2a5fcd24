//! Schemathesis, a tester of other people, makes requests from `docs/openapi.json` alone, good ones and bad
//! ones, and compares each answer with it. Which checks it makes, and why not the others, is said in
//! `compose/outside/schemathesis.toml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::stack::Stack;

/// Requests of random content for each operation at most, beside the examples and the edge cases. With twice
/// as many the whole takes nearly twice as long.
const EXAMPLES_MAX: u32 = 150;

/// The same requests in every run. To try others, change it.
const SEED: u32 = 20_190_805;

/// What may stand in a path of the description beside operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The tester's own account of its run.
#[derive(Debug, Deserialize)]
struct Report {
    complete: bool,
    operations: Operations,
    test_cases: TestCases,
}

#[derive(Debug, Deserialize)]
struct Operations {
    tested: usize,
    errored: usize,
    skipped: usize,
}

#[derive(Debug, Deserialize)]
struct TestCases {
    generated: usize,
    without_checks: usize,
}

pub(crate) fn answers_are_as_described(stack: &Stack) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let described = operations(&repository.join("docs/openapi.json"));
    let dir = stack.scratch("outside");

    let output = run(&repository, &dir, stack.front.port);

    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seed {SEED}, {}:\n{said}{errors}", output.status);
    let report = fs::read(dir.join("report.json")).expect("the tester writes its report");
    let report: Report = serde_json::from_slice(&report).expect("the tester's report");
    let Operations { tested, errored, skipped } = report.operations;
    assert!(
        report.complete && (tested, errored, skipped) == (described, 0, 0),
        "of {described} operations: {report:?}\n{said}"
    );
    let TestCases { generated, without_checks } = report.test_cases;
    assert!(generated > described && without_checks == 0, "{report:?}\n{said}");
    let summary = said.find("= SUMMARY =").map_or(said.as_str(), |at| &said[at..]);
    eprintln!("seed {SEED}, {described} operations, {generated} requests\n{summary}");
}

/// How many operations the description has.
fn operations(file: &Path) -> usize {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let document: Value = serde_json::from_slice(&text).expect("the description is JSON");
    let paths = document["paths"].as_object().expect("the description has paths");
    let methods = paths.values().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    methods.filter(|method| METHODS.contains(&method.as_str())).count()
}

fn run(repository: &Path, dir: &Path, port: u16) -> Output {
    let bin = std::env::var_os("TEST_PYTHON_BIN")
        .expect("TEST_PYTHON_BIN is not set: run tests by `cargo stack test [FILTER]`, which sets it up");
    let outside = repository.join("compose/outside");
    let mut tester = Command::new(PathBuf::from(bin).join("python"));
    tester
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(outside.join("schemathesis.toml"))
        .arg("run")
        .arg(repository.join("docs/openapi.json"))
        .args(["--url", &format!("http://127.0.0.1:{port}"), "--seed", &SEED.to_string()])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", &EXAMPLES_MAX.to_string()])
        .args(["--no-color", "--report", "json", "--report-json-path", "report.json"]);
    // It finds `as_clients_send.py` there, and leaves nothing in the repository.
    tester.env("PYTHONPATH", outside).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        tester.env_remove(proxy);
    }
    tester.current_dir(dir).stdin(Stdio::null()).output().expect("the Python of TEST_PYTHON_BIN starts")
}
