//! Where things lie: the repository, the data directory, the servers' directory and the sockets.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::user::{self, RunAs};

/// Longest path of a Unix socket that the kernel takes (`sun_path` without its final zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The longest name Postgres gives a socket (its lock file is a plain file and has no limit).
const SOCKET_NAME: &str = ".s.PGSQL.65535";

/// The workspace: the nearest directory upwards that holds this tool, or the one it was built from.
pub(crate) fn repository() -> PathBuf {
    let marker = Path::new("compose/stack/Cargo.toml");
    let here = std::env::current_dir().unwrap_or_default();
    let found = here.ancestors().find(|dir| dir.join(marker).is_file()).map(Path::to_path_buf);
    found.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2).take(1).collect())
}

/// FNV-1a, 64 bits, as ten hex digits: the same in every build, unlike the standard library's hasher.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:010x}", (hash ^ (hash >> 40)) & 0xff_ffff_ffff)
}

/// Where the servers keep their data: below the data directory if their user can get there and their
/// configuration can name it, else in `/var/tmp` under a name made from the data directory's path.
pub(crate) fn choose_servers_dir(data: &Path, run_as: Option<&RunAs>) -> Result<PathBuf> {
    let inside = data.join("servers");
    make_dir(&inside, 0o700, run_as)?;
    let shown = data.display();
    let reason = if !plain(data) {
        format!("RabbitMQ and NGINX cannot work in {shown} because of the characters in its name")
    } else if let Some(user) = run_as.filter(|user| !user.can_use(&inside)) {
        format!("The servers run as `{}`, who cannot enter {shown}", user.name)
    } else {
        return Ok(inside);
    };
    let _ = fs::remove_dir(&inside);
    let outside = outside_dir(data);
    make_dir(&outside, 0o700, run_as)?;
    if run_as.is_some_and(|user| !user.can_use(&outside)) {
        bail!("{reason}, nor {}: choose a directory with --data", outside.display());
    }
    crate::ui::note(format_args!("{reason}: their data are in {}", outside.display()));
    Ok(outside)
}

/// Whether a path needs no quoting anywhere. RabbitMQ's scripts and NGINX's template take it as it is.
fn plain(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@".contains(byte))
}

/// The servers' directory outside the data directory.
pub(crate) fn outside_dir(data: &Path) -> PathBuf {
    PathBuf::from(format!("/var/tmp/reviews-stack-{}", short_hash(data.as_os_str().as_bytes())))
}

/// Where Postgres puts its sockets: beside its data, or in `/tmp` where that path is too long.
pub(crate) fn choose_sockets_dir(servers: &Path) -> PathBuf {
    let inside = servers.join("s");
    if socket_path_fits(&inside) {
        return inside;
    }
    PathBuf::from(format!("/tmp/reviews-{}", short_hash(servers.as_os_str().as_bytes())))
}

fn socket_path_fits(dir: &Path) -> bool {
    // Postgres separates directories by commas and treats a leading @ as an abstract name.
    dir.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX
        && !dir.as_os_str().as_bytes().contains(&b',')
}

