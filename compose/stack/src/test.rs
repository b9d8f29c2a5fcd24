//! Throw-away servers for tests: `servers` runs a command beside them, `test` the workspace's tests.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::install::Needs;
use crate::interrupt;
use crate::place;
use crate::process;
use crate::python;
use crate::rabbitmq;
use crate::role::Role;
use crate::services;
use crate::stack::Stack;
use crate::state::Kind;
use crate::ui;

/// The broker first: it takes longest to boot.
const ALL: [Role; 4] = [Role::Epmd, Role::Rabbitmq, Role::Primary, Role::Meta];

/// Runs the tests of the workspace on their own servers; the exit code is theirs.
pub(crate) fn test(data: &Path, filter: Option<&str>, extra: &[String]) -> Result<ExitCode> {
    with_servers(data, &ALL, Needs::Tests, |stack| {
        let mut env = environment(stack)?;
        env.push(("TEST_PYTHON_BIN".to_owned(), python_bin(stack)?));
        ui::note("Building every program of the workspace (tests start them)");
        let mut build = services::cargo(&stack.repository);
        build.args(["build", "--workspace", "--bins"]).stdin(Stdio::null());
        if !process::run(&mut build)?.success() {
            bail!("the workspace does not build: see the compiler's messages above");
        }
        let nextest = crate::programs::on_path("cargo-nextest").is_some();
        let mut command = services::cargo(&stack.repository);
        command.args(if nextest { &["nextest", "run", "--workspace"][..] } else { &["test", "--workspace"] });
        if !extra.is_empty() && !nextest {
            command.args(filter).arg("--").args(extra);
        } else {
            command.args(filter).args(extra);
        }
        let status = process::run(command.envs(env.clone()))?;
        if nextest && status.success() && filter.is_none() && has_doc_tests(&stack.repository) {
            // nextest leaves documentation's examples to cargo.
            let mut command = services::cargo(&stack.repository);
            command.args(["test", "--workspace", "--doc"]).envs(env);
            return process::run(&mut command).map(exit_code);
        }
        Ok(exit_code(status))
    })
}

/// Runs a command beside test servers, or keeps them up until Ctrl-C and prints how to reach them.
pub(crate) fn servers(data: &Path, command: &[String]) -> Result<ExitCode> {
    with_servers(data, &ALL, Needs::Servers, |stack| {
        let env = environment(stack)?;
        let Some((program, args)) = command.split_first() else {
            for (key, value) in env {
                ui::out(format_args!("export {key}={}", ui::shell_quote(value)));
            }
            ui::note("Test servers are up; Ctrl-C stops and removes them.");
            return watch(stack);
        };
        process::run(Command::new(program).args(args).envs(env)).map(exit_code)
    })
}

