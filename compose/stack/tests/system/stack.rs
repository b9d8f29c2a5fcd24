//! A stack of the test's own, as a person would start it, that never outlives the test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::Deserialize;

use crate::http::Front;
use crate::wait::until;

/// Ports for front doors: below those that the kernel gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 18_200..18_700;
/// Lines of each log that a failed test shows.
const LOG_LINES_SHOWN: usize = 12;

/// What `status --json` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    pub(crate) front: String,
    /// Where there is one.
    pub(crate) admin: Option<String>,
    pub(crate) processes: Vec<Process>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: Option<i32>,
    pub(crate) port: u16,
    pub(crate) ready: bool,
}

/// One stack. Two never run at the same time: they would starve each other of the machine's cores.
#[derive(Debug)]
pub(crate) struct Stack {
    root: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) front: Front,
    _alone: File,
}

impl Stack {
    /// A place for a stack that is not up yet.
    pub(crate) fn prepare(name: &str) -> Self {
        let alone = File::create(std::env::temp_dir().join("reviews-system-tests.lock")).unwrap();
        alone.lock().unwrap();
        let root = std::env::temp_dir().join(format!("reviews-system-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        // The servers may run as another user, who must get through.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        let port = PORTS.into_iter().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        let front = Front { port: port.expect("a free port for the front door") };
        Self { data: root.join("data"), root, front, _alone: alone }
    }

    /// A command of the tool on this stack.
    pub(crate) fn command(&self, command: &str, args: &[&str]) -> Command {
        let mut stack = Command::new(env!("CARGO_BIN_EXE_stack"));
        stack.arg(command).arg("--data").arg(&self.data).args(args).stdin(Stdio::null());
        stack
    }

    /// `up` on this stack's port, with the programs of this build.
    pub(crate) fn up_command(&self, args: &[&str]) -> Command {
        let bins = std::env::var_os("TEST_BIN_DIR").expect(
            "TEST_BIN_DIR is not set: run tests by `cargo stack test [FILTER]`, which builds every program",
        );
        let mut up = self.command("up", args);
        up.args(["--port", &self.front.port.to_string(), "--bin-dir"]).arg(bins);
        up
    }

    /// Runs a command that must succeed.
    pub(crate) fn run(&self, command: &str, args: &[&str]) -> String {
        succeeds(&mut self.command(command, args))
    }

    /// Brings it up in the background and returns how long that took.
    pub(crate) fn up(&self) -> Duration {
        let begun = Instant::now();
        succeeds(&mut self.up_command(&["--detach"]));
        begun.elapsed()
    }

    pub(crate) fn status(&self) -> Status {
        let text = self.run("status", &["--json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("status --json: {error}: {text}"))
    }

    /// Process ids by name.
    pub(crate) fn pids(&self) -> BTreeMap<String, i32> {
        self.status().processes.into_iter().filter_map(|process| Some((process.name, process.pid?))).collect()
    }

    /// `kill -9` for one process; returns when it is gone.
    pub(crate) fn kill(&self, name: &str) {
        let pid = *self.pids().get(name).unwrap_or_else(|| panic!("{name} does not run"));
        kill_all(&[pid]);
    }

    /// `kill -9` for every process as fast as they can be signalled.
    pub(crate) fn kill_everything(&self) {
        let pids: Vec<i32> = self.pids().into_values().collect();
        kill_all(&pids);
        assert!(self.pids().is_empty(), "`status` shows processes that were killed: {:?}", self.pids());
    }

    /// The directory of the servers' data.
    pub(crate) fn servers(&self) -> PathBuf {
        let state: serde_json::Value =
            serde_json::from_slice(&fs::read(self.data.join("state.json")).unwrap()).unwrap();
        state["servers_elsewhere"].as_str().map_or_else(|| self.data.join("servers"), PathBuf::from)
    }

    /// A directory beside the data, which goes away with the stack.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let dir = self.root.join(name);
        fs::create_dir(&dir).unwrap();
        dir
    }

    /// The settings that `up` wrote for operators.
    pub(crate) fn operator_env(&self, key: &str) -> String {
        let path = self.data.join("reviewsctl.env");
        let text = fs::read_to_string(&path).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {key} in {}", path.display())).to_owned()
    }

    fn show_logs(&self) {
        for entry in fs::read_dir(self.data.join("logs")).into_iter().flatten().flatten() {
            let log = fs::read(entry.path()).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let end = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("--- end of {}\n{}", entry.path().display(), lines[end..].join("\n"));
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
        let reset = self.command("reset", &["--yes"]).output();
        let left = processes_of(&self.data);
        if !reset.as_ref().is_ok_and(|output| output.status.success()) || !left.is_empty() {
            eprintln!("the stack in {} did not go away by itself: {reset:?}", self.data.display());
            for (pid, _) in &left {
                let _ = Pid::from_raw(*pid).map(|pid| rustix::process::kill_process(pid, Signal::KILL));
            }
        }
        let _ = fs::remove_dir_all(&self.root);
        assert!(std::thread::panicking() || left.is_empty(), "`reset` left processes running: {left:#?}");
    }
}

/// `kill -9`; returns when they are gone.
pub(crate) fn kill_all(pids: &[i32]) {
    for pid in pids {
        rustix::process::kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
    }
    until(&format!("{pids:?} are gone"), Duration::from_secs(10), || {
        let alive: Vec<&i32> = pids.iter().filter(|pid| is_alive(**pid)).collect();
        if alive.is_empty() { Ok(()) } else { Err(format!("{alive:?} are alive")) }
    });
}

/// Not gone, nor waiting for its parent to notice.
fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

/// Runs a command that must succeed, and returns what it printed.
pub(crate) fn succeeds(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}):\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Living processes that name the directory in their arguments or work in it.
pub(crate) fn processes_of(dir: &Path) -> Vec<(i32, String)> {
    let name = dir.to_str().unwrap();
    let look = |entry: fs::DirEntry| {
        let proc = entry.path();
        let pid: i32 = proc.file_name()?.to_str()?.parse().ok()?;
        let args = String::from_utf8_lossy(&fs::read(proc.join("cmdline")).ok()?).replace('\0', " ");
        let works_there = fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
        (args.contains(name) || works_there).then_some((pid, args))
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(look).collect()
}
