//! Commands on a stack that exists: `status`, `logs`, `start`, `stop`, `restart`, `down`, `reset`.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::install::Needs;
use crate::interrupt;
use crate::place;
use crate::process;
use crate::role::Role;
use crate::services;
use crate::settings;
use crate::stack::{self, Stack};
use crate::state::{Kind, Lock, State};
use crate::ui;
use crate::up;

#[derive(Debug, Serialize)]
struct Status {
    front: String,
    /// The admin API; absent where there is no stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    processes: Vec<ProcessStatus>,
}

#[derive(Debug, Serialize)]
struct ProcessStatus {
    name: String,
    /// Absent when it does not run.
    pid: Option<u32>,
    port: u16,
    ready: bool,
}

/// Prints what runs. Changes nothing, takes no lock, and answers for a stack that is down, too.
pub(crate) fn status(data: &Path, json: bool) -> Result<ExitCode> {
    let data = std::path::absolute(data).context("cannot tell the current directory")?;
    let known = State::load(&data)?;
    let state = known.as_ref().cloned().unwrap_or_else(|| State::new(Kind::Stack));
    let roles = if known.is_some() { roles_of(&state) } else { Vec::new() };
    // All at once: each may take its probe's whole time to say no.
    let processes: Vec<_> = std::thread::scope(|scope| {
        let probe = |role| {
            let (data, state) = (&data, &state);
            scope.spawn(move || process_status(data, state, role))
        };
        let probes: Vec<_> = roles.into_iter().map(probe).collect();
        probes.into_iter().filter_map(|probe| probe.join().ok()).collect()
    });
    let admin = processes.iter().find(|process| process.name == Role::Admin.name());
    let admin = admin.map(|process| format!("http://127.0.0.1:{}", process.port));
    let status = Status { front: up::front(&state), admin, processes };
    if json {
        ui::out(serde_json::to_string(&status).context("cannot write the status as JSON")?);
        return Ok(ExitCode::SUCCESS);
    }
    if status.processes.iter().all(|process| process.pid.is_none()) {
        ui::out(format_args!("nothing runs from {}: `cargo stack up` starts it", data.display()));
        return Ok(ExitCode::SUCCESS);
    }
    ui::out(format_args!("front door  {}", status.front));
    if let Some(admin) = &status.admin {
        let token = data.join("secrets").join(services::ADMIN_TOKEN);
        ui::out(format_args!("admin API   {admin}, token in {}", token.display()));
    }
    ui::out(format_args!("\n{:<12}{:>8}{:>8}  ready", "name", "pid", "port"));
    for process in status.processes {
        let pid = process.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let ready = if process.ready { "yes" } else { "no" };
        ui::out(format_args!("{:<12}{pid:>8}{:>8}  {ready}", process.name, process.port));
    }
    Ok(ExitCode::SUCCESS)
}

