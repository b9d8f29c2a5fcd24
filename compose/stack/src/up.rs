//! `up`: everything from nothing, or what is missing of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::install::Needs;
use crate::interrupt;
use crate::postgres;
use crate::role::Role;
use crate::services;
use crate::settings::{self, Settings};
use crate::stack::Stack;
use crate::state::{Kind, State};
use crate::ui;

/// What `up` was asked for; `None` keeps what the data directory remembers.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) port: Option<u16>,
    pub(crate) reads: Option<u16>,
    pub(crate) bin_dir: Option<PathBuf>,
    pub(crate) sample: bool,
    pub(crate) detach: bool,
}

pub(crate) fn up(data: &Path, wanted: &Wanted) -> Result<ExitCode> {
    // Said before anything is installed or made.
    settings::take_over(&mut Settings::new())?;
    let mut stack = Stack::open(data, Kind::Stack, Needs::Everything)?;
    let found_running = stack.state.processes.iter().any(|process| process.identity.alive());
    if let Err(error) = bring_up(&mut stack, wanted) {
        stack.stop_started();
        return Err(error);
    }
    show_addresses(&stack);
    stack.unlock();
    if wanted.detach || found_running {
        ui::note(format_args!(
            "Running in the background; `cargo stack down{}` stops it.",
            data_flag(&stack)
        ));
        return Ok(ExitCode::SUCCESS);
    }
    ui::note("Ctrl-C stops everything.");
    watch(&mut stack)
}

fn bring_up(stack: &mut Stack, wanted: &Wanted) -> Result<()> {
    let reads_before = stack.state.reads;
    apply(stack, wanted)?;
    let roles = Role::all(stack.state.reads);
    stack.assign_ports(&roles)?;
    start_servers(stack)?;
    let bin_dir = match &wanted.bin_dir {
        Some(dir) => std::path::absolute(dir).context("cannot tell the current directory")?,
        None => services::build(&stack.repository)?,
    };
    services::check_programs(&bin_dir)?;
    stack.state.bin_dir = Some(bin_dir);
    await_all(stack, &Role::SERVERS)?;
    services::write_operator_env(stack)?;
    let step = ui::step("applying migrations");
    services::migrate(stack)?;
    step.done();
    let others: Vec<Role> = roles.into_iter().filter(|role| !Role::SERVERS.contains(role)).collect();
    for role in &others {
        start_if_needed(stack, *role)?;
    }
    await_all(stack, &others)?;
    for surplus in (stack.state.reads + 1..=reads_before).map(Role::Read) {
        stack.stop_shown(surplus);
    }
    if !stack.state.started_once {
        if wanted.sample {
            services::load_sample(stack)?;
        }
        stack.state.started_once = true;
    }
    stack.state.save(&stack.data)
}

/// Takes the new settings over, after checking that the front door's port can be had.
fn apply(stack: &mut Stack, wanted: &Wanted) -> Result<()> {
    let port = wanted.port.unwrap_or(stack.state.port);
    stack.clear_orphans(&Role::Nginx.name());
    let ours = stack.state.process("nginx").filter(|process| process.identity.alive());
    if ours.is_none_or(|process| process.port != port) {
        crate::ports::require_free(port, "end it, or choose another port with `cargo stack up --port`")?;
    }
    settings::take_over(&mut stack.state.settings)?;
    stack.state.port = port;
    stack.state.reads = wanted.reads.unwrap_or(stack.state.reads);
    Ok(())
}

/// Postgres and RabbitMQ are only launched here: they boot while the services are built.
fn start_servers(stack: &mut Stack) -> Result<()> {
    for role in Role::SERVERS {
        start_if_needed(stack, role)?;
        if role == Role::Epmd {
            stack.await_ready(role)?;
        }
    }
    Ok(())
}

fn start_if_needed(stack: &mut Stack, role: Role) -> Result<()> {
    let name = role.name();
    if stack.is_current(role)? {
        let pid = stack.state.process(&name).map(|process| process.identity.pid).unwrap_or_default();
        ui::note(format_args!(" ok {name} is already running (pid {pid})"));
        return Ok(());
    }
    if stack.state.alive(&name) {
        ui::note(format_args!("    {name} runs with other settings or an older program: restarting it"));
        stack.stop_shown(role);
        // One after the other, so that the other readers go on answering.
        stack.spawn(role)?;
        return stack.await_ready(role);
    }
    stack.spawn(role)
}

