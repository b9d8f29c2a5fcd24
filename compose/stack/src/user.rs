//! Under which user the servers run. Postgres refuses to run as root, so root lends it another user.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// The user of Postgres, RabbitMQ and NGINX's workers when `stack` runs as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunAs {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// `postgres` (which Debian's package makes) or `nobody` for root; nobody else than the caller otherwise.
pub(crate) fn for_servers() -> Result<Option<RunAs>> {
    if !is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    match ["postgres", "nobody"].iter().find_map(|name| find(&users, name)) {
        Some(user) => Ok(Some(user)),
        None => bail!(
            "Postgres does not run as root and neither `postgres` nor `nobody` is in /etc/passwd: \
             run this as an ordinary user"
        ),
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn find(users: &str, name: &str) -> Option<RunAs> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(RunAs { name: name.to_owned(), uid, gid })
}

/// Name of a user id for messages.
pub(crate) fn name_of(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users
        .lines()
        .find(|line| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(uid))
        .and_then(|line| line.split(':').next())
        .map_or_else(|| format!("uid {uid}"), |name| format!("`{name}`"))
}

impl RunAs {
    /// Whether this user can enter `dir` and write there, found out by trying as that user.
    pub(crate) fn can_use(&self, dir: &Path) -> bool {
        Command::new("sh")
            .args(["-c", "cd \"$1\" && test -w .", "sh"])
            .arg(dir)
            .uid(self.uid)
            .gid(self.gid)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users =
            "postgres2:x:7:8::/:/bin/sh\npostgres:x:101:103:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(find(users, "postgres"), Some(RunAs { name: "postgres".to_owned(), uid: 101, gid: 103 }));
        assert_eq!(find(users, "post"), None);
    }
}
