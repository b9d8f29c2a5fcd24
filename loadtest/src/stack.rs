//! A stack of its own for a measurement: the real servers with their real settings.

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

/// Variable with the directory of programs to measure instead of those that are built.
const BIN_DIR: &str = "LOADTEST_BIN_DIR";
/// Longest run of `reviewsctl`: what takes longer will not end.
const RUN_TIMEOUT: Duration = Duration::from_secs(900);
/// Longest wait for the projector to have folded what was written.
const CAUGHT_UP_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a child's memory is looked at; its peak only rises.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The services, by what their names begin with: what else runs are servers of others.
const SERVICES: [&str; 3] = ["write", "projector", "read-"];

/// A process of a stack.
#[derive(Debug, serde::Deserialize)]
struct Process {
    name: String,
    /// None where it does not run.
    pid: Option<u32>,
    port: u16,
}

/// What a service takes of the machine's memory, in MiB.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) service: String,
    /// Resident now, and at most since its start.
    pub(crate) now_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Memory {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "service": self.service, "now_mib": self.now_mib, "peak_mib": self.peak_mib })
    }
}

/// A running stack, stopped and removed at the end.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) data: PathBuf,
    env_file: PathBuf,
    pub(crate) front: String,
    pub(crate) primary: PgPool,
    pub(crate) meta: PgPool,
    /// Whether it was there before, and stays.
    pub(crate) stays: bool,
    /// What it was started with.
    up: Vec<String>,
}

/// What a run of `reviewsctl` came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The last line of its output.
    pub(crate) json: serde_json::Value,
    pub(crate) took: Duration,
    pub(crate) peak_mib: f64,
}

impl Stack {
    /// Starts one, in a directory that must not be there.
    pub(crate) fn up(data: &Path, port: u16) -> Result<Self> {
        ensure!(!data.exists(), "{} is there already: remove it, or name another by --data", data.display());
        let mut up: Vec<String> = ["up", "--detach", "--no-sample", "--port"].map(str::to_owned).into();
        up.push(port.to_string());
        if let Ok(dir) = std::env::var(BIN_DIR) {
            up.extend(["--bin-dir".to_owned(), dir]);
        }
        cargo_stack(data, &up, None)?;
        let mut stack = Self::that_runs(data, format!("http://127.0.0.1:{port}"))?;
        stack.up = up;
        Ok(stack)
    }

    /// Gives a setting of the services or of NGINX another value.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<()> {
        cargo_stack(&self.data, &self.up, Some((name, value)))
    }

    /// What each service takes of the machine's memory.
    pub(crate) fn memory(&self) -> Result<Vec<Memory>> {
        let services =
            processes(&self.data)?.into_iter().filter(|p| SERVICES.iter().any(|s| p.name.starts_with(s)));
        services
            .map(|Process { name, pid, .. }| {
                let status = format!("/proc/{}/status", pid.with_context(|| format!("{name} does not run"))?);
                let (now_mib, peak_mib) = (mib(&status, "VmRSS:"), mib(&status, "VmHWM:"));
                ensure!(now_mib > 0.0, "{name} has ended");
                Ok(Memory { service: name, now_mib, peak_mib })
            })
            .collect()
    }

    /// Connects to one that runs.
    pub(crate) fn that_runs(data: &Path, front: String) -> Result<Self> {
        Ok(Stack {
            data: data.to_owned(),
            primary: pool(data, "PRIMARY")?,
            meta: pool(data, "META")?,
            env_file: env_file(data),
            front,
            stays: false,
            up: Vec::new(),
        })
    }

    /// Runs `reviewsctl` with these arguments and reads the JSON of its last line.
    pub(crate) async fn reviewsctl(&self, args: &[&str]) -> Result<Ran> {
        let began = Instant::now();
        let beside = std::env::current_exe()?.with_file_name("reviewsctl");
        let program = std::env::var_os(BIN_DIR).map_or(beside, |dir| PathBuf::from(dir).join("reviewsctl"));
        let mut child = tokio::process::Command::new(&program)
            .arg("--env-file")
            .arg(&self.env_file)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("cannot start {}: build it by `cargo build --release`", program.display())
            })?;
        let status = format!("/proc/{}/status", child.id().context("the child has ended")?);
        let mut stdout = child.stdout.take().context("no output")?;
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stdout, &mut text).await.map(|_| text)
        });
        let mut peak = 0.0_f64;
        let ended = loop {
            tokio::select! {
                ended = child.wait() => break ended?,
                () = tokio::time::sleep(LOOK_EVERY) => peak = peak.max(mib(&status, "VmHWM:")),
            }
            ensure!(
                began.elapsed() < RUN_TIMEOUT,
                "reviewsctl {} did not end within {} s, and was ended",
                args.join(" "),
                RUN_TIMEOUT.as_secs()
            );
        };
        let text = reading.await??;
        let last = text.lines().last().unwrap_or_default();
        ensure!(ended.success(), "reviewsctl {} failed: {last}", args.join(" "));
        let json = serde_json::from_str(last).unwrap_or(serde_json::Value::Null);
        Ok(Ran { json, took: began.elapsed(), peak_mib: peak })
    }

    /// Waits until meta has everything, and cleans up.
    pub(crate) async fn caught_up(&self) -> Result<()> {
        self.applied().await?;
        self.cleaned().await
    }

    /// Waits until meta has everything.
    pub(crate) async fn applied(&self) -> Result<()> {
        let timeout = CAUGHT_UP_TIMEOUT.as_secs().to_string();
        let waited = self.reviewsctl(&["status", "--json", "--wait", "--timeout", &timeout]).await;
        // Only that meta has everything matters here.
        waited
            .map(|_| ())
            .or_else(|error| if error.to_string().contains("failed: }") { Ok(()) } else { Err(error) })
    }

    /// Cleans now what was written in bulk, not while something is measured.
    pub(crate) async fn cleaned(&self) -> Result<()> {
        sqlx::raw_sql("VACUUM ANALYZE").execute(&self.primary).await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&self.meta).await?;
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = cargo_stack(&self.data, &["reset".to_owned(), "--yes".to_owned()], None) {
            eprintln!("the stack in {} is still there: {error:#}", self.data.display());
        }
    }
}

