//! How fast to work beside live writers: a pure controller, fed with what the write services measure.

use primary::WriteLatency;
use std::time::Duration;

/// Live commands may become so much slower, in percent, than they were when the work began, before it slows down.
const SLOWER_PERCENT: u32 = 10;
/// Differences below this are noise of the machine.
const NOISE: Duration = Duration::from_micros(500);
/// Rest for each unit of work: the least beside live writers, what it begins with, and the most. At the most it works for
/// so little of the time that one command of a hundred meets it.
const REST_MIN: f64 = 1.0;
const REST_BEGIN: f64 = 16.0;
const REST_MAX: f64 = 100.0;
/// How much the rest grows with a reading that is slow, and shrinks with one that is quick.
const GROW: f64 = 2.0;
const SHRINK: f64 = 0.7;
/// Looks after which a reading that is as before is a new one.
const LOOKS_OF_A_READING: u32 = 4;
/// Events of a range when nobody is in the way, and beside live writers: some milliseconds of work.
const RANGE_EVENTS: i64 = 16_384;
const RANGE_EVENTS_LIVE: i64 = 1_024;

/// How fast to work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Rest for each unit of work.
    rest: f64,
    /// Commands are slower than they may be at all.
    stop: bool,
}

impl Pace {
    /// As fast as it goes.
    pub(crate) const FULL: Pace = Pace { rest: 0.0, stop: false };

    /// Whether nothing may be done at the moment.
    pub(crate) fn stops(self) -> bool {
        self.stop
    }

    /// How long to rest after so much work.
    pub(crate) fn rest_after(self, worked: Duration) -> Duration {
        if self.stop { Duration::MAX } else { worked.mul_f64(self.rest) }
    }

    /// Events of a range, over all its parts.
    pub(crate) fn range_events(self) -> i64 {
        if self == Self::FULL { RANGE_EVENTS } else { RANGE_EVENTS_LIVE }
    }
}

/// Follows the latency of live commands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Above this nothing is done at all.
    write_p99_max: Duration,
    /// What it was before the work began.
    before: Option<Duration>,
    /// The last reading, and the looks since it counted: it is looked at more often than there is a new one.
    last: Option<WriteLatency>,
    looks: u32,
    rest: f64,
}

impl Throttle {
    /// Stops altogether while commands take longer than this, and slows down long before.
    pub const fn new(write_p99_max: Duration) -> Self {
        Throttle { write_p99_max, before: None, last: None, looks: 0, rest: REST_BEGIN }
    }

    /// The pace after another look; `None` when the latency cannot be read, which is no sign that all is quiet.
    pub(crate) fn pace(&mut self, latency: Option<WriteLatency>) -> Pace {
        let Some(latency) = latency else { return Pace { rest: REST_MAX, stop: false } };
        let Some(p99) = latency.worst_p99 else {
            if latency.silent > 0 {
                return Pace { rest: REST_MAX, stop: false };
            }
            // Nobody writes. Whoever begins to is met at the next look.
            (self.before, self.rest) = (None, REST_BEGIN);
            return Pace::FULL;
        };
        let before = *self.before.get_or_insert(p99);
        let target = (before + (before * SLOWER_PERCENT / 100).max(NOISE)).min(self.write_p99_max);
        self.looks += 1;
        if self.last.replace(latency) != Some(latency) || self.looks >= LOOKS_OF_A_READING {
            self.looks = 0;
            self.rest = (self.rest * if p99 > target { GROW } else { SHRINK }).clamp(REST_MIN, REST_MAX);
        }
        Pace { rest: self.rest, stop: p99 > self.write_p99_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(20);

    fn latency(p99_ms: Option<u64>) -> Option<WriteLatency> {
        let commands = u64::from(p99_ms.is_some());
        Some(WriteLatency { worst_p99: p99_ms.map(Duration::from_millis), commands, writers: 1, silent: 0 })
    }

    #[test]
    fn nobody_writes_then_full_speed() {
        let mut throttle = Throttle::new(MAX);
        assert_eq!(throttle.pace(latency(None)), Pace::FULL);
        assert_eq!(Pace::FULL.rest_after(Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn above_the_limit_it_stops_and_below_it_goes_on() {
        let mut throttle = Throttle::new(MAX);
        assert_eq!(throttle.pace(latency(Some(21))).rest_after(Duration::from_millis(1)), Duration::MAX);
        let after = throttle.pace(latency(Some(5))).rest_after(Duration::from_millis(1));
        assert!(after > Duration::ZERO && after < Duration::from_secs(1), "{after:?}");
    }

    #[test]
    fn slower_than_before_it_rests_longer_and_longer() {
        let mut throttle = Throttle::new(MAX);
        let first = throttle.pace(latency(Some(4)));
        let mut last = first.rest;
        for ms in 6..18 {
            let pace = throttle.pace(latency(Some(ms)));
            assert!(pace.rest > last || pace.rest >= REST_MAX, "{pace:?}");
            last = pace.rest;
        }
        for n in 0..100 {
            last = throttle.pace(latency(Some(3 + n % 2))).rest;
        }
        assert!((last - REST_MIN).abs() < f64::EPSILON, "quick again: {last}");
    }

    #[test]
    fn a_reading_that_is_seen_twice_counts_once() {
        let mut throttle = Throttle::new(MAX);
        throttle.pace(latency(Some(4)));
        let slow = throttle.pace(latency(Some(6)));
        assert_eq!(throttle.pace(latency(Some(6))), slow);
        let after = (0..LOOKS_OF_A_READING).map(|_| throttle.pace(latency(Some(6)))).last().unwrap();
        assert!(after.rest > slow.rest, "the next is the same, and counts");
    }

    #[test]
    fn what_cannot_be_read_is_no_sign_of_quiet() {
        let mut throttle = Throttle::new(MAX);
        assert!(throttle.pace(None).rest >= REST_MAX);
        let silent = WriteLatency { worst_p99: None, commands: 0, writers: 0, silent: 1 };
        assert!(throttle.pace(Some(silent)).rest >= REST_MAX);
    }
}
