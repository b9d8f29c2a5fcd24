//! Free ports on loopback, and who holds a taken one.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below Linux's usual ephemeral range (32768 and up), so that no outgoing connection takes a remembered port
/// while its server is away.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Whether a server could listen on the port now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port that is not in `taken`. The search begins at a place of the seed's own, so that two stacks
/// which start at once look at different ports.
pub(crate) fn choose(seed: &str, taken: &BTreeSet<u16>, free: impl Fn(u16) -> bool) -> Result<u16> {
    let start = seed.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let start = u16::try_from(start % u32::from(COUNT)).unwrap_or_default();
    let found = (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| !taken.contains(port) && free(*port));
    match found {
        Some(port) => Ok(port),
        None => bail!("no free port on 127.0.0.1 between {FIRST} and {}", FIRST + COUNT - 1),
    }
}

/// Refuses a port that somebody else listens on, and says who.
pub(crate) fn require_free(port: u16, mend: &str) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    let holder = match holder_of(port) {
        Some(pid) => {
            let name = crate::process::command_name(pid).unwrap_or_default();
            format!("process {pid} ({name})")
        }
        None => "another process (see `ss -ltnp`)".to_owned(),
    };
    bail!("port {port} is taken by {holder}: {mend}")
}

/// The process that listens on a port, as far as this user may look.
fn holder_of(port: u16) -> Option<u32> {
    let inodes: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    crate::process::all_pids().find(|pid| {
        fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|to| to.to_str().is_some_and(|to| inodes.contains(to)))
        })
    })
}

/// Inodes of the sockets in a `/proc/net/tcp` table that listen (state 0A) on the port.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(1).is_some_and(|local| local.ends_with(&wanted)))
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .filter_map(|fields| fields.get(9).map(|inode| (*inode).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_or_promised_port_is_passed_over() {
        let first = choose("seed", &BTreeSet::new(), |_| true).unwrap();
        assert_eq!(choose("seed", &BTreeSet::new(), |_| true).unwrap(), first);
        assert_eq!(choose("seed", &BTreeSet::from([first]), |port| port != first + 1).unwrap(), first + 2);
        assert!(choose("seed", &BTreeSet::new(), |_| false).is_err());
    }

    #[test]
    fn the_holder_of_a_taken_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = require_free(port, "use --port").unwrap_err().to_string();
        assert!(
            error.contains(&format!("port {port} is taken by process {}", std::process::id())),
            "{error}"
        );
        assert!(error.ends_with("use --port"), "{error}");
    }

    #[test]
    fn only_listening_sockets_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0\n\
            1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0\n";
        assert_eq!(listening_inodes(table, 8080), ["111"]);
    }
}
