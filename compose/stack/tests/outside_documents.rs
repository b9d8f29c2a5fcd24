//! The published documents, read by a program that is none of ours.

use std::path::Path;
use std::process::Command;

#[test]
fn the_golden_events_hold_against_the_asyncapi_document() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bin = std::env::var_os("TEST_PYTHON_BIN")
        .expect("TEST_PYTHON_BIN is not set: run tests by `cargo stack test [FILTER]`, which sets it up");
    let mut check = Command::new(Path::new(&bin).join("python"));
    check.arg("-I").arg(repository.join("compose/outside/check_events.py")).arg(&repository);

    let output = check.output().expect("the Python of TEST_PYTHON_BIN starts");

    let (said, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{faults}");
}
