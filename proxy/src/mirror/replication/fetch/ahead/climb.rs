//! How many ranges are asked for at the same time, and how large they are. Pure.
//!
//! Twice what fills the line is under way: round trip × rate. If the line is not full, the rate doubles with
//! each round trip, and so does what is under way. If it is full, no more than a round trip waits in it.
//!
//! That is divided among the ranges. Their number matters where the socket buffers of a connection are smaller
//! than the line: then each further connection adds to the rate. So the number is doubled as long as that
//! pays, and a little more is tried now and then.

use std::time::Duration;

use tokio::time::Instant;

/// Number of ranges to begin with.
const FIRST: usize = 8;
/// Bytes under way to begin with: as much as in the largest answer of an ordinary fetch.
const FIRST_BYTES: usize = 10 << 20;
/// What is under way, in round trip × rate.
const LINES: f64 = 2.0;
/// Minimum size of a range, in bytes.
const MIN_RANGE: usize = 256 * 1024;
/// Minimum number of answers in a measurement.
const ANSWERS: usize = 4;
/// Part of the highest rate that is remembered after each measurement.
const KEEP: f64 = 0.97;
/// Factor of the first trials with more ranges.
const DOUBLE: f64 = 2.0;
/// Factor of a later trial.
const NUDGE: f64 = 1.3;
/// Share of a proportional gain from which on a larger number is kept.
const PAYS: f64 = 0.3;
/// Number of measurements between two trials.
const TRIAL_AFTER: u32 = 40;
/// Measurements to ignore after the number has changed: what arrives was asked for before.
const STALE: u32 = 2;
/// Share of the known rate below which the line, or whoever takes the records, has become slower.
const SLOWER: f64 = 0.6;

/// The number and size of ranges, and the rate that they bring.
#[derive(Debug)]
pub(crate) struct Climb {
    number: usize,
    most: usize,
    max_bytes: usize,
    round_trip: Duration,
    /// Highest rate of the last measurements, in bytes per second; 0 before the first one.
    highest: f64,
    /// Bytes per second with the number before the current trial.
    rate: f64,
    trial: Option<Trial>,
    settled: u32,
    stale: u32,
    window: Option<Window>,
    /// True if more would have been asked for in this measurement.
    wanted_more: bool,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    before: usize,
    first: bool,
}

/// The answers of one measurement.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    bytes: usize,
    answers: usize,
}

impl Climb {
    /// Begins. `most` bounds the number, `max_bytes` the size.
    pub(crate) fn new(most: usize, max_bytes: usize, round_trip: Duration) -> Self {
        let most = most.max(1);
        Climb {
            number: FIRST.min(most),
            most,
            max_bytes,
            round_trip,
            highest: 0.0,
            rate: 0.0,
            trial: None,
            settled: 0,
            stale: 0,
            window: None,
            wanted_more: false,
        }
    }

    /// Returns the number of ranges that may be asked for at the same time.
    pub(crate) fn allowed(&self) -> usize {
        if self.trial.is_some() {
            return self.number;
        }
        // A thin line is filled by few ranges of the minimum size.
        self.number.min((2 * self.all()).div_ceil(self.range().max(1)) + 1)
    }

    /// Returns the size of the ranges to ask for, in bytes.
    pub(crate) fn range(&self) -> usize {
        (self.all() / self.number).max(MIN_RANGE).min(self.max_bytes)
    }

