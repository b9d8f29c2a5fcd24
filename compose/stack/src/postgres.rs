//! The two Postgres clusters: made once by `initdb`, started directly, given their owner role and database.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::place;
use crate::process::{self, Launch};
use crate::role::Role;
use crate::stack::Stack;
use crate::state::Kind;
use crate::ui;

/// The role that owns both databases; `reviewsctl migrate` works as it and makes all others.
pub(crate) const OWNER: &str = "reviews_owner";

/// Bounds of a server's memory for pages.
const SHARED_BUFFERS_MIN_MB: u64 = 128;
const SHARED_BUFFERS_MAX_MB: u64 = 2048;

/// The database on a server.
pub(crate) fn database(role: Role) -> &'static str {
    if role == Role::Meta { "meta" } else { "reviews" }
}

pub(crate) fn launch(stack: &Stack, role: Role) -> Result<Launch> {
    let dir = cluster(stack, role);
    let shared = stack.repository.join("compose/postgres/reviews.conf");
    let shared = fs::read_to_string(&shared).with_context(|| format!("cannot read {}", shared.display()))?;
    Ok(Launch {
        program: programs_for(stack, &dir)?.join("postgres"),
        args: vec!["-D".to_owned(), dir.display().to_string()],
        env: Vec::new(),
        inherit_env: false,
        files: vec![
            (dir.join("reviews.conf"), shared, 0o600),
            (dir.join("stack.conf"), own_settings(stack, role), 0o600),
        ],
        dir,
        run_as: stack.run_as.clone(),
    })
}

fn cluster(stack: &Stack, role: Role) -> PathBuf {
    stack.servers.join(role.name())
}

fn own_settings(stack: &Stack, role: Role) -> String {
    let mut text = format!(
        "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n\
         unix_socket_permissions = 0700\ncluster_name = '{}'\n",
        stack.port(role),
        quoted(&stack.sockets.display().to_string()),
        role.name()
    );
    if stack.state.kind == Kind::Test {
        // Tests kill processes, not the machine: what the kernel has been given is safe from that.
        text.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
    } else {
        // Tests run several pairs of servers at once, in the little that the shared file allows.
        let info = rustix::system::sysinfo();
        let memory = info.totalram * u64::from(info.mem_unit);
        text.push_str(&format!("shared_buffers = {}MB\n", shared_buffers_mb(memory)));
    }
    text
}

/// Memory for pages of each of the two servers: together a quarter of the machine's. Bounded, since the operating
/// system's cache serves what is more, and the services need some too.
fn shared_buffers_mb(memory_bytes: u64) -> u64 {
    (memory_bytes / 8 / (1 << 20)).clamp(SHARED_BUFFERS_MIN_MB, SHARED_BUFFERS_MAX_MB)
}

/// A value between single quotes, in a configuration file or in SQL.
fn quoted(value: &str) -> String {
    value.replace('\'', "''")
}

/// The Postgres that made the cluster, or the newest one for a new cluster.
fn programs_for(stack: &Stack, cluster: &Path) -> Result<PathBuf> {
    let found = &stack.programs.postgres;
    let newest = found.first().context("no Postgres server is installed")?;
    let version = match fs::read_to_string(cluster.join("PG_VERSION")) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => return Ok(newest.1.clone()),
    };
    let same = found.iter().find(|(major, _)| major.to_string() == version);
    same.map(|(_, bin)| bin.clone()).with_context(|| {
        format!(
            "{} was made by PostgreSQL {version}, here is {}: install postgresql-{version}, or \
             `cargo stack reset --data {}` (its data are lost)",
            cluster.display(),
            newest.0,
            ui::shell_quote(&stack.data)
        )
    })
}

