//! What bounds the reads: the same NGINX with the same settings, and behind it readers that know one answer by heart.

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::http::{HeaderValue, header};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Readers, as many as `cargo stack up` starts.
const READERS: usize = 4;
/// NGINX's workers, as many as there.
const WORKERS: usize = 2;
/// Size of the answer: that of a meta with four characteristics.
const BODY_BYTES: usize = 290;
/// Longest wait until they answer.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Where Debian puts NGINX, which is in no user's path.
const NGINX: &str = "/usr/sbin/nginx";

/// NGINX and its readers, ended with this.
#[derive(Debug)]
pub(crate) struct Bare {
    children: Vec<Child>,
    dir: PathBuf,
    pub(crate) front: SocketAddr,
}

impl Bare {
    /// Starts them.
    pub(crate) fn start() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("reviews-bare-{}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let ports = free_ports(READERS + 1)?;
        let address = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let mut bare = Bare { children: Vec::new(), front: address(&ports[READERS]), dir };
        for port in &ports[..READERS] {
            let mut reader = Command::new(std::env::current_exe()?);
            reader.args(["answer-by-heart", "--port", &port.to_string()]);
            bare.children.push(reader.stdin(Stdio::null()).spawn().context("cannot start a reader")?);
        }
        bare.children.push(nginx(&bare.dir, bare.front, &ports[..READERS])?);
        for port in &ports {
            wait_for(address(port))?;
        }
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for child in &mut self.children {
            // NGINX's master tells its workers, unless it is killed.
            let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            let ended = pid
                .is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok());
            if !ended {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn nginx(dir: &Path, front: SocketAddr, readers: &[u16]) -> Result<Child> {
    let template = repository()?.join("compose/nginx/nginx.conf.template");
    let mut text = std::fs::read_to_string(&template)
        .with_context(|| format!("cannot read {}: run this in the repository", template.display()))?;
    let servers: Vec<String> = readers.iter().map(|port| format!("server 127.0.0.1:{port};")).collect();
    for (name, value) in [
        ("LISTEN", front.to_string()),
        ("WRITE_SERVERS", servers[0].clone()),
        ("READ_SERVERS", servers.join(" ")),
        ("RUN_DIR", dir.display().to_string()),
        ("ERROR_LOG", "stderr".to_owned()),
        ("ACCESS_LOG", "off".to_owned()),
        ("WORKERS", WORKERS.to_string()),
        ("CORS_ORIGINS", "*".to_owned()),
        ("META_CACHE", "off".to_owned()),
        ("META_CACHE_PATH", String::new()),
    ] {
        text = text.replace(&format!("${{NGINX_{name}}}"), &value);
    }
    let conf = dir.join("nginx.conf");
    std::fs::write(&conf, text)?;
    let program = if Path::new(NGINX).exists() { NGINX } else { "nginx" };
    let user = if rustix::process::geteuid().is_root() { " user root;" } else { "" };
    let mut command = Command::new(program);
    command.arg("-p").arg(dir).arg("-c").arg(&conf).args(["-e", "stderr", "-g"]);
    command.arg(format!("daemon off;{user}"));
    let started = command.stdin(Stdio::null()).spawn();
    started.with_context(|| format!("cannot start {program}: `cargo stack up` installs it"))
}

/// The repository: where it was built, or else where this runs.
pub(crate) fn repository() -> Result<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    built.filter(|dir| dir.join("compose").exists()).map_or_else(|| Ok(std::env::current_dir()?), Ok)
}

/// Ports that nobody listens at, below those that the kernel gives to outgoing connections.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports: Vec<u16> = (18_700..19_000).filter(free).take(count).collect();
    ensure!(ports.len() == count, "there are no {count} free ports from 18700 to 18999");
    Ok(ports)
}

#[expect(clippy::disallowed_methods, reason = "a poll with a deadline")]
fn wait_for(address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if began.elapsed() > START_TIMEOUT {
            bail!("nobody listens at {address} after {} s", START_TIMEOUT.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Answers every request with the same body, until it is ended.
pub(crate) async fn answer_by_heart(port: u16) -> Result<()> {
    let body: &'static str = Box::leak("x".repeat(BODY_BYTES).into_boxed_str());
    let answer = move || async move {
        let name = |name| HeaderValue::from_static(name);
        let headers = [
            (header::CONTENT_TYPE, name("application/json")),
            (header::CACHE_CONTROL, name("no-cache")),
            (header::ETAG, name("\"eJUo2YPE6YKsbbFci65t7g\"")),
            (header::VARY, name("Accept-Encoding")),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, name("*")),
        ];
        (headers, body)
    };
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, Router::new().fallback(answer)).await.context("cannot serve")
}
