use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, socket_with, sockopt};

/// A loopback port that nobody else is given while this lives. It is bound but does not listen: connections to
/// it are refused until a server that sets `SO_REUSEADDR` (NGINX and std's `TcpListener` do) listens there.
pub(crate) struct ReservedPort {
    pub(crate) number: u16,
    _bound: OwnedFd,
}

impl ReservedPort {
    pub(crate) fn new() -> Self {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))
                .unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddrV4::try_from(getsockname(&socket).unwrap()).unwrap();
        Self { number: address.port(), _bound: socket }
    }
}
