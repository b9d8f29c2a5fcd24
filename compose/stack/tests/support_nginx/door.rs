use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, getuid, kill_process};

use super::{ReservedPort, wait_until};

const TEMPLATE: &str = include_str!("../../../nginx/nginx.conf.template");

/// Seconds without a word from an upstream after which the door under test gives up: fewer than the template's
/// own 15, so that tests can wait for it, and more than the 5 within which a read may be handed on.
pub(crate) const READ_TIMEOUT_S: u64 = 6;

/// `nobody`: a test that runs as root starts NGINX as this user, since it must do without root.
const NOBODY: u32 = 65534;

/// A running NGINX in front of the given upstreams. Ends when it is dropped.
pub(crate) struct Door {
    pub(crate) port: ReservedPort,
    dir: PathBuf,
    nginx: Child,
}

impl Door {
    /// Starts NGINX with one worker, so that what it keeps per worker can be counted.
    pub(crate) fn open(writers: &[&ReservedPort], readers: &[&ReservedPort]) -> Self {
        Self::open_for("*", writers, readers)
    }

    /// The same with the micro-cache of hot metas.
    pub(crate) fn open_with_meta_cache(readers: &[&ReservedPort]) -> Self {
        let dir = new_dir();
        let path = format!(
            "proxy_cache_path {}/metas keys_zone=metas:1m inactive=1s use_temp_path=off;",
            dir.display()
        );
        Self::open_in(dir, "*", ("metas", &path), &[&ReservedPort::new()], readers)
    }

    /// The same for pages of these origins only.
    pub(crate) fn open_for(origins: &str, writers: &[&ReservedPort], readers: &[&ReservedPort]) -> Self {
        Self::open_in(new_dir(), origins, ("off", ""), writers, readers)
    }

    fn open_in(
        dir: PathBuf,
        origins: &str,
        (meta_cache, meta_cache_path): (&str, &str),
        writers: &[&ReservedPort],
        readers: &[&ReservedPort],
    ) -> Self {
        let port = ReservedPort::new();
        let conf = render(&[
            ("NGINX_LISTEN", &format!("127.0.0.1:{}", port.number)),
            ("NGINX_WRITE_SERVERS", &servers(writers)),
            ("NGINX_READ_SERVERS", &servers(readers)),
            ("NGINX_RUN_DIR", &dir.to_string_lossy()),
            ("NGINX_ERROR_LOG", &dir.join("error.log").to_string_lossy()),
            ("NGINX_ACCESS_LOG", &format!("{} door", dir.join("access.log").display())),
            ("NGINX_WORKERS", "1"),
            ("NGINX_CORS_ORIGINS", origins),
            ("NGINX_META_CACHE", meta_cache),
            ("NGINX_META_CACHE_PATH", meta_cache_path),
        ]);
        let conf = conf.replace("proxy_read_timeout 15s;", &format!("proxy_read_timeout {READ_TIMEOUT_S}s;"));
        assert!(
            conf.contains(&format!("proxy_read_timeout {READ_TIMEOUT_S}s;")),
            "the template's read timeout"
        );
        fs::write(dir.join("nginx.conf"), conf).unwrap();

        let checked = nginx(&dir).arg("-t").output().unwrap_or_else(|error| missing(&error));
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "nginx -t refuses the configuration: {said}");
        assert!(!said.contains("[warn]") && !said.contains("[alert]"), "nginx -t complains: {said}");

        let nginx = nginx(&dir).args(["-g", "daemon off;"]).spawn().unwrap_or_else(|error| missing(&error));
        let mut door = Self { port, dir, nginx };
        let answers = wait_until(|| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, door.port.number)).is_ok()
                || door.nginx.try_wait().unwrap().is_some()
        });
        assert!(
            answers && door.nginx.try_wait().unwrap().is_none(),
            "NGINX did not start: {}",
            door.error_log()
        );
        door
    }

    /// The lines of the access log once there are as many as asked for.
    pub(crate) fn access_log(&self, lines: usize) -> Vec<String> {
        let read = || fs::read_to_string(self.dir.join("access.log")).unwrap();
        assert!(wait_until(|| read().lines().count() >= lines), "lines in the access log: {}", read());
        read().lines().map(str::to_owned).collect()
    }

    pub(crate) fn error_log(&self) -> String {
        fs::read_to_string(self.dir.join("error.log")).unwrap_or_default()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let pid = i32::try_from(self.nginx.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.nginx.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn nginx(dir: &Path) -> Command {
    let installed = Path::new("/usr/sbin/nginx");
    let mut command = Command::new(if installed.exists() { installed } else { Path::new("nginx") });
    command.arg("-e").arg("stderr").arg("-c").arg(dir.join("nginx.conf"));
    command.stdin(Stdio::null());
    if getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn missing(error: &std::io::Error) -> ! {
    panic!("these tests need a real NGINX, and it cannot be run ({error}): apt-get install nginx");
}

fn servers(ports: &[&ReservedPort]) -> String {
    ports
        .iter()
        .map(|port| format!("server 127.0.0.1:{} max_fails=1 fail_timeout=1s;\n", port.number))
        .collect()
}

/// Replaces `${NAME}` by its value, as envsubst does in the NGINX image.
fn render(values: &[(&str, &str)]) -> String {
    let mut conf = TEMPLATE.to_owned();
    for (name, value) in values {
        let placeholder = format!("${{{name}}}");
        assert!(conf.contains(&placeholder), "the template does not use {name}");
        conf = conf.replace(&placeholder, value);
    }
    assert!(!conf.contains("${NGINX"), "the template wants more than it was given");
    conf
}

/// A new directory that the user NGINX runs as owns and can reach.
fn new_dir() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let dir = std::env::temp_dir().join(format!("front-door-{}-{number}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    if getuid().is_root() {
        chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    dir
}
