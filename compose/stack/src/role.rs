//! The processes of a stack by name: their order, their signals and their limits.

use std::time::Duration;

use rustix::process::Signal;

/// Everything a stack can run, in the order in which it starts; it stops in the reverse order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Primary,
    Meta,
    Epmd,
    Rabbitmq,
    Projector,
    Write,
    Read(u16),
    Admin,
    Nginx,
}

impl Role {
    pub(crate) const SERVERS: [Self; 4] = [Self::Primary, Self::Meta, Self::Epmd, Self::Rabbitmq];

    /// The roles of a stack with this many readers.
    pub(crate) fn all(reads: u16) -> Vec<Self> {
        let mut roles = Self::SERVERS.to_vec();
        roles.extend([Self::Projector, Self::Write]);
        roles.extend((1..=reads).map(Self::Read));
        roles.extend([Self::Admin, Self::Nginx]);
        roles
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Primary => "primary".to_owned(),
            Self::Meta => "meta".to_owned(),
            Self::Epmd => "epmd".to_owned(),
            Self::Rabbitmq => "rabbitmq".to_owned(),
            Self::Projector => "projector".to_owned(),
            Self::Write => "write".to_owned(),
            Self::Read(number) => format!("read-{number}"),
            Self::Admin => "admin".to_owned(),
            Self::Nginx => "nginx".to_owned(),
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let number = name.strip_prefix("read-").and_then(|number| number.parse().ok());
        match number {
            Some(number) => Some(Self::Read(number)),
            None => Self::all(0).into_iter().find(|role| role.name() == name),
        }
    }

    /// How many steps it stands behind, as `nice` counts, while all cores are busy: what a page waits for goes first, which
    /// now and then is a database.
    pub(crate) const fn nice(self) -> i32 {
        match self {
            Self::Read(_) | Self::Nginx => 0,
            Self::Primary | Self::Meta => 5,
            _ => 10,
        }
    }

    /// How long it may take until it is ready; recovery after a crash included.
    pub(crate) fn start_limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Primary | Self::Meta => 120,
            Self::Rabbitmq => 90,
            _ => 30,
        })
    }

    /// The signals that end it, in turn, and the time to obey each.
    pub(crate) fn stop_signals(self) -> &'static [(Signal, Duration)] {
        const SECOND: Duration = Duration::from_secs(1);
        match self {
            // Fast shutdown with a checkpoint, then the immediate one.
            Self::Primary | Self::Meta => {
                const { &[(Signal::INT, SECOND.saturating_mul(60)), (Signal::QUIT, SECOND.saturating_mul(10))] }
            }
            Self::Rabbitmq => const { &[(Signal::TERM, SECOND.saturating_mul(30))] },
            // Requests under way are answered first.
            Self::Nginx => {
                const { &[(Signal::QUIT, SECOND.saturating_mul(5)), (Signal::TERM, SECOND.saturating_mul(5))] }
            }
            _ => const { &[(Signal::TERM, SECOND.saturating_mul(12))] },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_roles_match() {
        for role in Role::all(3) {
            assert_eq!(Role::parse(&role.name()), Some(role));
        }
        assert_eq!(Role::parse("read-2"), Some(Role::Read(2)));
        assert_eq!(Role::parse("read-x"), None);
        assert_eq!(Role::parse("postgres"), None);
    }

    #[test]
    fn everything_stops_in_the_reverse_order_of_its_start() {
        let mut names: Vec<_> = Role::all(1).into_iter().rev().map(Role::name).collect();
        let in_order =
            ["nginx", "admin", "read-1", "write", "projector", "rabbitmq", "epmd", "meta", "primary"];
        assert_eq!(names, in_order);
        let mut roles: Vec<_> = names.drain(..).filter_map(|name| Role::parse(&name)).collect();
        roles.sort_unstable();
        assert_eq!(roles, Role::all(1));
    }
}
