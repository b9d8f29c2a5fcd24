//! Starting, watching and stopping one process. A process is known by its pid *and* its start time, so that
//! a pid which the kernel gave to somebody else is never signalled.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::interrupt::{self, Interrupted};
use crate::user::RunAs;

/// A log above this size is set aside as `NAME.log.1` at the next start.
const LOG_BYTES_MAX: u64 = 32 << 20;

/// How long a child that was told to end may take before it is killed.
const CHILD_STOP: Duration = Duration::from_secs(15);

/// What it takes to start one long-lived process.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Whether the caller's environment is passed on as well.
    pub(crate) inherit_env: bool,
    pub(crate) dir: PathBuf,
    pub(crate) run_as: Option<RunAs>,
    /// Configuration, written just before the start: path, text, mode.
    pub(crate) files: Vec<(PathBuf, String, u32)>,
}

impl Launch {
    /// Changes whenever the process would be started differently, its program's file included.
    pub(crate) fn fingerprint(&self) -> String {
        let binary = fs::metadata(&self.program).map(|m| (m.len(), m.modified().ok())).ok();
        let text = format!("{:?} {:?} {:?} {:?} {binary:?}", self.program, self.args, self.env, self.files);
        crate::place::short_hash(text.as_bytes())
    }

    /// Starts the process in a process group of its own, its output appended to `log`, and `nice` steps behind us.
    pub(crate) fn spawn(&self, log: &Path, nice: i32) -> Result<(Child, Identity)> {
        for (path, text, mode) in &self.files {
            crate::place::write_file(path, text.as_bytes(), *mode, self.run_as.as_ref())?;
        }
        let out = open_log(log)?;
        let mut command = Command::new(&self.program);
        if !self.inherit_env {
            command.env_clear().env("PATH", crate::programs::SEARCH_PATH).env("LANG", "C.UTF-8");
        }
        // libpq's variables stand in for whatever a connection URL leaves out.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(key);
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().context("cannot share the log file")?)
            .stderr(out)
            .process_group(0);
        if let Some(user) = &self.run_as {
            command.uid(user.uid).gid(user.gid);
        }
        let child = spawn_behind(&mut command, nice)
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = child.id();
        let started = Stat::of(pid).map(|stat| stat.started).unwrap_or_default();
        Ok((child, Identity { pid, started }))
    }
}

/// Spawns from a thread that steps back itself: a process is as nice as the thread that it comes from, from its first
/// instruction on, and who has stepped back may not come forward again.
fn spawn_behind(command: &mut Command, nice: i32) -> std::io::Result<Child> {
    let spawn = || {
        rustix::process::nice(nice)?;
        command.spawn()
    };
    std::thread::scope(|scope| scope.spawn(spawn).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A process that was started once, and whether it is still that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Field 22 of `/proc/PID/stat`, in clock ticks since the machine booted.
    pub(crate) started: u64,
}

impl Identity {
    pub(crate) fn alive(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.started == self.started && !stat.dead())
    }

    pub(crate) fn signal(self, signal: Signal) {
        if self.alive() {
            signal_pid(self.pid, signal);
        }
    }

    /// Members of the process group that this process led and that live without it.
    pub(crate) fn orphans(self) -> Vec<u32> {
        let recycled = Stat::of(self.pid).is_some_and(|stat| stat.started != self.started);
        if recycled {
            return Vec::new();
        }
        all_pids()
            .filter(|pid| *pid != self.pid)
            .filter(|pid| Stat::of(*pid).is_some_and(|stat| stat.group == self.pid && !stat.dead()))
            .collect()
    }
}

/// Ends a process: each signal in turn with its time to obey, then SIGKILL for it and its whole group.
pub(crate) fn stop(identity: Identity, signals: &[(Signal, Duration)]) {
    for (signal, limit) in signals {
        identity.signal(*signal);
        if interrupt::wait_out(*limit, || !identity.alive()) {
            break;
        }
    }
    identity.signal(Signal::KILL);
    kill_all(|| {
        let mut rest = identity.orphans();
        rest.extend(identity.alive().then_some(identity.pid));
        rest
    });
}

/// Kills what `list` finds until it finds nothing more (or five seconds have passed).
pub(crate) fn kill_all(list: impl Fn() -> Vec<u32>) {
    interrupt::wait_out(Duration::from_secs(5), || {
        let rest = list();
        for pid in &rest {
            signal_pid(*pid, Signal::KILL);
        }
        rest.is_empty()
    });
}

