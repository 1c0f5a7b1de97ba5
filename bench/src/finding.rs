//! What a measurement says: a goal, a peer's values, ours.

use serde::Serialize;

use crate::spread::median;

/// What is wanted of the ratio of our median to the peer's, or of our median itself where there is no peer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// At least so many times the peer's.
    RatioAtLeast(f64),
    /// At most so many times the peer's.
    RatioAtMost(f64),
    /// At most the peer's plus this.
    NotAbove(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Shown only.
    Shown,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The job, as the goals call it.
    pub job: String,
    /// What was measured.
    pub quantity: String,
    /// Its unit.
    pub unit: &'static str,
    /// Who the peer is; empty when there is none.
    pub peer: String,
    /// Each repetition of the peer's.
    pub peer_values: Vec<f64>,
    /// Each repetition of ours.
    pub our_values: Vec<f64>,
    /// The goal.
    pub want: Want,
}

impl Finding {
    /// Ours against a peer.
    #[must_use]
    pub fn against(
        (job, quantity, unit): (&str, &str, &'static str),
        (peer, peer_values): (&str, &[f64]),
        our_values: &[f64],
        want: Want,
    ) -> Finding {
        // A peer that was left out has no say.
        let is_comparison = matches!(want, Want::RatioAtLeast(_) | Want::RatioAtMost(_) | Want::NotAbove(_));
        let want = if is_comparison && peer_values.is_empty() { Want::Shown } else { want };
        Finding {
            job: job.to_owned(),
            quantity: quantity.to_owned(),
            unit,
            peer: peer.to_owned(),
            peer_values: peer_values.to_vec(),
            our_values: our_values.to_vec(),
            want,
        }
    }

    /// Ours alone.
    #[must_use]
    pub fn alone(what: (&str, &str, &'static str), our_values: &[f64], want: Want) -> Finding {
        Finding::against(what, ("", &[]), our_values, want)
    }

    /// Our median over the peer's.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (!self.peer_values.is_empty()).then(|| median(&self.our_values) / median(&self.peer_values))
    }

    /// Whether the goal is met; `None` when there is none.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let (ours, ratio) = (median(&self.our_values), self.ratio().unwrap_or(f64::NAN));
        match self.want {
            Want::RatioAtLeast(least) => Some(ratio >= least),
            Want::RatioAtMost(most) => Some(ratio <= most),
            Want::NotAbove(more) => Some(ours <= median(&self.peer_values) + more),
            Want::AtLeast(least) => Some(ours >= least),
            Want::AtMost(most) => Some(ours <= most),
            Want::Shown => None,
        }
    }

    /// The goal in words.
    #[must_use]
    pub fn goal(&self) -> String {
        let (peer, unit) = (&self.peer, self.unit);
        match self.want {
            Want::RatioAtLeast(least) => format!("≥ {least} × {peer}"),
            Want::RatioAtMost(most) => format!("≤ {} × {peer}", number(most)),
            Want::NotAbove(more) => format!("≤ {peer} + {more} {unit}"),
            Want::AtLeast(least) => format!("≥ {least} {unit}"),
            Want::AtMost(most) => format!("≤ {most} {unit}"),
            Want::Shown => "shown".to_owned(),
        }
    }
}

/// Three significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let digits = if value == 0.0 { 0 } else { 2 - value.abs().log10().floor() as i32 };
    format!("{value:.*}", usize::try_from(digits.max(0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_by_medians() {
        let what = ("copy", "rate", "MB/s");
        let finding = |want| Finding::against(what, ("MM2", &[10.0, 12.0, 11.0]), &[55.0, 1.0, 60.0], want);
        assert_eq!(finding(Want::RatioAtLeast(5.0)).is_met(), Some(true));
        assert_eq!(finding(Want::RatioAtLeast(5.1)).is_met(), Some(false));
        assert_eq!(finding(Want::RatioAtMost(5.0)).is_met(), Some(true));
        assert_eq!(finding(Want::NotAbove(43.0)).is_met(), Some(false));
        assert_eq!(finding(Want::Shown).is_met(), None);
        // A measurement that failed meets nothing.
        assert_eq!(Finding::alone(what, &[], Want::AtMost(5.0)).is_met(), Some(false));
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(number(0.012_34), "0.0123");
        assert_eq!(number(453.2), "453");
        assert_eq!(number(4.0), "4.00");
        assert_eq!(number(0.0), "0");
    }
}
