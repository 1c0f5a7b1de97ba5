//! The result of an audit.

use std::fmt;

/// Number of examples that are kept of one comparison.
const EXAMPLES: usize = 3;

/// Kinds of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A record of the source is not on the mirror.
    Lost,
    /// A record is on the mirror twice.
    Duplicated,
    /// Records are read in another order.
    Reordered,
    /// A record is at another offset, or a log begins or ends at another offset.
    Offset,
    /// A record has another timestamp.
    Timestamp,
    /// A record has another key, value or header.
    Content,
    /// A record of the mirror was never on the source.
    Invented,
}

impl Difference {
    /// All kinds, in the order of the report.
    pub const ALL: [Difference; 7] = [
        Difference::Lost,
        Difference::Duplicated,
        Difference::Reordered,
        Difference::Offset,
        Difference::Timestamp,
        Difference::Content,
        Difference::Invented,
    ];

    fn name(self) -> &'static str {
        match self {
            Difference::Lost => "lost",
            Difference::Duplicated => "duplicated",
            Difference::Reordered => "reordered",
            Difference::Offset => "offset differences",
            Difference::Timestamp => "timestamp differences",
            Difference::Content => "content differences",
            Difference::Invented => "invented",
        }
    }
}

/// Number of differences by kind, with examples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Number of records of the source that were compared.
    pub records: usize,
    counts: [usize; Difference::ALL.len()],
    first_offset: Option<i64>,
    /// Sentences about the first differences.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Returns a verdict without differences for `records` compared records.
    #[must_use]
    pub fn of(records: usize) -> Verdict {
        Verdict { records, ..Verdict::default() }
    }

    /// Counts one difference at `offset`. Keeps the sentence if there is room for an example.
    pub fn found(&mut self, what: Difference, offset: i64, sentence: impl FnOnce() -> String) {
        self.counts[what as usize] += 1;
        self.first_offset = Some(self.first_offset.map_or(offset, |first| first.min(offset)));
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{} at offset {offset}: {}", what.name(), sentence()));
        }
    }

    /// Counts that the logs end at different offsets.
    pub fn end(&mut self, source: i64, mirror: i64) {
        self.found(Difference::Offset, source.min(mirror), || {
            format!("the source's log ends at {source}, the mirror's at {mirror}")
        });
    }

    /// Counts that the logs begin at different offsets.
    pub fn start(&mut self, source: i64, mirror: i64) {
        self.found(Difference::Offset, source.min(mirror), || {
            format!("the source's log begins at {source}, the mirror's at {mirror}")
        });
    }

    /// Adds the differences of another comparison. Its examples are prefixed with `context`.
    pub fn absorb(&mut self, context: &str, other: Verdict) {
        self.records += other.records;
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.first_offset = match (self.first_offset, other.first_offset) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.examples.extend(other.examples.into_iter().map(|example| format!("{context}: {example}")));
    }

    /// Adds a text that explains the first difference.
    pub fn note(&mut self, text: String) {
        self.examples.push(text);
    }

    /// Returns the lowest offset at which something differs.
    #[must_use]
    pub fn first_offset(&self) -> Option<i64> {
        self.first_offset
    }

    /// Returns the number of differences of one kind.
    #[must_use]
    pub fn count(&self, what: Difference) -> usize {
        self.counts[what as usize]
    }

    /// Returns the number of differences of all kinds.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.counts.iter().sum()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.records)?;
        for what in Difference::ALL {
            write!(f, ", {} {}", self.count(what), what.name())?;
        }
        Ok(())
    }
}
