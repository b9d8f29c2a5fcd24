//! Installs Debian's packages of the servers that are missing, without starting a system service.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::interrupt::{self, Interrupted};
use crate::process;
use crate::programs::{self, Programs};
use crate::python;
use crate::ui;

/// Asked by every package before it starts a service; 101 means "not allowed".
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Read by postgresql-common before it makes the cluster `main`.
const CLUSTER_DIR: &str = "/etc/postgresql-common/createcluster.d";
const CLUSTER_FILE: &str = "/etc/postgresql-common/createcluster.d/reviews-stack.conf";

/// Which servers a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing is started for the first time: whatever is there will do.
    Nothing,
    /// Postgres and RabbitMQ.
    Servers,
    /// Those and NGINX.
    Everything,
    /// All of that, and Python.
    Tests,
}

/// The programs, after installing what is missing and may be installed.
pub(crate) fn programs(needs: Needs) -> Result<Programs> {
    let found = Programs::find(needs);
    let packages = missing(&found, needs);
    if packages.is_empty() {
        return Ok(found);
    }
    install(&packages)?;
    let found = Programs::find(needs);
    if needs == Needs::Tests {
        python::require(found.python.as_ref())?;
    }
    let still = missing(&found, needs);
    if !still.is_empty() {
        bail!("installed, but the programs of {} are not where Debian puts them", names(&still));
    }
    Ok(found)
}

type Package = (&'static str, &'static str);

fn missing(found: &Programs, needs: Needs) -> Vec<Package> {
    let mut packages = Vec::new();
    if needs == Needs::Nothing {
        return packages;
    }
    if found.postgres.is_empty() {
        packages.push(("postgresql", "the primary and the meta database"));
    }
    if found.rabbitmq.is_none() || found.epmd.is_none() {
        packages.push(("rabbitmq-server", "the broker between write and projector"));
    }
    if needs != Needs::Servers && found.nginx.is_none() {
        packages.push(("nginx", "the front door"));
    }
    if needs == Needs::Tests && found.python.is_none() {
        packages
            .push(("python3-venv", "Python 3.11 or newer, for the tests that read the API's description"));
    }
    packages
}

fn names(packages: &[Package]) -> String {
    packages.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

fn install(packages: &[Package]) -> Result<()> {
    let list = names(packages);
    let by_hand = format!("sudo apt-get update && sudo apt-get install --yes --no-install-recommends {list}");
    if programs::on_path("apt-get").is_none() {
        bail!("missing: {list}. There is no apt-get here: install them with this system's package manager");
    }
    let Some(root) = Root::find() else {
        bail!("missing: {list}. Installing needs root: run `{by_hand}`, then this command again");
    };
    ui::note("Installing Debian packages that are missing:");
    for (name, why) in packages {
        ui::note(format_args!("  {name}: {why}"));
    }
    ui::note("None of them is started or enabled as a system service; the stack runs its own copies.");
    let enabled_before = enabled_units();
    let guards = [
        Guard::put(&root, POLICY, "#!/bin/sh\nexit 101\n", "0755")?,
        Guard::put(&root, CLUSTER_FILE, "create_main_cluster = false\n", "0644")?,
    ];
    let result = apt(&root, &list);
    drop(guards);
    disable_new_units(&root, &enabled_before);
    if let Err(error) = result {
        if error.is::<Interrupted>() {
            return Err(error);
        }
        bail!("{error:#}. To install by hand: `{by_hand}`");
    }
    Ok(())
}

/// Another package manager at work (unattended upgrades on a fresh machine) is waited for, in seconds.
const WAIT: &str = "--option=DPkg::Lock::Timeout=300";

fn apt(root: &Root, list: &str) -> Result<()> {
    ui::note("Running apt-get update ...");
    let update = process::run(&mut root.apt(&format!("{WAIT} update --quiet")))?;
    if !update.success() {
        bail!("apt-get update failed ({update})");
    }
    ui::note("Running apt-get install ...");
    // Cut short, dpkg needs a repair by hand: a Ctrl-C takes effect when it has finished. A process group of
    // its own keeps the terminal's signal from it.
    let mut command = root.apt(&format!("{WAIT} install --quiet --yes --no-install-recommends {list}"));
    let mut child = command.process_group(0).spawn().context("cannot start apt-get")?;
    let mut told = false;
    let install = loop {
        if let Some(status) = child.try_wait().context("cannot wait for apt-get")? {
            break status;
        }
        if interrupt::interrupted() && !told {
            ui::note("Interrupted: stopping when the packages are complete ...");
            told = true;
        }
        interrupt::pause();
    };
    if !install.success() {
        bail!("apt-get install failed ({install})");
    }
    interrupt::check()
}

/// How to become root: by being it, or by `sudo` where that asks for no password.
#[derive(Debug)]
struct Root {
    sudo: bool,
}

impl Root {
    fn find() -> Option<Self> {
        if crate::user::is_root() {
            return Some(Self { sudo: false });
        }
        let quiet = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|status| status.success()).then_some(Self { sudo: true })
    }

    fn command(&self, program: &str) -> Command {
        if self.sudo {
            let mut command = Command::new("sudo");
            command.args(["-n", program]);
            return command;
        }
        Command::new(program)
    }

    fn apt(&self, words: &str) -> Command {
        let mut command = self.command("env");
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(words.split(' '))
            .stdin(Stdio::null());
        command
    }

    /// A short command that is not cut short by Ctrl-C: its own process group keeps the terminal's away.
    fn quietly(&self, program: &str, args: &[&str]) -> bool {
        let mut command = self.command(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        command.status().is_ok_and(|status| status.success())
    }
}

/// A file that exists only while packages are installed. One that was there before is left as it is.
#[derive(Debug)]
struct Guard<'a> {
    root: &'a Root,
    path: Option<&'static str>,
    made_dir: bool,
}

