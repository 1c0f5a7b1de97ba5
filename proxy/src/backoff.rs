//! Delays between attempts: they double up to a bound. Jitter of 20 % keeps many waiting callers from coming
//! back together.

use std::time::Duration;

/// Returns the delay after `failures` consecutive failures, with jitter; zero after none.
pub(crate) fn delay(failures: u32, base: Duration, most: Duration) -> Duration {
    doubled(failures, base, most).mul_f64(0.8 + 0.4 * fastrand::f64())
}

/// Returns the delay after `failures` consecutive failures, without jitter; zero after none.
pub(crate) fn doubled(failures: u32, base: Duration, most: Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    base.saturating_mul(1 << doublings.min(20)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound() {
        let (base, most) = (Duration::from_millis(100), Duration::from_secs(1));
        assert_eq!(delay(0, base, most), Duration::ZERO);
        for (failures, plain) in [(1, 100), (2, 200), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            let got = delay(failures, base, most).as_millis();
            assert!((plain * 8 / 10..=plain * 12 / 10).contains(&got), "{failures}: {got}");
        }
    }
}