pub(crate) fn signal_pid(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone already, or not ours to signal: the wait that follows tells which.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The parts of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    state: char,
    pub(crate) parent: u32,
    group: u32,
    started: u64,
}

impl Stat {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command name may hold spaces and brackets, so fields are counted from the last bracket.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    pub(crate) fn dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

pub(crate) fn all_pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Name of a process, as `ps` shows it.
pub(crate) fn command_name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Server processes whose working directory is `dir` or below it: how a Postgres backend, which leaves its
/// parent's process group, and a process of a lost state file are found.
pub(crate) fn servers_in(dir: &Path) -> Vec<u32> {
    const OURS: [&str; 7] = ["postgres", "beam.smp", "epmd", "nginx", "write", "projector", "read"];
    let works_there = |pid: u32| {
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        // Somebody deleted the directory below a running process: the kernel says so behind the path.
        let cwd = cwd.to_string_lossy();
        Path::new(cwd.strip_suffix(" (deleted)").unwrap_or(&cwd)).starts_with(dir)
    };
    all_pids()
        .filter(|pid| works_there(*pid))
        .filter(|pid| command_name(*pid).is_some_and(|name| OURS.contains(&name.as_str())))
        .filter(|pid| Stat::of(*pid).is_some_and(|stat| !stat.dead()))
        .collect()
}

/// Runs a command to its end. A signal to us ends it too.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for {name}"))? {
            return Ok(status);
        }
        if interrupt::interrupted() {
            signal_pid(child.id(), Signal::TERM);
            if !interrupt::wait_out(CHILD_STOP, || matches!(child.try_wait(), Ok(Some(_)))) {
                let _ = child.kill();
                let _ = child.wait();
            }
            return Err(Interrupted.into());
        }
        interrupt::pause();
    }
}

/// Runs a command with its output in `log`; a failure shows the last lines of it.
pub(crate) fn run_logged(command: &mut Command, what: &str, log: &Path) -> Result<()> {
    let out = open_log(log)?;
    let from = out.metadata().map(|m| m.len()).unwrap_or_default();
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let status = run(command)?;
    if !status.success() {
        bail!("{what} failed ({status}); end of {}:\n{}", log.display(), tail(log, from, 15));
    }
    Ok(())
}

fn open_log(log: &Path) -> Result<File> {
    if fs::metadata(log).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
        let _ = fs::rename(log, log.with_extension("log.1"));
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write the log {}", log.display()))
}

/// The last `lines` lines of a log, of what was written after byte `from`.
pub(crate) fn tail(log: &Path, from: u64, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let start = from.max(file.metadata()?.len().saturating_sub(64 << 10));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let shown = all.get(all.len().saturating_sub(lines)..).unwrap_or_default();
    shown.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_brackets_and_spaces_in_the_name() {
        let text = "42 (a) b (c) S 7 40 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat, Stat { state: 'S', parent: 7, group: 40, started: 98765 });
        assert!(Stat::parse("42 (sh) S 1").is_none());
    }

    #[test]
    fn a_recycled_pid_is_not_the_process_we_started() {
        let me = std::process::id();
        let started = Stat::of(me).unwrap().started;
        assert!(Identity { pid: me, started }.alive());
        assert!(!Identity { pid: me, started: started + 1 }.alive());
        assert!(Identity { pid: me, started: started + 1 }.orphans().is_empty());
    }

    #[test]
    fn a_process_is_as_nice_as_told_and_we_stay_as_we_were() {
        let nice_of = |pid| rustix::process::getpriority_process(pid).unwrap();
        let ours = nice_of(None);
        let mut child = spawn_behind(Command::new("sleep").arg("100"), 3).unwrap();
        let pid = child.id().try_into().ok().and_then(Pid::from_raw);
        assert_eq!(nice_of(pid), ours + 3);
        assert_eq!(nice_of(None), ours);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_ignores_its_signal_is_killed_with_its_group() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; sleep 100 & echo ready; wait; sleep 100"])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut first = [0_u8; 6];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let identity = Identity { pid: child.id(), started: Stat::of(child.id()).unwrap().started };
        assert_eq!(identity.orphans().len(), 1);
        stop(identity, &[(Signal::TERM, Duration::from_millis(200))]);
        assert!(!identity.alive());
        assert!(identity.orphans().is_empty());
        child.wait().unwrap();
    }
}