impl<'a> Guard<'a> {
    fn put(root: &'a Root, path: &'static str, text: &str, mode: &str) -> Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Ok(Self { root, path: None, made_dir: false });
        }
        let made_dir = path == CLUSTER_FILE && !Path::new(CLUSTER_DIR).exists();
        let guard = Self { root, path: Some(path), made_dir };
        let script = "umask 022 && mkdir -p \"$(dirname \"$1\")\" && printf '%s' \"$2\" > \"$1\" && chmod \"$3\" \"$1\"";
        if !root.quietly("sh", &["-c", script, "sh", path, text, mode]) {
            bail!("cannot write {path}, which keeps packages from starting services");
        }
        Ok(guard)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let Some(path) = self.path else { return };
        if !self.root.quietly("rm", &["-f", path]) {
            ui::note(format_args!(
                "warning: cannot remove {path}: remove it by hand (it keeps services from starting)"
            ));
        }
        if self.made_dir {
            let _ = self.root.quietly("rmdir", &["--ignore-fail-on-non-empty", CLUSTER_DIR]);
        }
    }
}

/// System units that start at boot, where systemd is in charge.
fn enabled_units() -> BTreeSet<String> {
    if !Path::new("/run/systemd/system").exists() {
        return BTreeSet::new();
    }
    let listed = Command::new("systemctl")
        .args(["list-unit-files", "--state=enabled", "--no-legend", "--no-pager", "--plain"])
        .output();
    let text = listed.map(|output| output.stdout).unwrap_or_default();
    units_of(&String::from_utf8_lossy(&text))
}

fn units_of(listing: &str) -> BTreeSet<String> {
    listing
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().next())
        .filter(|unit| unit.ends_with(".service") || unit.ends_with(".socket"))
        .map(str::to_owned)
        .collect()
}

/// Packages enable their units even when they may not start them: undone, so that a reboot starts nothing.
fn disable_new_units(root: &Root, before: &BTreeSet<String>) {
    let after = enabled_units();
    let servers = ["postgresql", "rabbitmq", "nginx", "epmd"];
    for unit in after.difference(before).filter(|unit| servers.iter().any(|name| unit.starts_with(name))) {
        if !root.quietly("systemctl", &["--quiet", "disable", unit]) {
            ui::note(format_args!("warning: cannot disable {unit}: `sudo systemctl disable {unit}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let none = Programs { postgres: Vec::new(), rabbitmq: None, epmd: None, nginx: None, python: None };
        assert_eq!(names(&missing(&none, Needs::Everything)), "postgresql rabbitmq-server nginx");
        assert_eq!(names(&missing(&none, Needs::Servers)), "postgresql rabbitmq-server");
        assert!(missing(&none, Needs::Nothing).is_empty());
        let some = Programs {
            postgres: vec![(15, "/p".into())],
            rabbitmq: Some("/r".into()),
            epmd: Some("/e".into()),
            nginx: None,
            python: None,
        };
        assert_eq!(names(&missing(&some, Needs::Everything)), "nginx");
        assert_eq!(names(&missing(&some, Needs::Tests)), "nginx python3-venv");
        assert!(missing(&some, Needs::Servers).is_empty());
    }

    #[test]
    fn units_are_read_from_systemctls_listing() {
        let listing =
            "nginx.service enabled enabled\nepmd.socket enabled enabled\napt-daily.timer enabled enabled\n";
        assert_eq!(units_of(listing), BTreeSet::from(["epmd.socket".to_owned(), "nginx.service".to_owned()]));
    }
}
