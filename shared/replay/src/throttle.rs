//! How fast to work beside live writers: a pure controller, fed with what the write services measure.

use primary::WriteLatency;
use std::time::Duration;

/// Live commands may become so much slower, in percent, than they are without the work, before it slows down.
const SLOWER_PERCENT: u32 = 10;
/// What a new reading counts, against those before it together: single ones are far from each other.
const NEW: f64 = 0.5;
/// Rest from which on hardly anything of the work is in a reading, and the readings at it until nothing of the time
/// before is: a write service tells of its last five seconds every second.
const REST_UNSEEN: f64 = REST_MAX * SHRINK;
const READINGS_TO_SETTLE: u32 = 5;
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
    /// How long commands take, over the last readings.
    recent: Option<Duration>,
    /// How long they take without the work, as far as is known: what was read before it began, then less when
    /// noticeably less is read, and whatever is read while the rests are so long that the work cannot be seen. Else
    /// work that slows commands down little by little would become what is usual, and a shop that has become busy
    /// would be waited for to the end.
    alone: Option<Duration>,
    /// The last reading, and the looks since it counted: it is looked at more often than there is a new one.
    last: Option<WriteLatency>,
    looks: u32,
    rest: f64,
    /// Readings at such a rest, without another between them.
    settled: u32,
}

impl Throttle {
    /// Stops altogether while commands take longer than this, and slows down long before.
    pub const fn new(write_p99_max: Duration) -> Self {
        Throttle {
            write_p99_max,
            recent: None,
            alone: None,
            last: None,
            looks: 0,
            rest: REST_BEGIN,
            settled: 0,
        }
    }

    /// The pace after another look; `None` when the latency cannot be read, which is no sign that all is quiet.
    pub(crate) fn pace(&mut self, latency: Option<WriteLatency>) -> Pace {
        let Some(latency) = latency else { return Pace { rest: REST_MAX, stop: false } };
        let Some(p99) = latency.worst_p99 else {
            if latency.silent > 0 {
                return Pace { rest: REST_MAX, stop: false };
            }
            // Nobody writes. Whoever begins to is met at the next look.
            *self = Self::new(self.write_p99_max);
            return Pace::FULL;
        };
        self.looks += 1;
        if self.last.replace(latency) != Some(latency) || self.looks >= LOOKS_OF_A_READING {
            self.looks = 0;
            self.read(p99);
        }
        if latency.silent > 0 {
            // The one that says nothing may be the one that is hard pressed.
            self.rest = REST_MAX;
        }
        Pace { rest: self.rest, stop: p99 > self.write_p99_max }
    }

    /// Takes a reading in.
    fn read(&mut self, p99: Duration) {
        let recent = self.recent.map_or(p99, |before| before.mul_f64(1.0 - NEW) + p99.mul_f64(NEW));
        let alone = self.alone.unwrap_or(p99);
        let slow = recent > noticeably_above(alone).min(self.write_p99_max);
        self.settled = if self.rest >= REST_UNSEEN { self.settled + 1 } else { 0 };
        let learns = self.settled > READINGS_TO_SETTLE || noticeably_above(recent) < alone;
        (self.recent, self.alone) = (Some(recent), Some(if learns { recent } else { alone }));
        self.rest = (self.rest * if slow { GROW } else { SHRINK }).clamp(REST_MIN, REST_MAX);
    }
}

/// What is more than noise above that.
fn noticeably_above(p99: Duration) -> Duration {
    p99 + (p99 * SLOWER_PERCENT / 100).max(NOISE)
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
        for ms in 6..12 {
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
    fn a_shop_that_has_become_busy_is_not_waited_for_and_a_quiet_one_not_slowed_down() {
        let mut throttle = Throttle::new(MAX);
        throttle.pace(latency(Some(4)));
        let busy: Vec<f64> = (0..40).map(|n| throttle.pace(latency(Some(12 + n % 2))).rest).collect();
        assert!(busy[..8].contains(&REST_MAX), "it may be the work: {busy:?}");
        assert!(busy[20..].iter().all(|rest| *rest < REST_MAX), "it is not: {busy:?}");
        for n in 0..40 {
            throttle.pace(latency(Some(4 + n % 2)));
        }
        let slower = throttle.pace(latency(Some(12))).rest;
        assert!(throttle.pace(latency(Some(11))).rest > slower, "12 ms is slow again");
    }

    #[test]
    fn slow_work_does_not_become_what_is_usual() {
        let mut throttle = Throttle::new(MAX);
        throttle.pace(latency(Some(4)));
        for _ in 0..10 {
            for ms in [6, 4, 3, 4] {
                let rest = throttle.pace(latency(Some(ms))).rest;
                assert!(
                    rest < REST_UNSEEN && throttle.alone == Some(Duration::from_millis(4)),
                    "{throttle:?}"
                );
            }
        }
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
        let beside = latency(Some(4)).map(|others| WriteLatency { silent: 1, ..others });
        assert!(throttle.pace(beside).rest >= REST_MAX, "others say that they are quick");
    }
}