/// Makes a directory (and its parents) with this mode and owner; an existing one of another owner is refused.
pub(crate) fn make_dir(dir: &Path, mode: u32, owner: Option<&RunAs>) -> Result<()> {
    let shown = dir.display();
    let wanted = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    match fs::create_dir(dir) {
        Ok(()) => {
            if let Some(user) = owner {
                std::os::unix::fs::chown(dir, Some(user.uid), Some(user.gid))
                    .with_context(|| format!("cannot give {shown} to `{}`", user.name))?;
            }
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {shown}")),
    }
    let found = fs::symlink_metadata(dir).with_context(|| format!("cannot read {shown}"))?;
    if !found.is_dir() {
        bail!("{shown} is not a directory: move it away, or choose another directory with --data");
    }
    if found.uid() != wanted {
        bail!(
            "{shown} belongs to {}, not to {}: run as that user, or choose another directory with --data",
            user::name_of(found.uid()),
            user::name_of(wanted)
        );
    }
    if found.mode() & 0o777 != mode {
        fs::set_permissions(dir, Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {shown}"))?;
    }
    Ok(())
}

/// Writes a file whole (a new one renamed over the old), with mode and owner.
pub(crate) fn write_file(path: &Path, bytes: &[u8], mode: u32, owner: Option<&RunAs>) -> Result<()> {
    let part = PathBuf::from(format!("{}.part", path.display()));
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        if let Some(user) = owner {
            std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid))?;
        }
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// What this tool makes in a data directory. The state and the lock come last: a removal that was cut short
/// can be repeated.
const ENTRIES: [&str; 10] = [
    "servers",
    "logs",
    "secrets",
    "reviewsctl.env",
    "reviewsctl.env.part",
    "sqlx-primary",
    "sqlx-meta",
    "state.json.part",
    "state.json",
    "lock",
];

/// Whether a directory holds anything that this tool does not make: then it is not ours to delete.
pub(crate) fn holds_other_files(data: &Path) -> bool {
    let foreign = |entry: &fs::DirEntry| !ENTRIES.iter().any(|name| entry.file_name() == *name);
    fs::read_dir(data).is_ok_and(|entries| entries.flatten().any(|entry| foreign(&entry)))
}

/// Removes a data directory: what this tool made in it, then the directory if that leaves it empty.
pub(crate) fn remove_data(data: &Path) -> Result<()> {
    for entry in ENTRIES.map(|name| data.join(name)) {
        let removed = match fs::symlink_metadata(&entry) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&entry),
            Ok(_) => fs::remove_file(&entry),
            Err(error) => Err(error),
        };
        if let Err(error) = removed
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("cannot remove {}", entry.display()));
        }
    }
    match fs::remove_dir(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", data.display()))
        }
        _ => Ok(()),
    }
}

/// Removes a directory tree; one that is not there is fine.
pub(crate) fn remove_tree(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_paths_keep_within_the_kernels_limit() {
        let room = SOCKET_PATH_BYTES_MAX - "/s/".len() - SOCKET_NAME.len();
        let fits = PathBuf::from(format!("/{}", "d".repeat(room - 1)));
        assert_eq!(choose_sockets_dir(&fits), fits.join("s"));
        let long = PathBuf::from(format!("/{}", "d".repeat(room)));
        let chosen = choose_sockets_dir(&long);
        assert!(chosen.starts_with("/tmp"), "{}", chosen.display());
        assert!(chosen.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert!(choose_sockets_dir(Path::new("/a,b")).starts_with("/tmp"));
    }

    #[test]
    fn a_path_with_spaces_quotes_or_variables_is_not_plain() {
        assert!(plain(Path::new("/srv/ada_1/re-views.d/.stack")));
        for odd in ["/a b", "/it's", "/a;b", "/$x", "/a{b}", "/ä", "/a\nb"] {
            assert!(!plain(Path::new(odd)), "{odd}");
        }
    }

    #[test]
    fn removing_a_data_directory_leaves_what_others_put_there() {
        let data = std::env::temp_dir().join(format!("stack-place-{}", std::process::id()));
        fs::create_dir_all(data.join("servers/primary")).unwrap();
        fs::write(data.join("state.json"), "{}").unwrap();
        assert!(!holds_other_files(&data));
        fs::write(data.join("thesis.txt"), "").unwrap();
        assert!(holds_other_files(&data));
        assert!(remove_data(&data).is_err());
        assert!(!data.join("servers").exists() && data.join("thesis.txt").exists());
        fs::remove_file(data.join("thesis.txt")).unwrap();
        remove_data(&data).unwrap();
        assert!(!data.exists());
        remove_data(&data).unwrap();
    }

    #[test]
    fn hashes_are_stable_and_differ() {
        assert_eq!(short_hash(b""), short_hash(b""));
        assert_ne!(short_hash(b"/srv/a/.stack"), short_hash(b"/srv/b/.stack"));
        assert_eq!(short_hash(b"x").len(), 10);
    }
}
