//! The tool as a person meets it: real servers up and down, and the one line that each mistake gets.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal};

/// An ordinary user, whom Postgres and RabbitMQ run as themselves.
const NOBODY: u32 = 65_534;

/// A directory of the test's own that another user can reach, removed at its end.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("stack-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn stack(data: &Path, command: &str, args: &[&str]) -> Command {
    let mut stack = Command::new(env!("CARGO_BIN_EXE_stack"));
    stack.arg(command).arg("--data").arg(data).args(args).stdin(Stdio::null());
    stack
}

fn run(data: &Path, command: &str, args: &[&str]) -> Output {
    stack(data, command, args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last line of a failure: what the person reads.
fn error_line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stderr).lines().rfind(|line| line.starts_with("error: ")).unwrap().to_owned()
}

/// Living processes that name the directory in their arguments or work in it.
fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let proc = entry.unwrap().path();
            proc.file_name()?.to_str()?.parse::<u32>().ok()?;
            let args = text(&fs::read(proc.join("cmdline")).ok()?).replace('\0', " ");
            let cwd = fs::read_link(proc.join("cwd")).unwrap_or_default();
            (args.contains(dir) || cwd.starts_with(dir)).then(|| format!("{} {args}", proc.display()))
        })
        .collect()
}

/// Starts `servers` without a command and returns once they are up.
fn servers_up(data: &Path) -> Child {
    let mut child = stack(data, "servers", &[]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.map(Result::unwrap).find(|line| line.starts_with("export TEST_BROKER_URL="));
    assert!(seen.is_some(), "the servers did not come up");
    child
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn servers_of_a_killed_run_are_replaced_and_the_command_decides_the_exit_code() {
    let temp = Temp::new("killed");
    let mut first = servers_up(&temp.data());
    signal(&first, Signal::KILL);
    first.wait().unwrap();
    assert!(!processes_of(&temp.data()).is_empty());

    let question = "psql -X -A -t -c 'show fsync' \"$TEST_META_URL\" && exit 7";
    let output = run(&temp.data(), "servers", &["--", "sh", "-c", question]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "off\n");
    assert_eq!(processes_of(&temp.data()), [""; 0]);
    assert!(!temp.data().exists());
}

#[test]
fn ctrl_c_ends_the_servers_and_removes_their_data() {
    let temp = Temp::new("interrupted");
    let mut child = servers_up(&temp.data());
    signal(&child, Signal::INT);
    assert!(child.wait().unwrap().success());
    assert_eq!(processes_of(&temp.data()), [""; 0]);
    assert!(!temp.data().exists());
}

#[test]
fn an_ordinary_user_runs_everything_as_himself() {
    let temp = Temp::new("ordinary");
    // A workspace and a cargo that this user can reach: the real ones may lie under root's home.
    let repository = temp.0.join("repository");
    fs::create_dir_all(repository.join("compose/stack")).unwrap();
    fs::create_dir_all(repository.join("compose/postgres")).unwrap();
    fs::write(repository.join("compose/stack/Cargo.toml"), "").unwrap();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../postgres/reviews.conf");
    fs::copy(settings, repository.join("compose/postgres/reviews.conf")).unwrap();
    let cargo = temp.0.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho '{\"target_directory\": \"/nowhere\"}'\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let program = temp.0.join("stack");
    fs::copy(env!("CARGO_BIN_EXE_stack"), &program).unwrap();
    let home = temp.0.join("home");
    fs::create_dir(&home).unwrap();

    let mut command = Command::new(&program);
    let owners = "stat -c %u \"$1\"/servers/primary/PG_VERSION \"$1\"/servers/rabbitmq/mnesia; id -u";
    let data = home.join("data");
    command.args(["servers", "--data"]).arg(&data).args(["--", "sh", "-c", owners, "sh"]).arg(&data);
    command.current_dir(&repository).env("CARGO", &cargo).env("HOME", &home).stdin(Stdio::null());
    let mut user = rustix::process::geteuid().as_raw();
    if user == 0 {
        user = NOBODY;
        chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("{user}\n{user}\n{user}\n"));
    assert_eq!(processes_of(&data), [""; 0]);
    assert!(!data.exists());
}

#[test]
fn a_taken_port_is_said_with_its_holder_and_nothing_is_left_running() {
    let temp = Temp::new("taken");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = run(&temp.data(), "up", &["--detach", "--port", &port]);
    let line = error_line(&output);
    let holder = format!("error: port {port} is taken by process {} (", std::process::id());
    assert!(line.starts_with(&holder), "{line}");
    assert!(line.ends_with("end it, or choose another port with `cargo stack up --port`"), "{line}");
    assert_eq!(processes_of(&temp.data()), [""; 0]);
}

#[test]
fn an_unreadable_state_is_said_with_its_mend_and_can_be_reset() {
    let temp = Temp::new("state");
    fs::create_dir(temp.data()).unwrap();
    fs::write(temp.data().join("state.json"), "{\"format\": 1, \"ki").unwrap();
    for command in ["up", "status", "down"] {
        let line = error_line(&run(&temp.data(), command, &[]));
        assert!(line.contains("state.json is unreadable: `cargo stack reset --data "), "{command}: {line}");
    }
    let refused = error_line(&run(&temp.data(), "reset", &[]));
    assert!(refused.ends_with("say --yes to mean it"), "{refused}");
    assert!(run(&temp.data(), "reset", &["--yes"]).status.success());
    assert!(!temp.data().exists());
}

#[test]
fn a_cluster_of_another_postgres_is_said_and_not_touched() {
    let temp = Temp::new("major");
    let cluster = temp.data().join("servers/primary");
    fs::create_dir_all(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "9\n").unwrap();
    fs::create_dir(temp.data().join("secrets")).unwrap();
    fs::write(temp.data().join("secrets/postgres"), "secret").unwrap();
    if rustix::process::geteuid().is_root() {
        // The servers' user, as it would be after a real start.
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
        let uid = line.split(':').nth(2).unwrap().parse().unwrap();
        chown(temp.data().join("servers"), Some(uid), None).unwrap();
    }
    let line = error_line(&run(&temp.data(), "up", &["--detach", "--port", "8097"]));
    assert!(line.contains("servers/primary was made by PostgreSQL 9, here is "), "{line}");
    assert!(line.contains("install postgresql-9, or `cargo stack reset --data "), "{line}");
    assert_eq!(fs::read_to_string(cluster.join("PG_VERSION")).unwrap(), "9\n");
    assert_eq!(processes_of(&temp.data()), [""; 0]);
}

#[test]
fn a_directory_with_other_files_is_refused() {
    let temp = Temp::new("foreign");
    fs::create_dir(temp.data()).unwrap();
    fs::write(temp.data().join("thesis.txt"), "").unwrap();
    for (command, args) in [("up", &["--detach"][..]), ("servers", &["--", "true"])] {
        let line = error_line(&run(&temp.data(), command, args));
        assert!(line.ends_with("holds other files: choose an empty or new directory with --data"), "{line}");
    }
    assert!(run(&temp.data(), "reset", &["--yes"]).status.success());
    assert!(temp.data().join("thesis.txt").exists());
}

#[test]
fn a_directory_whose_state_is_not_alone_is_neither_reset_nor_advised_to_be() {
    let temp = Temp::new("mine");
    let file = temp.data().join("mine/t.txt");
    fs::create_dir_all(temp.data().join("mine")).unwrap();
    fs::write(&file, "x").unwrap();
    let whole = "{\"format\": 1, \"kind\": \"stack\", \"port\": 8080, \"reads\": 4, \"started_once\": true, \
                 \"ports\": {}, \"processes\": []}";
    for state in ["{\"my\":\"app\"}", "{\"format\": 1, \"ki", "", whole] {
        fs::write(temp.data().join("state.json"), state).unwrap();
        // It works in the directory, as a forgotten server would.
        let mut worker = Command::new("cat").current_dir(temp.data()).stdin(Stdio::piped()).spawn().unwrap();
        let line = error_line(&run(&temp.data(), "reset", &["--yes"]));
        assert!(line.ends_with("nothing was deleted"), "{line}");
        assert_eq!(worker.try_wait().unwrap(), None);
        drop(worker.stdin.take());
        assert!(worker.wait().unwrap().success());
        if state != whole {
            for (command, args) in [("up", &["--detach"][..]), ("status", &[]), ("down", &[])] {
                let line = error_line(&run(&temp.data(), command, args));
                assert!(line.contains("holds other files: choose another directory"), "{command}: {line}");
                assert!(!line.contains("reset"), "{command}: {line}");
            }
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
        assert_eq!(fs::read_to_string(temp.data().join("state.json")).unwrap(), state);
        assert_eq!(fs::read_dir(temp.data()).unwrap().count(), 2);
    }
}

#[test]
fn the_state_of_another_program_is_not_deleted() {
    let temp = Temp::new("theirs");
    fs::create_dir_all(temp.data().join("logs")).unwrap();
    fs::write(temp.data().join("state.json"), "{\"my\":\"app\"}").unwrap();
    let line = error_line(&run(&temp.data(), "reset", &["--yes"]));
    assert!(line.ends_with("nothing was deleted"), "{line}");
    assert!(temp.data().join("state.json").exists() && temp.data().join("logs").exists());
}

#[test]
fn status_answers_where_nothing_ever_ran() {
    let temp = Temp::new("nothing");
    let output = run(&temp.data(), "status", &["--json"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "{\"front\":\"http://127.0.0.1:8080\",\"processes\":[]}\n");
    assert!(!temp.data().exists());
    let line = error_line(&run(&temp.data(), "restart", &["write"]));
    assert!(line.ends_with("`cargo stack up` makes one"), "{line}");
}

#[test]
fn a_list_of_origins_that_is_none_is_refused_before_anything_is_made() {
    let temp = Temp::new("origins");
    for list in ["shop.example.com", "https://shop.example.com/", "https://a.example,*"] {
        let output = stack(&temp.data(), "up", &["--detach"]).env("CORS_ORIGINS", list).output().unwrap();
        let line = error_line(&output);
        assert!(line.starts_with("error: CORS_ORIGINS: "), "{line}");
        assert_eq!(text(&output.stderr).lines().count(), 1);
        assert!(!temp.data().exists());
    }
}
