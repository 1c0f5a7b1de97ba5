//! The sequence of faults, as a pure function of a seed.
//!
//! Faults come in waves. The next wave begins when the mirror has recovered from the last one. 43 % of the
//! waves are a single fault, whose recovery time can be measured. The others hit several places at once, and
//! go on while the mirror recovers.

use fastrand::Rng;

use super::kind::{Kind, Place};

/// A planned fault. The meaning of the numbers depends on the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Kind of the fault.
    pub kind: Kind,
    /// Place of the fault.
    pub place: Place,
    /// Pause after the start of the wave, or after the end of the former fault at the same place, in
    /// milliseconds.
    pub pause_ms: u64,
    /// Duration of the fault, in milliseconds.
    pub lasts_ms: u64,
    /// Number of bytes that pass before a cut, or bytes per second.
    pub bytes: u64,
    /// Random choice of what the kind leaves open, such as direction or broker.
    pub choice: u8,
}

/// Faults at different places at the same time; those of one place run one after the other.
pub type Wave = Vec<Vec<Planned>>;

/// The endless sequence of waves of one seed.
#[derive(Debug)]
pub struct Schedule {
    rng: Rng,
    network: Vec<(Kind, Place)>,
    process: Vec<(Kind, Place)>,
}

const PLACES: [Place; 3] = [Place::Client, Place::Destination, Place::Source];

impl Schedule {
    /// Returns the schedule of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Schedule {
        Schedule { rng: Rng::with_seed(seed), network: Vec::new(), process: Vec::new() }
    }

    /// Returns the next wave.
    pub fn wave(&mut self) -> Wave {
        match self.rng.u8(0..100) {
            0..30 => vec![vec![self.network(None)]],
            30..43 => vec![vec![self.process()]],
            43..60 => {
                let mut wave = vec![vec![self.process()]];
                wave.extend(self.lanes(3));
                wave
            }
            _ => self.lanes(2),
        }
    }

    /// Returns one to `most` network faults at each of two or three places.
    fn lanes(&mut self, most: usize) -> Wave {
        let mut places = PLACES;
        self.rng.shuffle(&mut places);
        let count = self.rng.usize(2..=3);
        places[..count]
            .iter()
            .map(|place| (0..self.rng.usize(1..=most)).map(|_| self.network(Some(*place))).collect())
            .collect()
    }

    /// Returns a network fault. Each kind at each place comes once before any comes again.
    fn network(&mut self, at: Option<Place>) -> Planned {
        let fits = |(_, place): &(Kind, Place)| at.is_none_or(|at| at == *place);
        if !self.network.iter().any(fits) {
            let all = Kind::NETWORK.into_iter().flat_map(|kind| PLACES.map(|place| (kind, place)));
            let mut fresh: Vec<(Kind, Place)> = all.filter(fits).collect();
            self.rng.shuffle(&mut fresh);
            self.network.extend(fresh);
        }
        let index = self.network.iter().position(fits).unwrap_or(0);
        let (kind, place) = self.network.remove(index);
        let bytes = match kind {
            // Slow enough to have an effect, fast enough for a fetch within its timeout.
            Kind::Throttle => self.rng.u64(40_000..400_000),
            _ => 1 << self.rng.u32(0..17),
        };
        self.planned(kind, place, 200..1_500, bytes)
    }

    fn process(&mut self) -> Planned {
        if self.process.is_empty() {
            self.process = Kind::PROCESS.to_vec();
            // More often than others: it is quick, and the only fault that moves leaders while all brokers
            // run.
            self.process.extend([(Kind::LeaderMove, Place::Destination); 2]);
            self.rng.shuffle(&mut self.process);
        }
        let (kind, place) = self.process.pop().unwrap_or((Kind::LinkgateKill, Place::Linkgate));
        let lasts_ms = match kind {
            // Sometimes longer than a broker's session, so that its leadership moves.
            Kind::BrokerPause => 500..8_000,
            Kind::LinkgatePause => 500..4_000,
            // Sometimes longer than Linkgate tolerates a topic that seems to be gone: 4 s at the destination,
            // 8 s at the source.
            Kind::OtherCluster => 1_000..11_000,
            Kind::Hang => 2_000..10_000,
            _ => 100..2_000,
        };
        self.planned(kind, place, lasts_ms, 0)
    }

    fn planned(&mut self, kind: Kind, place: Place, lasts_ms: std::ops::Range<u64>, bytes: u64) -> Planned {
        Planned {
            kind,
            place,
            pause_ms: self.rng.u64(0..400),
            lasts_ms: self.rng.u64(lasts_ms),
            bytes,
            choice: self.rng.u8(..),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_seeds_give_equal_schedules_and_other_seeds_differ() {
        let waves = |seed| {
            let mut schedule = Schedule::new(seed);
            (0..50).map(|_| schedule.wave()).collect::<Vec<_>>()
        };
        assert_eq!(waves(7), waves(7));
        assert_ne!(waves(7), waves(8));
    }

    #[test]
    fn a_thousand_faults_cover_every_kind_and_place() {
        let mut schedule = Schedule::new(1);
        let mut seen = BTreeSet::new();
        let (mut faults, mut waves) = (0, 0);
        while faults < 1_000 {
            let wave = schedule.wave();
            waves += 1;
            faults += wave.iter().map(Vec::len).sum::<usize>();
            let places: BTreeSet<Place> = wave.iter().skip(1).map(|lane| lane[0].place).collect();
            assert_eq!(places.len(), wave.len() - 1, "a place twice at the same time");
            seen.extend(wave.into_iter().flatten().map(|planned| (planned.kind, planned.place)));
        }
        assert_eq!(seen.len(), Kind::NETWORK.len() * PLACES.len() + Kind::PROCESS.len());
        assert!((300..500).contains(&waves), "{waves} waves");
    }
}