/// What belongs to the stack, and what still runs from before.
fn roles_of(state: &State) -> Vec<Role> {
    let mut roles = match state.kind {
        Kind::Stack => Role::all(state.reads),
        Kind::Test => Vec::new(),
    };
    roles.extend(state.processes.iter().filter_map(|process| Role::parse(&process.name)));
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn process_status(data: &Path, state: &State, role: Role) -> ProcessStatus {
    let name = role.name();
    let process = state.process(&name).filter(|process| process.identity.alive());
    let port = match (process, role) {
        (Some(process), _) => process.port,
        (None, Role::Nginx) => state.port,
        (None, _) => state.port_of(&name),
    };
    ProcessStatus {
        pid: process.map(|process| process.identity.pid),
        port,
        ready: stack::is_ready(data, state, role),
        name,
    }
}

/// Shows the end of a log, or follows it, by `tail`.
pub(crate) fn logs(data: &Path, name: &str, lines: u32, follow: bool) -> Result<ExitCode> {
    let dir = data.join("logs");
    let log = dir.join(format!("{name}.log"));
    if name.contains('/') || !log.is_file() {
        let mut names: Vec<String> = fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
            .collect();
        names.sort_unstable();
        let known = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        bail!("no log `{name}` in {}; there are: {known}", dir.display());
    }
    let mut tail = Command::new("tail");
    tail.arg(format!("--lines={lines}")).args(follow.then_some("--follow=name")).arg(&log);
    process::run(&mut tail)?;
    Ok(ExitCode::SUCCESS)
}

fn open(data: &Path) -> Result<Stack> {
    let Some(state) = State::load(data)? else {
        bail!("no stack in {}: `cargo stack up` makes one", data.display());
    };
    Stack::open(data, state.kind, Needs::Nothing)
}

fn role(stack: &Stack, name: &str) -> Result<Role> {
    let known = roles_of(&stack.state);
    match Role::parse(name).filter(|role| known.contains(role)) {
        Some(role) => Ok(role),
        None => {
            let names: Vec<String> = known.into_iter().map(Role::name).collect();
            bail!("no process is called `{name}`; there are: {}", names.join(", "))
        }
    }
}

/// Starts one process and waits until it is ready; one that runs is left alone. One that was just killed may
/// still look alive: it goes away during the wait, and is started.
pub(crate) fn start(data: &Path, name: &str) -> Result<ExitCode> {
    let mut stack = open(data)?;
    let role = role(&stack, name)?;
    let known = stack.state.process(name).map(|process| process.identity);
    settings::take_over(&mut stack.state.settings)?;
    if let Some(identity) = known.filter(|identity| identity.alive()) {
        let waited = stack.await_ready(role);
        if interrupt::interrupted() || identity.alive() {
            waited.with_context(|| {
                let flag = up::data_flag(&stack);
                format!("{name} runs but does not answer: `cargo stack restart{flag} {name}`")
            })?;
            ui::note(format_args!(" ok {name} is already running (pid {})", identity.pid));
            return Ok(ExitCode::SUCCESS);
        }
    }
    begin(&mut stack, role)
}

/// Stops one process; the others stay.
pub(crate) fn stop(data: &Path, name: &str) -> Result<ExitCode> {
    let mut stack = open(data)?;
    let role = role(&stack, name)?;
    stack.stop_shown(role);
    Ok(ExitCode::SUCCESS)
}

/// Stops one process, if it lives, and starts it again.
pub(crate) fn restart(data: &Path, name: &str) -> Result<ExitCode> {
    let mut stack = open(data)?;
    let role = role(&stack, name)?;
    settings::take_over(&mut stack.state.settings)?;
    if stack.state.alive(name) {
        stack.stop_shown(role);
    }
    begin(&mut stack, role)
}

fn begin(stack: &mut Stack, role: Role) -> Result<ExitCode> {
    if role == Role::Rabbitmq && !stack.state.alive("epmd") {
        begin(stack, Role::Epmd)?;
    }
    let step = ui::step(format!("starting {}", role.name()));
    if let Err(error) = stack.spawn(role).and_then(|()| stack.await_ready(role)) {
        drop(step);
        // What lives may be waiting for what has to be mended elsewhere, and goes on by itself then.
        if stack.state.alive(&role.name()) && !interrupt::interrupted() {
            return Err(error.context(format!(
                "{} runs, but is not ready, and is left running (`cargo stack logs{} {}` says why)",
                role.name(),
                up::data_flag(stack),
                role.name()
            )));
        }
        if stack.started.contains(&role) {
            stack.stop(role);
        }
        return Err(error);
    }
    step.done();
    Ok(ExitCode::SUCCESS)
}

/// Stops everything; the data stay.
pub(crate) fn down(data: &Path) -> Result<ExitCode> {
    if State::load(data)?.is_none() {
        ui::note(format_args!("nothing to stop: no stack in {}", data.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut stack = open(data)?;
    if stack.state.processes.is_empty() {
        ui::note("nothing to stop: nothing runs");
    }
    stack.stop_all();
    Ok(ExitCode::SUCCESS)
}

/// Stops everything and deletes all data, also where the state can no longer be read.
pub(crate) fn reset(data: &Path, yes: bool) -> Result<ExitCode> {
    let data = std::path::absolute(data).context("cannot tell the current directory")?;
    let outside = place::outside_dir(&data.canonicalize().unwrap_or_else(|_| data.clone()));
    let fresh = !data.join("state.json").exists();
    if fresh && !outside.exists() {
        ui::note(format_args!("nothing to delete: no stack in {}", data.display()));
        return Ok(ExitCode::SUCCESS);
    }
    if place::holds_other_files(&data) || State::is_another_programs(&data) {
        bail!(
            "{} holds other files than a stack's: move them away, or choose another directory with --data; \
             nothing was deleted",
            data.display()
        );
    }
    if fresh {
        // Only the servers' directory is left of it, and perhaps what a start made before it failed.
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    }
    if !yes && !confirmed(&data)? {
        ui::note("nothing was deleted");
        return Ok(ExitCode::FAILURE);
    }
    let data = data.canonicalize().with_context(|| format!("cannot enter {}", data.display()))?;
    let (servers, lock) = match State::load(&data) {
        Ok(Some(state)) => {
            let mut stack = Stack::open(&data, state.kind, Needs::Nothing)?;
            stack.stop_all();
            (stack.servers.clone(), None)
        }
        _ => {
            let lock = Lock::take(&data)?;
            (if outside.exists() { outside } else { data.join("servers") }, Some(lock))
        }
    };
    // What a lost state no longer names is found by where it works.
    for dir in [&servers, &data] {
        process::kill_all(|| process::servers_in(dir));
    }
    let step = ui::step(format!("deleting {}", data.display()));
    let sockets = place::choose_sockets_dir(&servers);
    for dir in [&sockets, &servers] {
        place::remove_tree(dir)?;
    }
    place::remove_data(&data)?;
    drop(lock);
    step.done();
    Ok(ExitCode::SUCCESS)
}

fn confirmed(data: &Path) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("this deletes every review in {}: say --yes to mean it", data.display());
    }
    ui::note(format_args!("This deletes every review in {}. Type `yes` to go on:", data.display()));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim() == "yes")
}
