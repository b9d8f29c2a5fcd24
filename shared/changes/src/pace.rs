//! How often messages are sent: more rarely where sending takes long, since then the machine is busy and fewer and larger
//! messages leave more of it for what it is busy with.

use std::time::Duration;

/// The time from one message to the next in times of what sending the first took.
const INTERVAL_TO_SENDING: u32 = 8;

/// Bounds of the time from one message to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Pace {
    /// The time from the beginning of one message to the next, after sending it took so long.
    pub(crate) fn after(self, sending: Duration) -> Duration {
        (sending * INTERVAL_TO_SENDING).clamp(self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_more_rarely_where_sending_takes_long() {
        let ms = Duration::from_millis;
        let pace = Pace { min: ms(8), max: ms(25) };
        assert_eq!([0, 1, 2, 3, 100].map(|took| pace.after(ms(took))), [8, 8, 16, 24, 25].map(ms));
    }
}
