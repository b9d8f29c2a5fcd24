//! The committed description of all operations against what the services say of themselves.

use std::process::Command;

#[test]
fn the_committed_document_is_what_the_services_say_of_themselves() {
    let bins = std::env::var_os("TEST_BIN_DIR").expect(
        "TEST_BIN_DIR is not set: run tests by `cargo stack test [FILTER]`, which builds every program",
    );
    let mut check = Command::new(env!("CARGO_BIN_EXE_stack"));
    let output = check.args(["openapi", "--check", "--bin-dir"]).arg(bins).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
