//! Our own programs: built, given their environment, started; and `reviewsctl`, run to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::place;
use crate::postgres::{self, OWNER};
use crate::process::{self, Launch};
use crate::rabbitmq;
use crate::role::Role;
use crate::settings;
use crate::stack::Stack;
use crate::ui;

const PACKAGES: [&str; 4] = ["write", "projector", "read", "reviewsctl"];
/// The name of the admin API's token among the secrets.
pub(crate) const ADMIN_TOKEN: &str = "admin_token";

/// Builds the services, cargo's own progress shown, and returns where they are.
pub(crate) fn build(repository: &Path) -> Result<PathBuf> {
    ui::note("Building the services (cargo build --release; the first time takes some minutes)");
    let mut command = cargo(repository);
    command.args(["build", "--release"]).args(PACKAGES.iter().flat_map(|name| ["-p", name]));
    if !process::run(command.stdin(Stdio::null()))?.success() {
        bail!("the services do not build: see the compiler's messages above");
    }
    Ok(target_dir(repository)?.join("release"))
}

/// Cargo for the workspace. Its query macros read the committed query data, not a database of the caller's.
pub(crate) fn cargo(repository: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository).env("SQLX_OFFLINE", "true");
    command
}

/// Where cargo builds to, which settings and the environment may move.
pub(crate) fn target_dir(repository: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = cargo(repository)
        .args(["metadata", "--format-version=1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read cargo's metadata")?;
    Ok(metadata.target_directory)
}

/// Refuses a directory of prebuilt programs that is not complete.
pub(crate) fn check_programs(dir: &Path) -> Result<()> {
    for name in PACKAGES {
        if !dir.join(name).is_file() {
            bail!("{} is missing: build it, or leave --bin-dir away", dir.join(name).display());
        }
    }
    Ok(())
}

fn program(stack: &Stack, name: &str) -> Result<PathBuf> {
    let dir = stack.state.bin_dir.as_ref().context("the services were never built: run `cargo stack up`")?;
    Ok(dir.join(name))
}

pub(crate) fn launch(stack: &Stack, role: Role) -> Result<Launch> {
    if role == Role::Admin {
        return admin(stack);
    }
    let (package, user, stores): (_, _, &[Role]) = match role {
        Role::Write => ("write", "reviews_write", &[Role::Primary]),
        Role::Projector => ("projector", "reviews_projector", &[Role::Primary, Role::Meta]),
        _ => ("read", "reviews_read", &[Role::Primary, Role::Meta]),
    };
    let mut env = vec![("LISTEN".to_owned(), format!("127.0.0.1:{}", stack.port(role)))];
    for store in stores {
        env.extend(store_env(stack, *store, user));
    }
    env.extend(broker_env(stack));
    // In the open, unlike what is only passed on: who runs with other settings is restarted by `up`.
    env.extend(settings::of(&stack.state.settings, role));
    Ok(Launch {
        program: program(stack, package)?,
        args: Vec::new(),
        env,
        inherit_env: true,
        dir: stack.data.clone(),
        run_as: None,
        files: Vec::new(),
    })
}

/// The admin API: the operations tool as a server, with the token that whoever calls it must bring.
fn admin(stack: &Stack) -> Result<Launch> {
    let mut env = operator_env(stack);
    env.push(("ADMIN_LISTEN".to_owned(), format!("127.0.0.1:{}", stack.port(Role::Admin))));
    env.push(("ADMIN_TOKEN_FILE".to_owned(), admin_token_file(stack).display().to_string()));
    Ok(Launch {
        program: program(stack, "reviewsctl")?,
        args: vec!["serve".into()],
        env,
        inherit_env: true,
        dir: stack.data.clone(),
        run_as: None,
        files: Vec::new(),
    })
}

/// Makes the token at the first start.
pub(crate) fn prepare_admin(stack: &Stack) -> Result<()> {
    stack.secrets.get(ADMIN_TOKEN).map(drop)
}

/// Where the token is.
pub(crate) fn admin_token_file(stack: &Stack) -> PathBuf {
    stack.secrets.file(ADMIN_TOKEN)
}

fn store_env(stack: &Stack, store: Role, user: &str) -> [(String, String); 2] {
    let prefix = if store == Role::Meta { "META" } else { "PRIMARY" };
    [
        (format!("{prefix}_URL"), postgres::socket_url(stack, store, user)),
        (format!("{prefix}_PASSWORD_FILE"), stack.secrets.file(user).display().to_string()),
    ]
}

fn broker_env(stack: &Stack) -> [(String, String); 2] {
    let user = rabbitmq::USER;
    [
        ("BROKER_URL".to_owned(), format!("amqp://{user}@127.0.0.1:{}/%2f", stack.port(Role::Rabbitmq))),
        ("BROKER_PASSWORD_FILE".to_owned(), stack.secrets.file(user).display().to_string()),
    ]
}

fn operator_env(stack: &Stack) -> Vec<(String, String)> {
    let mut env = Vec::new();
    env.extend(store_env(stack, Role::Primary, OWNER));
    env.extend(store_env(stack, Role::Meta, OWNER));
    env.extend(broker_env(stack));
    env.push(("ROLE_PASSWORDS_DIR".to_owned(), stack.secrets.dir().display().to_string()));
    env
}

/// Writes `reviewsctl.env`, with which an operator's `cargo reviewsctl` finds this stack.
pub(crate) fn write_operator_env(stack: &Stack) -> Result<()> {
    let text: String = operator_env(stack).iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    place::write_file(&stack.data.join("reviewsctl.env"), text.as_bytes(), 0o600, None)
}

/// Applies the migrations and sets the services' passwords; the output goes to `logs/migrate.log`.
pub(crate) fn migrate(stack: &Stack) -> Result<()> {
    for role in ["reviews_write", "reviews_read", "reviews_projector"] {
        stack.secrets.get(role)?;
    }
    process::run_logged(reviewsctl(stack)?.arg("migrate"), "reviewsctl migrate", &stack.log("migrate"))
}

/// Loads the sample and waits until the answers are complete, with `reviewsctl`'s own progress.
pub(crate) fn load_sample(stack: &Stack) -> Result<()> {
    let sample = stack.repository.join("compose/sample");
    if !fs::exists(&sample).unwrap_or_default() {
        bail!("{} is missing: restore it, or start with --no-sample", sample.display());
    }
    ui::note("Loading the sample data (first start; --no-sample leaves it away)");
    for (what, args) in
        [("import", vec!["import", &*sample.to_string_lossy()]), ("status", vec!["status", "--wait"])]
    {
        let mut command = reviewsctl(stack)?;
        // Results go to stderr with the rest of the progress: stdout is for the addresses.
        command.args(args).stdin(Stdio::null()).stdout(std::io::stderr());
        let status = process::run(&mut command)?;
        if !status.success() {
            bail!("reviewsctl {what} failed ({status})");
        }
    }
    Ok(())
}

fn reviewsctl(stack: &Stack) -> Result<Command> {
    let mut command = Command::new(program(stack, "reviewsctl")?);
    command.envs(operator_env(stack)).current_dir(&stack.data);
    Ok(command)
}