fn await_all(stack: &mut Stack, roles: &[Role]) -> Result<()> {
    for role in roles {
        if stack.started.contains(role) {
            let step = ui::step(format!("starting {}", role.name()));
            stack.await_ready(*role)?;
            step.done();
        } else {
            stack.await_ready(*role)?;
        }
    }
    Ok(())
}

fn show_addresses(stack: &Stack) {
    let front = front(&stack.state);
    let flag = data_flag(stack);
    ui::out(format_args!("\nThe front door:  {front}"));
    for role in [Role::Primary, Role::Meta] {
        ui::out(format_args!(
            "{:<16} PGPASSWORD=$(cat {}) psql -h {} -p {} -U {} {}",
            format!("{}:", role.name()),
            ui::shell_quote(stack.secrets.file(postgres::OWNER)),
            ui::shell_quote(&stack.sockets),
            stack.port(role),
            postgres::OWNER,
            postgres::database(role),
        ));
    }
    ui::out(format_args!("rabbitmq:        127.0.0.1:{}", stack.port(Role::Rabbitmq)));
    ui::out(format_args!(
        "admin API:       http://127.0.0.1:{}/admin/v1/status, with the header Authorization: Bearer $(cat {})",
        stack.port(Role::Admin),
        ui::shell_quote(services::admin_token_file(stack)),
    ));
    ui::out(format_args!("More:            cargo stack status{flag}, cargo stack logs{flag} NAME"));
    ui::out("\nTry:");
    ui::out(format_args!(
        "  curl -i {front}/reviews/2 -d '{{\"rating\": 5, \"summary\": \"Fits\", \"body\": \"Bought it twice.\", \
         \"recommend\": true, \"name\": \"ada\", \"email\": \"ada@example.com\", \"characteristics\": {{\"5\": 4}}}}'"
    ));
    ui::out(format_args!("  curl '{front}/reviews/2/list?sort=newest'"));
    ui::out(format_args!("  curl {front}/reviews/2/meta\n"));
}

/// The front door's URL.
pub(crate) fn front(state: &State) -> String {
    format!("http://127.0.0.1:{}", state.port)
}

/// The option that leads another command to the same data directory; nothing for the default one.
pub(crate) fn data_flag(stack: &Stack) -> String {
    let default = stack.repository.join(".stack").canonicalize().ok();
    if default.as_ref() == Some(&stack.data) {
        return String::new();
    }
    format!(" --data {}", ui::shell_quote(&stack.data))
}

/// Stays until a signal, or until a process ends that nobody asked to end, or until another command has
/// stopped everything.
fn watch(stack: &mut Stack) -> Result<ExitCode> {
    loop {
        if interrupt::interrupted() {
            ui::note("Stopping everything");
            relock_patiently(stack)?;
            stack.stop_all();
            return Ok(ExitCode::SUCCESS);
        }
        stack.reap();
        let state = State::load(&stack.data).ok().flatten();
        if state.as_ref().is_none_or(|state| state.processes.is_empty()) {
            ui::note("Everything was stopped by another command.");
            return Ok(ExitCode::SUCCESS);
        }
        // Under the lock, because a command may just be restarting it.
        if state.is_some_and(|state| first_dead(&state).is_some()) && stack.relock().is_ok() {
            if let Some(name) = first_dead(&stack.state) {
                let end = stack.log_end(&name);
                stack.stop_all();
                bail!("{name} has ended, so everything was stopped; {end}");
            }
            stack.unlock();
        }
        interrupt::pause();
    }
}

fn first_dead(state: &State) -> Option<String> {
    let dead = state.processes.iter().find(|process| !process.identity.alive());
    dead.map(|process| process.name.clone())
}

/// Another command may hold the lock for as long as a start takes.
fn relock_patiently(stack: &mut Stack) -> Result<()> {
    const TRIES: u32 = 40;
    for _ in 1..TRIES {
        if stack.relock().is_ok() {
            return Ok(());
        }
    }
    stack.relock()
}
