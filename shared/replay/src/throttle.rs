//! How fast to work beside live writers: a pure controller, fed with what the write services measure.

use primary::WriteLatency;
use std::time::Duration;

/// Live commands may become so much slower, in percent, than they are without the work, before it slows down.
const SLOWER_PERCENT: u32 = 10;
/// Differences below this are noise of the machine.
const NOISE: Duration = Duration::from_micros(500);
/// What a new reading counts, against those before it together: single ones are far from each other.
const NEW: f64 = 0.5;
/// Rest for each unit of work: the least beside live writers, what it begins with, and the most. At the most it works for
/// so little of the time that one command of a hundred meets it.
const REST_MIN: f64 = 1.0;
const REST_BEGIN: f64 = 16.0;
const REST_MAX: f64 = 100.0;
/// How much the rest grows with a reading that is slow, and shrinks with one that is quick.
const GROW: f64 = 2.0;
const SHRINK: f64 = 0.7;
/// Looks for one reading: write services tell once a second of their last five.
const LOOKS_OF_A_READING: u32 = 4;
/// Readings until nothing of the time before is in one.
const READINGS_TO_SETTLE: u32 = 6;
/// Slow readings at the longest rest, and readings at any, after which it listens how long commands take without it.
const LISTEN_AFTER_SLOW: u32 = READINGS_TO_SETTLE;
const LISTEN_EVERY: u32 = 60;
/// Events of a range when nobody is in the way, and beside live writers: some milliseconds of work.
const RANGE_EVENTS: i64 = 16_384;
const RANGE_EVENTS_LIVE: i64 = 1_024;

/// How fast to work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// As fast as it goes.
    Full,
    /// With so much rest for each unit of work.
    Rest(f64),
    /// Not at all for some seconds, to learn how long commands take without the work.
    Listen,
    /// Not at all: commands are slower than they may be.
    Stop,
}

impl Pace {
    /// How long to rest after so much work.
    pub(crate) fn rest_after(self, worked: Duration) -> Duration {
        match self {
            Pace::Full => Duration::ZERO,
            Pace::Rest(rest) => worked.mul_f64(rest),
            Pace::Listen | Pace::Stop => Duration::MAX,
        }
    }

    /// Events of a range, over all its parts.
    pub(crate) fn range_events(self) -> i64 {
        if self == Pace::Full { RANGE_EVENTS } else { RANGE_EVENTS_LIVE }
    }
}

/// Follows the latency of live commands: rests longer whenever they are slower than without the work. How long they take
/// without it is only ever read while nothing was done for as long as a reading looks back: guessed from readings
/// beside the work, be they the lowest or those at long rests, it would in the end be that of the work itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Above this nothing is done at all.
    write_p99_max: Duration,
    rest: f64,
    looks: u32,
    /// How long commands take over the last readings, and without the work; nothing when nobody writes.
    known: Option<Known>,
    /// Whether it listens, and the readings for which nothing was done so far.
    listening: Option<u32>,
    /// It did work while nobody was known to write: the first reading would be one of that.
    worked_fully: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    recent: Duration,
    alone: Duration,
    /// Readings since that was learnt, and slow ones in a row at the longest rest.
    readings: u32,
    slow: u32,
}

impl Throttle {
    /// Stops altogether while commands take longer than this, and slows down long before.
    pub const fn new(write_p99_max: Duration) -> Self {
        Throttle {
            write_p99_max,
            rest: REST_BEGIN,
            looks: 0,
            known: None,
            listening: None,
            worked_fully: false,
        }
    }