    /// Returns the bytes to have under way.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    fn all(&self) -> usize {
        if self.highest == 0.0 {
            FIRST_BYTES
        } else {
            (self.highest * self.round_trip.as_secs_f64() * LINES) as usize
        }
    }

    /// Bounds the number: the source takes no more connections.
    pub(crate) fn bound(&mut self, most: usize) {
        self.most = most.max(1);
        if self.number > self.most {
            self.trial = None;
            self.change(self.most);
        }
    }

    /// Notes that another range would have been asked for, had it been allowed.
    pub(crate) fn wants_more(&mut self) {
        self.wanted_more = true;
    }

    /// Notes an answer with `bytes` of records.
    pub(crate) fn answered(&mut self, bytes: usize, now: Instant) {
        // The first answer only starts the clock.
        let Some(window) = &mut self.window else {
            self.window = Some(Window { since: now, bytes: 0, answers: 0 });
            return;
        };
        window.bytes += bytes;
        window.answers += 1;
        let (window, took) = (*window, now.saturating_duration_since(window.since));
        if window.answers < ANSWERS || took < self.round_trip || took.is_zero() {
            return;
        }
        self.window = Some(Window { since: now, bytes: 0, answers: 0 });
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = window.bytes as f64 / took.as_secs_f64();
        self.highest = rate.max(self.highest * KEEP);
        if self.stale > 0 {
            self.stale -= 1;
        } else if std::mem::take(&mut self.wanted_more) {
            self.measured(rate);
        }
    }

    /// Decides after a measurement in which the number was the bound.
    fn measured(&mut self, rate: f64) {
        match self.trial.take() {
            None if self.rate == 0.0 => {
                self.rate = rate;
                self.try_with(DOUBLE, true);
            }
            Some(Trial { before, first }) if self.has_paid(before, rate) => {
                self.rate = rate;
                self.try_with(if first { DOUBLE } else { NUDGE }, first);
            }
            Some(Trial { before, .. }) => {
                self.change(before);
                self.settled = 0;
            }
            None if rate < self.rate * SLOWER => {
                self.rate = rate;
                self.change((self.number / 2).max(FIRST.min(self.most)));
                self.settled = 0;
            }
            None => {
                self.settled += 1;
                self.rate = self.rate.midpoint(rate);
                if self.settled >= TRIAL_AFTER {
                    self.try_with(NUDGE, false);
                }
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn has_paid(&self, before: usize, rate: f64) -> bool {
        let more = self.number as f64 / before as f64 - 1.0;
        rate >= self.rate * (1.0 + more * PAYS)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small numbers"
    )]
    fn try_with(&mut self, factor: f64, first: bool) {
        self.settled = 0;
        let more = ((self.number as f64 * factor).ceil() as usize).min(self.most);
        if more > self.number {
            self.trial = Some(Trial { before: self.number, first });
            self.change(more);
        }
    }

    fn change(&mut self, number: usize) {
        self.number = number;
        self.stale = STALE;
        self.wanted_more = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: usize = 5 << 20;
    const TRIP: Duration = Duration::from_millis(100);

    /// Runs `climb` against a line for some answers. `rate_of` gives the bytes per second with this many
    /// ranges under way. Returns the number of ranges at the end.
    fn climbed(
        climb: &mut Climb,
        now: &mut Instant,
        answers: usize,
        rate_of: impl Fn(usize) -> f64,
    ) -> usize {
        for _ in 0..answers {
            climb.wants_more();
            let bytes = climb.range();
            *now += Duration::from_secs_f64(bytes as f64 / rate_of(climb.allowed()));
            climb.answered(bytes, *now);
        }
        climb.allowed()
    }

    #[test]
    fn the_number_grows_until_the_line_is_full() {
        let mut now = Instant::now();
        let mut climb = Climb::new(64, RANGE, TRIP);
        // Each range brings 10 MB/s, the line takes 160 MB/s.
        let line = |ranges: usize| (ranges as f64 * 10e6).min(160e6);
        let full = climbed(&mut climb, &mut now, 1_000, line);
        assert!((16..=24).contains(&full), "{full}");
        let later = climbed(&mut climb, &mut now, 4_000, line);
        assert!((16..=24).contains(&later), "{later}");
    }

    #[test]
    fn a_thin_line_is_not_flooded() {
        let mut now = Instant::now();
        let mut climb = Climb::new(64, RANGE, TRIP);
        // A line of 2 MB/s is full with 200 kB.
        let _ = climbed(&mut climb, &mut now, 1_000, |_| 2e6);
        let under_way = climb.allowed() * climb.range();
        assert!(under_way <= 2 << 20, "{under_way}");
    }

    #[test]
    fn a_line_that_becomes_slower_is_given_way() {
        let mut now = Instant::now();
        let mut climb = Climb::new(64, RANGE, TRIP);
        let before = climbed(&mut climb, &mut now, 2_000, |ranges| ranges as f64 * 10e6);
        assert_eq!(before, 64);
        let less = climbed(&mut climb, &mut now, 4_000, |_| 20e6);
        assert!(less <= 24, "{less}");
    }

    #[test]
    fn many_small_socket_buffers_are_used_together() {
        let mut now = Instant::now();
        let mut climb = Climb::new(64, RANGE, TRIP);
        // 100 kB on the way in each connection.
        assert_eq!(climbed(&mut climb, &mut now, 4_000, |ranges| ranges as f64 * 1e6), 64);
    }

    #[test]
    fn the_bound_holds_and_nothing_is_learnt_while_nobody_wants_more() {
        let mut now = Instant::now();
        let mut climb = Climb::new(2, RANGE, TRIP);
        assert_eq!(climbed(&mut climb, &mut now, 400, |ranges| ranges as f64 * 10e6), 2);
        let mut climb = Climb::new(64, RANGE, TRIP);
        for _ in 0..400 {
            now += Duration::from_millis(10);
            climb.answered(RANGE, now);
        }
        assert_eq!(climb.allowed(), FIRST);
    }
}
