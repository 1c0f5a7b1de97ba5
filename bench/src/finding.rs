//! Result of a measurement: the goal, the peer's values, and Linkgate's values.

use serde::Serialize;

use crate::spread::median;

/// Goal for the ratio of our median to the peer's, or for our median itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Ratio of ours to the peer's is at least this.
    RatioAtLeast(f64),
    /// Ratio of ours to the peer's is at most this.
    RatioAtMost(f64),
    /// Ours is at most the peer's plus this.
    NotAbove(f64),
    /// Ours is at least this.
    AtLeast(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// No goal; the values are only shown.
    Shown,
}

/// One row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Name of the job.
    pub job: String,
    /// Name of the measured quantity.
    pub quantity: String,
    /// Unit of the quantity.
    pub unit: &'static str,
    /// Name of the peer; empty if there is none.
    pub peer: String,
    /// Values of the peer, one per repetition.
    pub peer_values: Vec<f64>,
    /// Values of Linkgate, one per repetition.
    pub our_values: Vec<f64>,
    /// The goal.
    pub want: Want,
}

impl Finding {
    /// Creates a finding that compares Linkgate with a peer.
    #[must_use]
    pub fn against(
        (job, quantity, unit): (&str, &str, &'static str),
        (peer, peer_values): (&str, &[f64]),
        our_values: &[f64],
        want: Want,
    ) -> Finding {
        // Without values of the peer there is nothing to compare.
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

    /// Creates a finding of Linkgate without a peer.
    #[must_use]
    pub fn alone(what: (&str, &str, &'static str), our_values: &[f64], want: Want) -> Finding {
        Finding::against(what, ("", &[]), our_values, want)
    }

    /// Returns our median divided by the peer's; `None` without a peer.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (!self.peer_values.is_empty()).then(|| median(&self.our_values) / median(&self.peer_values))
    }

    /// Returns true if the goal is met; `None` if there is no goal.
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

    /// Formats the goal.
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

/// Formats a number with three significant digits.
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
        // A failed measurement has no values and does not meet the goal.
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