/// The addresses of the readers of a stack that runs.
pub(crate) fn readers(data: &Path) -> Result<Vec<SocketAddr>> {
    let readers = processes(data)?.into_iter().filter(|process| process.name.starts_with("read-"));
    let readers: Vec<_> =
        readers.map(|reader| SocketAddr::from((Ipv4Addr::LOCALHOST, reader.port))).collect();
    ensure!(!readers.is_empty(), "there is no stack in {}: `--data` names its directory", data.display());
    Ok(readers)
}

fn processes(data: &Path) -> Result<Vec<Process>> {
    #[derive(serde::Deserialize)]
    struct Status {
        processes: Vec<Process>,
    }
    let asked = cargo("status", data).arg("--json").output().context("cannot start cargo")?;
    ensure!(asked.status.success(), "cargo stack status failed");
    let status: Status =
        serde_json::from_slice(&asked.stdout).context("cannot read the status of the stack")?;
    Ok(status.processes)
}

fn cargo_stack(data: &Path, args: &[String], setting: Option<(&str, &str)>) -> Result<()> {
    let (command, rest) = args.split_first().context("no command")?;
    let mut cargo = cargo(command, data);
    cargo.args(rest).stdout(Stdio::null()).envs(setting);
    if !cargo.status().context("cannot start cargo")?.success() {
        bail!("cargo stack {command} failed");
    }
    Ok(())
}

fn cargo(command: &str, data: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["--quiet", "stack", command, "--data"]).arg(data);
    cargo
}

/// How to connect to the primary of the stack, and the password.
pub(crate) fn primary(data: &Path) -> Result<(PgConnectOptions, String)> {
    database(data, "PRIMARY")
}

fn pool(data: &Path, name: &str) -> Result<PgPool> {
    let (options, password) = database(data, name)?;
    Ok(PgPoolOptions::new().max_connections(4).connect_lazy_with(options.password(&password)))
}

fn database(data: &Path, name: &str) -> Result<(PgConnectOptions, String)> {
    let file = env_file(data);
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("there is no stack in {}: `--data` names its directory", data.display()))?;
    let settings: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: String| settings.get(key.as_str()).copied().with_context(|| format!("no {key}"));
    let options = PgConnectOptions::from_str(unquoted(value(format!("{name}_URL"))?))?;
    let password = std::fs::read_to_string(unquoted(value(format!("{name}_PASSWORD_FILE"))?))?;
    Ok((options, password.trim_end().to_owned()))
}

/// Where the settings for `reviewsctl` are.
fn env_file(data: &Path) -> PathBuf {
    data.join("reviewsctl.env")
}

fn unquoted(value: &str) -> &str {
    value.trim_matches(['"', '\''])
}

/// A line of a process's status that is in kB, in MiB.
fn mib(status: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
