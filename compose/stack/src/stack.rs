//! One data directory and what runs from it: how each process is launched, stopped and asked whether it is
//! ready. The commands are built on this.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::install::{self, Needs};
use crate::place;
use crate::process::{self, Launch};
use crate::programs::Programs;
use crate::role::Role;
use crate::secrets::Secrets;
use crate::state::{Kind, Lock, Process, State};
use crate::ui;
use crate::user::{self, RunAs};
use crate::{interrupt, nginx, postgres, probe, rabbitmq, services};

/// A data directory that is locked by this command.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) repository: PathBuf,
    pub(crate) data: PathBuf,
    /// Data and configuration of the servers; everything in it belongs to their user.
    pub(crate) servers: PathBuf,
    pub(crate) sockets: PathBuf,
    pub(crate) run_as: Option<RunAs>,
    pub(crate) programs: Programs,
    pub(crate) secrets: Secrets,
    pub(crate) state: State,
    /// What this command started, in order: what it stops again when it fails.
    pub(crate) started: Vec<Role>,
    children: Vec<Child>,
    /// Where in its log the present run of a role begins.
    log_begins: BTreeMap<String, u64>,
    lock: Option<Lock>,
}

impl Stack {
    /// Opens or makes a data directory. `needs`: the servers to find, or to install.
    pub(crate) fn open(data: &Path, kind: Kind, needs: Needs) -> Result<Self> {
        let data = std::path::absolute(data).context("cannot tell the current directory")?;
        // Read before anything is written: it may be the state of another program.
        let fresh = State::load(&data)?.is_none();
        if fresh && place::holds_other_files(&data) {
            bail!("{} holds other files: choose an empty or new directory with --data", data.display());
        }
        place::make_dir(&data, 0o755, None)?;
        let data = data.canonicalize().with_context(|| format!("cannot enter {}", data.display()))?;
        let lock = Lock::take(&data)?;
        let mut state = State::load(&data)?.unwrap_or_else(|| State::new(kind));
        if state.kind != kind {
            bail!(
                "{} is of the other kind ({:?} data): choose another directory with --data",
                data.display(),
                state.kind
            );
        }
        let programs = install::programs(needs)?;
        let run_as = user::for_servers()?;
        let servers = match &state.servers_elsewhere {
            Some(dir) => dir.clone(),
            None if state.user.is_some() || !fresh => data.join("servers"),
            None => place::choose_servers_dir(&data, run_as.as_ref())?,
        };
        place::make_dir(&servers, 0o700, run_as.as_ref())?;
        let orphaned = servers.join("primary").exists() && !data.join("secrets/postgres").exists();
        if kind == Kind::Stack && orphaned {
            bail!(
                "{} holds databases whose passwords are gone with an earlier {}: `cargo stack reset --data {}`",
                servers.display(),
                data.display(),
                ui::shell_quote(&data)
            );
        }
        let sockets = place::choose_sockets_dir(&servers);
        place::make_dir(&data.join("logs"), 0o700, None)?;
        state.servers_elsewhere = (servers != data.join("servers")).then(|| servers.clone());
        state.user = run_as.as_ref().map(|user| user.name.clone());
        state.save(&data)?;
        let secrets = Secrets::open(&data)?;
        Ok(Self {
            repository: place::repository(),
            data,
            servers,
            sockets,
            run_as,
            programs,
            secrets,
            state,
            started: Vec::new(),
            children: Vec::new(),
            log_begins: BTreeMap::new(),
            lock: Some(lock),
        })
    }