/// Makes the cluster if there is none, and the directory of its socket.
pub(crate) fn prepare(stack: &Stack, role: Role) -> Result<()> {
    let dir = cluster(stack, role);
    place::make_dir(&stack.sockets, 0o700, stack.run_as.as_ref())?;
    if dir.join("PG_VERSION").exists() {
        remove_stale_locks(stack, &dir, role);
        return place::make_dir(&dir, 0o700, stack.run_as.as_ref());
    }
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "{} is not a Postgres cluster (PG_VERSION is missing): `cargo stack reset --data {}` starts afresh",
            dir.display(),
            ui::shell_quote(&stack.data)
        );
    }
    // Made beside its place and renamed: an interruption leaves nothing that looks like a cluster.
    let new = stack.servers.join(format!("{}.new", role.name()));
    place::remove_tree(&new)?;
    place::make_dir(&new, 0o700, stack.run_as.as_ref())?;
    let password_file = stack.servers.join(format!("{}.password", role.name()));
    place::write_file(
        &password_file,
        stack.secrets.get("postgres")?.as_bytes(),
        0o600,
        stack.run_as.as_ref(),
    )?;
    let made = initdb(stack, role, &new, &password_file);
    let removed = fs::remove_file(&password_file);
    made?;
    removed.with_context(|| format!("cannot remove {}", password_file.display()))?;
    let conf = new.join("postgresql.conf");
    let mut file = OpenOptions::new().append(true).open(&conf).context("cannot extend postgresql.conf")?;
    writeln!(file, "\ninclude = 'reviews.conf'\ninclude = 'stack.conf'")
        .context("cannot extend postgresql.conf")?;
    fs::rename(&new, &dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// Removes the lock files of a server that was killed. Postgres believes them for as long as their pid exists,
/// which in a container without a reaping init, or by reuse, may be for ever.
fn remove_stale_locks(stack: &Stack, dir: &Path, role: Role) {
    if process::servers_in(dir).is_empty() {
        let socket = stack.sockets.join(format!(".s.PGSQL.{}.lock", stack.port(role)));
        for lock in [dir.join("postmaster.pid"), socket] {
            // Mostly there is none.
            let _ = fs::remove_file(lock);
        }
    }
}

fn initdb(stack: &Stack, role: Role, dir: &Path, password_file: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(programs_for(stack, dir)?.join("initdb"));
    command
        .args(["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"])
        .args(["--auth=scram-sha-256"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(format!("--pgdata={}", dir.display()))
        .env_clear()
        .env("PATH", crate::programs::SEARCH_PATH)
        .current_dir(&stack.servers);
    if stack.state.kind == Kind::Test {
        command.arg("--no-sync");
    }
    if let Some(user) = &stack.run_as {
        command.uid(user.uid).gid(user.gid);
    }
    process::run_logged(&mut command, "initdb", &stack.log(&role.name()))
}

/// The owner role with its password, and its database; changes nothing where they exist.
pub(crate) fn provision(stack: &Stack, role: Role) -> Result<()> {
    if stack.state.kind == Kind::Test {
        return Ok(());
    }
    let name = database(role);
    let password = stack.secrets.get(OWNER)?;
    let sql = format!(
        "SELECT 'CREATE ROLE {OWNER} LOGIN CREATEROLE' \
           WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') \\gexec\n\
         ALTER ROLE {OWNER} PASSWORD '{password}';\n\
         -- `reviewsctl status` looks for sessions with old snapshots, which may be ended.\n\
         GRANT pg_read_all_stats, pg_signal_backend TO {OWNER};\n\
         SELECT 'CREATE DATABASE {name} OWNER {OWNER}' \
           WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec\n"
    );
    sql_as_superuser(stack, role, &sql)
}

/// Runs SQL on the `postgres` database of a server.
pub(crate) fn sql_as_superuser(stack: &Stack, role: Role, sql: &str) -> Result<()> {
    psql(stack, role, "postgres", "postgres", sql)
}

/// Runs SQL from text as a role whose password is among the secrets; stops at the first error.
pub(crate) fn psql(stack: &Stack, role: Role, user: &str, database: &str, sql: &str) -> Result<()> {
    let mut child = Command::new(programs_for(stack, &cluster(stack, role))?.join("psql"))
        .args(["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-", "-h"])
        .arg(&stack.sockets)
        .args(["-p", &stack.port(role).to_string(), "-U", user, "-d", database])
        .env_clear()
        .env("PGPASSWORD", stack.secrets.get(user)?)
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start psql")?;
    if let Some(mut input) = child.stdin.take() {
        // A psql that stopped early says why on its stderr.
        let _ = input.write_all(sql.as_bytes());
    }
    let output = child.wait_with_output().context("cannot wait for psql")?;
    if !output.status.success() {
        bail!("psql on {}: {}", role.name(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A connection URL over the server's Unix socket, without a password.
pub(crate) fn socket_url(stack: &Stack, role: Role, user: &str) -> String {
    format!(
        "postgres://{user}@localhost:{}/{}?host={}",
        stack.port(role),
        database(role),
        url_encoded(&stack.sockets.display().to_string())
    )
}

/// Percent-encodes what a path may hold and a URL's query may not.
fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_url_and_a_configuration_file() {
        assert_eq!(url_encoded("/tmp/it's here/ä&b"), "/tmp/it%27s%20here/%C3%A4%26b");
        assert_eq!(quoted("/tmp/it's"), "/tmp/it''s");
    }

    #[test]
    fn two_servers_take_a_quarter_of_the_memory_within_bounds() {
        let mb = [0_u64, 1, 4, 8, 24, 1024].map(|gib| shared_buffers_mb(gib << 30));
        assert_eq!(mb, [128, 128, 512, 1024, 2048, 2048]);
    }
}