fn watch(stack: &mut Stack) -> Result<ExitCode> {
    while !interrupt::interrupted() {
        stack.reap();
        if let Some(dead) = stack.state.processes.iter().find(|process| !process.identity.alive()) {
            bail!("{} has ended; {}", dead.name, stack.log_end(&dead.name));
        }
        interrupt::pause();
    }
    Ok(ExitCode::SUCCESS)
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Brings the servers up, runs `body`, and removes servers and data however it ended.
pub(crate) fn with_servers<T>(
    data: &Path,
    roles: &[Role],
    needs: Needs,
    body: impl FnOnce(&mut Stack) -> Result<T>,
) -> Result<T> {
    let mut stack = Stack::open(data, Kind::Test, needs)?;
    // What tests leave running becomes a child of this process, and so can be found and ended.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let result = start(&mut stack, roles).and_then(|()| body(&mut stack));
    end_strays(&stack);
    let step = ui::step("stopping the test servers and removing their data");
    // Their data go away with them: no need for an orderly end.
    for process in std::mem::take(&mut stack.state.processes) {
        process::stop(process.identity, &[(Signal::QUIT, std::time::Duration::ZERO)]);
    }
    stack.reap();
    let removed = remove_all(&stack);
    reap_strays();
    step.done();
    let value = result?;
    removed?;
    Ok(value)
}

fn start(stack: &mut Stack, roles: &[Role]) -> Result<()> {
    // A run that was killed left its servers and data: both are thrown away.
    stack.stop_all();
    remove_servers(stack)?;
    place::make_dir(&stack.servers, 0o700, stack.run_as.as_ref())?;
    stack.assign_ports(&Role::SERVERS)?;
    let names: Vec<String> = roles.iter().map(|role| role.name()).collect();
    let step = ui::step(format!("starting test servers: {}", names.join(", ")));
    for role in roles {
        stack.spawn(*role)?;
        if *role == Role::Epmd {
            stack.await_ready(Role::Epmd)?;
        }
    }
    for role in roles {
        stack.await_ready(*role)?;
    }
    step.done();
    Ok(())
}

fn remove_servers(stack: &Stack) -> Result<()> {
    process::kill_all(|| process::servers_in(&stack.servers));
    place::remove_tree(&stack.servers)?;
    if !stack.sockets.starts_with(&stack.servers) {
        place::remove_tree(&stack.sockets)?;
    }
    Ok(())
}

fn remove_all(stack: &Stack) -> Result<()> {
    remove_servers(stack)?;
    place::remove_data(&stack.data)
}

/// Ends the processes that tests started and left behind.
fn end_strays(stack: &Stack) {
    let ours: Vec<u32> = stack.state.processes.iter().map(|process| process.identity.pid).collect();
    let me = std::process::id();
    process::kill_all(|| {
        process::all_pids()
            .filter(|pid| !ours.contains(pid))
            .filter(|pid| process::Stat::of(*pid).is_some_and(|stat| stat.parent == me && !stat.dead()))
            .collect()
    });
}

/// Takes the exit codes of processes that came to us when their parents ended; nobody asks for them.
fn reap_strays() {
    while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
}

/// What tests find their servers by.
fn environment(stack: &Stack) -> Result<Vec<(String, String)>> {
    let postgres = stack.secrets.get("postgres")?;
    let broker = stack.secrets.get(rabbitmq::USER)?;
    let database = |role| format!("postgres://postgres:{postgres}@127.0.0.1:{}/postgres", stack.port(role));
    let bins = services::target_dir(&stack.repository)?.join("debug");
    let pairs = [
        ("TEST_PRIMARY_URL", database(Role::Primary)),
        ("TEST_META_URL", database(Role::Meta)),
        (
            "TEST_BROKER_URL",
            format!("amqp://{}:{broker}@127.0.0.1:{}", rabbitmq::USER, stack.port(Role::Rabbitmq)),
        ),
        ("TEST_BROKER_VHOSTS", rabbitmq::TEST_VHOSTS.to_string()),
        ("TEST_BIN_DIR", bins.display().to_string()),
        ("SQLX_OFFLINE", "true".to_owned()),
    ];
    Ok(pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}

/// Where the `python` is that has the packages of the outside tests.
fn python_bin(stack: &Stack) -> Result<String> {
    let python = python::require(stack.programs.python.as_ref())?;
    let bin = python.environment(&stack.repository)?;
    Ok(bin.display().to_string())
}

/// Whether any documentation of a library holds an example.
fn has_doc_tests(repository: &Path) -> bool {
    fn search(path: &Path) -> bool {
        if path.is_dir() {
            return fs::read_dir(path).into_iter().flatten().flatten().any(|entry| search(&entry.path()));
        }
        path.extension().is_some_and(|extension| extension == "rs")
            && fs::read_to_string(path).is_ok_and(|text| text.lines().any(is_example))
    }
    search(&repository.join("shared"))
}

fn is_example(line: &str) -> bool {
    let line = line.trim_start();
    let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else { return false };
    let Some(language) = doc.trim_start().strip_prefix("```") else { return false };
    language
        .split(',')
        .all(|word| ["", "rust", "no_run", "should_panic", "compile_fail"].contains(&word.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_in_documentation_are_recognised() {
        assert!(is_example("    /// ```"));
        assert!(is_example("//! ```rust,no_run"));
        assert!(!is_example("/// ```text"));
        assert!(!is_example("let x = \"```\";"));
    }
}