    /// Lets other commands at the data directory; this one only looks from now on.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    pub(crate) fn relock(&mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.data)?);
        }
        if let Some(state) = State::load(&self.data)? {
            self.state = state;
        }
        Ok(())
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.data.join("logs").join(format!("{name}.log"))
    }

    /// The last lines that a role wrote since this command started it, for an error message.
    pub(crate) fn log_end(&self, name: &str) -> String {
        let log = self.log(name);
        let begins = self.log_begins.get(name).copied().unwrap_or_default();
        format!("end of {}:\n{}", log.display(), process::tail(&log, begins, 15))
    }

    pub(crate) fn port(&self, role: Role) -> u16 {
        match role {
            Role::Nginx => self.state.port,
            other => self.state.port_of(&other.name()),
        }
    }

    /// Gives every role that does not run a port that is free now; a running one keeps its own.
    pub(crate) fn assign_ports(&mut self, roles: &[Role]) -> Result<()> {
        let names = roles.iter().filter(|role| **role != Role::Nginx).map(|role| role.name());
        for name in names.chain(["distribution".to_owned()]) {
            let owner = if name == "distribution" { "rabbitmq" } else { &name };
            let known = self.state.port_of(&name);
            if self.state.alive(owner) || (known != 0 && crate::ports::is_free(known)) {
                continue;
            }
            self.clear_orphans(owner);
            if known != 0 && crate::ports::is_free(known) {
                continue;
            }
            let mut taken: BTreeSet<u16> = self.state.ports.values().copied().collect();
            taken.insert(self.state.port);
            let seed = self.data.to_string_lossy();
            let port = crate::ports::choose(&seed, &taken, crate::ports::is_free)?;
            self.state.ports.insert(name, port);
        }
        self.state.save(&self.data)
    }

    fn launch(&self, role: Role) -> Result<Launch> {
        match role {
            Role::Primary | Role::Meta => postgres::launch(self, role),
            Role::Epmd => rabbitmq::epmd(self),
            Role::Rabbitmq => rabbitmq::launch(self),
            Role::Write | Role::Projector | Role::Read(_) | Role::Admin => services::launch(self, role),
            Role::Nginx => nginx::launch(self),
        }
    }

    /// Whether it runs, and as it would be started now.
    pub(crate) fn is_current(&self, role: Role) -> Result<bool> {
        let process = self.state.process(&role.name());
        let launch = self.launch(role)?;
        Ok(process
            .is_some_and(|process| process.identity.alive() && process.fingerprint == launch.fingerprint()))
    }

    /// Starts a role that does not run; [`Self::await_ready`] is the other half.
    pub(crate) fn spawn(&mut self, role: Role) -> Result<()> {
        interrupt::check()?;
        let name = role.name();
        self.clear_orphans(&name);
        let port = self.port(role);
        let mend = match role {
            Role::Nginx => "end it, or choose another port with `cargo stack up --port`",
            _ => "`cargo stack up` chooses another",
        };
        crate::ports::require_free(port, mend)?;
        match role {
            Role::Primary | Role::Meta => postgres::prepare(self, role)?,
            Role::Rabbitmq => rabbitmq::prepare(self)?,
            Role::Nginx => nginx::prepare(self)?,
            Role::Admin => services::prepare_admin(self)?,
            _ => {}
        }
        let launch = self.launch(role)?;
        let begins = fs::metadata(self.log(&name)).map(|log| log.len()).unwrap_or_default();
        let log = self.log(&name);
        // Servers that serve tests have nobody to give way to.
        let nice = if self.state.kind == Kind::Stack { role.nice() } else { 0 };
        let (child, identity) = launch.spawn(&log, nice)?;
        self.log_begins.insert(name.clone(), begins);
        self.children.push(child);
        self.state.processes.retain(|process| process.name != name);
        self.state.processes.push(Process { name, identity, port, fingerprint: launch.fingerprint() });
        self.state.save(&self.data)?;
        self.started.push(role);
        Ok(())
    }

    /// Waits until the role answers; its death or its limit is an error with the end of its log.
    pub(crate) fn await_ready(&mut self, role: Role) -> Result<()> {
        let name = role.name();
        let limit = role.start_limit();
        let ready = interrupt::poll(limit, || {
            self.reap();
            if !self.state.alive(&name) {
                bail!("{name} ended while starting; {}", self.log_end(&name));
            }
            Ok(self.is_ready(role).then_some(()))
        })?;
        if ready.is_none() {
            bail!("{name} is not ready after {} s; {}", limit.as_secs(), self.log_end(&name));
        }
        if matches!(role, Role::Primary | Role::Meta) {
            postgres::provision(self, role)?;
        }
        Ok(())
    }

    pub(crate) fn is_ready(&self, role: Role) -> bool {
        is_ready(&self.data, &self.state, role)
    }

    /// Takes note of children that ended.
    pub(crate) fn reap(&mut self) {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
    }

    /// Stops a role, in order, and forgets it.
    pub(crate) fn stop(&mut self, role: Role) {
        let name = role.name();
        if let Some(process) = self.state.process(&name) {
            process::stop(process.identity, role.stop_signals());
        }
        self.clear_orphans(&name);
        self.state.processes.retain(|process| process.name != name);
        if let Err(error) = self.state.save(&self.data) {
            ui::note(format_args!("warning: {error:#}"));
        }
        self.started.retain(|started| *started != role);
        self.reap();
    }

    /// Ends what a role that died left behind: NGINX's workers keep the port, Postgres' backends the memory.
    pub(crate) fn clear_orphans(&self, name: &str) {
        if self.state.alive(name) {
            return;
        }
        let Some(process) = self.state.process(name) else { return };
        process::kill_all(|| process.identity.orphans());
        if matches!(name, "primary" | "meta") {
            let dir = self.servers.join(name);
            let backends = || process::servers_in(&dir);
            // They notice the death of their parent by themselves and end in order.
            if !interrupt::wait_out(Duration::from_secs(5), || backends().is_empty()) {
                process::kill_all(backends);
            }
        }
        // A killed process holds its port for as long as the kernel takes to clear its memory away.
        interrupt::wait_out(Duration::from_secs(3), || crate::ports::is_free(process.port));
    }

    /// The roles that run, in the order of their start.
    pub(crate) fn running(&self) -> Vec<Role> {
        let mut roles: Vec<Role> =
            self.state.processes.iter().filter_map(|process| Role::parse(&process.name)).collect();
        roles.sort_unstable();
        roles
    }

    /// Stops everything that is noted as running, front door first.
    pub(crate) fn stop_all(&mut self) {
        for role in self.running().into_iter().rev() {
            self.stop_shown(role);
        }
    }

    /// Stops only what this command started.
    pub(crate) fn stop_started(&mut self) {
        let mut roles = self.started.clone();
        roles.sort_unstable();
        for role in roles.into_iter().rev() {
            self.stop_shown(role);
        }
    }

    pub(crate) fn stop_shown(&mut self, role: Role) {
        let step = ui::step(format!("stopping {}", role.name()));
        self.stop(role);
        step.done();
    }
}

/// Whether the process noted for this role lives and answers.
pub(crate) fn is_ready(data: &Path, state: &State, role: Role) -> bool {
    let Some(process) = state.process(&role.name()) else { return false };
    if !process.identity.alive() {
        return false;
    }
    match role {
        Role::Primary | Role::Meta => probe::postgres(data, process.port),
        Role::Epmd => probe::epmd(process.port),
        Role::Rabbitmq => probe::amqp(process.port),
        Role::Nginx => probe::http(&format!("http://{}:{}/", Ipv4Addr::LOCALHOST, process.port)).is_some(),
        Role::Write | Role::Projector | Role::Read(_) | Role::Admin => {
            probe::http(&format!("http://{}:{}/readyz", Ipv4Addr::LOCALHOST, process.port)) == Some(200)
        }
    }
}