    /// The pace after another look. `latency`: `None` when it cannot be read, which is no sign that all is quiet.
    /// `rests`: nothing is done at the moment.
    pub(crate) fn pace(&mut self, latency: Option<WriteLatency>, rests: bool) -> Pace {
        let Some(latency) = latency else { return Pace::Rest(REST_MAX) };
        let Some(p99) = latency.worst_p99 else {
            if latency.silent > 0 {
                return Pace::Rest(REST_MAX);
            }
            // Nobody writes. Whoever begins to is met at the next look.
            *self = Throttle { worked_fully: true, ..Self::new(self.write_p99_max) };
            return Pace::Full;
        };
        if self.known.is_none() || self.looks >= LOOKS_OF_A_READING {
            self.looks = 0;
            self.read(p99, rests);
        }
        self.looks += 1;
        if latency.silent > 0 {
            // The one that says nothing may be the one that is hard pressed.
            self.rest = REST_MAX;
        }
        match self.listening {
            _ if p99 > self.write_p99_max => Pace::Stop,
            Some(_) => Pace::Listen,
            None => Pace::Rest(self.rest),
        }
    }

    /// Takes a reading in.
    fn read(&mut self, p99: Duration, rests: bool) {
        let Some(known) = &mut self.known else {
            self.known = Some(Known { recent: p99, alone: p99, readings: 0, slow: 0 });
            self.listening = self.worked_fully.then_some(0);
            return;
        };
        if let Some(idle) = &mut self.listening {
            *idle = if rests { *idle + 1 } else { 0 };
            if *idle >= READINGS_TO_SETTLE {
                *known = Known { recent: p99, alone: p99, readings: 0, slow: 0 };
                self.listening = None;
            }
            return;
        }
        known.recent = known.recent.mul_f64(1.0 - NEW) + p99.mul_f64(NEW);
        known.readings += 1;
        let slow = known.recent > noticeably_above(known.alone).min(self.write_p99_max);
        known.slow = if slow && self.rest >= REST_MAX { known.slow + 1 } else { 0 };
        if known.slow >= LISTEN_AFTER_SLOW || known.readings >= LISTEN_EVERY {
            self.listening = Some(0);
        }
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

    fn ms(ms: f64) -> Duration {
        Duration::from_secs_f64(ms / 1000.0)
    }

    fn latency(p99_ms: Option<f64>) -> WriteLatency {
        let commands = u64::from(p99_ms.is_some());
        WriteLatency { worst_p99: p99_ms.map(ms), commands, writers: 1, silent: 0 }
    }

    /// A shop whose commands take so long without the work, and the longer the more of the last five seconds was work.
    struct Shop {
        throttle: Throttle,
        pace: Pace,
        alone_ms: f64,
        worked: [f64; 5],
        seconds: usize,
    }

    impl Shop {
        fn new(alone_ms: f64) -> Self {
            let mut throttle = Throttle::new(MAX);
            let pace = throttle.pace(Some(latency(Some(alone_ms))), true);
            Shop { throttle, pace, alone_ms, worked: [0.0; 5], seconds: 0 }
        }

        fn p99_ms(&self) -> f64 {
            // Half of the time at work doubles it; and every other second is a little slower of itself.
            let work = self.worked.iter().sum::<f64>() / 5.0;
            self.alone_ms * (1.0 + 2.0 * work) + if self.seconds.is_multiple_of(2) { 0.2 } else { 0.0 }
        }

        /// A second goes by. `hurried`: whatever the pace is, it works half of the time.
        fn second(&mut self, hurried: bool) {
            let share = match self.pace {
                Pace::Full => 1.0,
                Pace::Rest(rest) => 1.0 / (1.0 + rest),
                Pace::Listen | Pace::Stop => 0.0,
            };
            self.worked.rotate_left(1);
            self.worked[4] = if hurried { 0.5 } else { share };
            self.seconds += 1;
            let latency = latency(Some(self.p99_ms()));
            for _ in 0..LOOKS_OF_A_READING {
                self.pace = self.throttle.pace(Some(latency), !hurried);
            }
        }

        fn alone(&self) -> Duration {
            self.throttle.known.unwrap().alone
        }
    }

    #[test]
    fn nobody_writes_then_full_speed() {
        let mut throttle = Throttle::new(MAX);
        assert_eq!(throttle.pace(Some(latency(None)), false), Pace::Full);
        assert_eq!(Pace::Full.rest_after(Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn above_the_limit_it_stops_and_below_it_goes_on() {
        let mut throttle = Throttle::new(MAX);
        let above = throttle.pace(Some(latency(Some(21.0))), true);
        assert_eq!(above.rest_after(ms(1.0)), Duration::MAX);
        let after = throttle.pace(Some(latency(Some(5.0))), true).rest_after(ms(1.0));
        assert!(after > Duration::ZERO && after < Duration::from_secs(1), "{after:?}");
    }

    #[test]
    fn commands_are_hardly_slower_than_without_it_and_it_works_as_much_as_that_allows() {
        let mut shop = Shop::new(4.0);
        let (mut slower, mut worked) = (0.0, 0.0);
        for _ in 0..1000 {
            shop.second(false);
            slower += shop.p99_ms() / shop.alone_ms - 1.0;
            worked += shop.worked[4];
        }
        // A rest of twenty slows them down by a tenth, and the readings come late.
        assert!((0.02..0.2).contains(&(slower / 1000.0)), "{slower}");
        assert!((0.01..0.1).contains(&(worked / 1000.0)), "{worked}");
    }

    #[test]
    fn a_shop_that_has_become_busy_or_quiet_is_known_to_be_within_two_minutes() {
        let mut shop = Shop::new(4.0);
        for alone_ms in [12.0, 3.0, 9.0] {
            shop.alone_ms = alone_ms;
            (0..120).for_each(|_| shop.second(false));
            let alone = shop.alone();
            assert!(alone >= ms(alone_ms) && alone <= ms(alone_ms + 0.3), "{alone_ms}: {alone:?}");
            let rests: Vec<Pace> = (0..60)
                .map(|_| {
                    shop.second(false);
                    shop.pace
                })
                .collect();
            assert!(rests.contains(&Pace::Listen), "it makes sure: {rests:?}");
            let works = rests.iter().filter(|pace| matches!(pace, Pace::Rest(rest) if *rest < 70.0)).count();
            assert!(works > 30, "{alone_ms}: {rests:?}");
        }
    }

    #[test]
    fn what_is_read_beside_hurried_or_unasked_work_is_never_taken_for_what_is_usual() {
        let mut shop = Shop::new(1.0);
        for _ in 0..200 {
            shop.second(true);
            assert!(shop.alone() < ms(1.3), "{:?}", shop.throttle);
        }
        assert_eq!(shop.pace, Pace::Listen);
        (0..7).for_each(|_| shop.second(false));
        assert!(shop.alone() < ms(1.3) && shop.pace != Pace::Listen, "{:?}", shop.throttle);

        let mut shop = Shop::new(1.0);
        shop.pace = shop.throttle.pace(Some(latency(None)), false);
        shop.worked = [1.0; 5];
        shop.second(false);
        assert_eq!(shop.pace, Pace::Listen, "writers came while it went at full speed");
        (0..10).for_each(|_| shop.second(false));
        assert!(shop.alone() < ms(1.3), "{:?}", shop.throttle);
    }

    #[test]
    fn a_reading_that_is_looked_at_more_than_once_counts_once() {
        let mut throttle = Throttle::new(MAX);
        throttle.pace(Some(latency(Some(4.0))), false);
        let paces: Vec<Pace> = (0..2 * LOOKS_OF_A_READING)
            .map(|n| {
                throttle.pace(Some(WriteLatency { commands: u64::from(n), ..latency(Some(8.0)) }), false)
            })
            .collect();
        let rests =
            [REST_BEGIN; 3].into_iter().chain([REST_BEGIN * GROW; 4]).chain([REST_BEGIN * GROW * GROW]);
        assert_eq!(paces, rests.map(Pace::Rest).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_read_is_no_sign_of_quiet() {
        let mut throttle = Throttle::new(MAX);
        let most = Pace::Rest(REST_MAX);
        assert_eq!(throttle.pace(None, false), most);
        let silent = WriteLatency { worst_p99: None, commands: 0, writers: 0, silent: 1 };
        assert_eq!(throttle.pace(Some(silent), false), most);
        let beside = WriteLatency { silent: 1, ..latency(Some(4.0)) };
        assert_eq!(throttle.pace(Some(beside), false), most, "others say that they are quick");
    }
}
