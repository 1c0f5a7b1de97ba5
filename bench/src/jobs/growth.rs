//! Growth: checks that a byte costs about the same CPU time in a thousand partitions as in one.

use linkgate_tests::read::digest;

use super::Effort;
use crate::copying::watch;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{say, stage};

const COUNTS: &[i32] = &[1, 10, 100, 1_000];
/// For a quick run that names this job: creating a thousand partitions takes a minute.
const QUICK_COUNTS: &[i32] = &[1, 100];

/// Copies the same bytes in more and more partitions. As in catch-up, only the steady copying is counted:
/// creating a mirror topic of many partitions takes longer, but does not depend on the bytes.
#[must_use]
pub fn growth(effort: Effort) -> Vec<Finding> {
    let (data, pair) = (Data::plain(), stage::pair("growth"));
    // Large enough that a tick of the kernel's clock is small compared with the CPU time of a copy.
    let bytes = effort.choose(200_000_000, 1_000_000_000);
    let counts = effort.choose(QUICK_COUNTS, COUNTS);
    let topic = |count: i32| format!("in-{count}");
    let write = |count: &i32| {
        say!("growth: writing {} MB into {count} partitions", bytes / 1_000_000);
        stage::fill(&pair.source, &topic(*count), *count, &data, bytes)
    };
    let records: Vec<i64> = counts.iter().map(write).collect();
    let mut costs = vec![Vec::new(); counts.len()];
    // The first round warms up the brokers and is not counted. The partition counts take turns, so that drift
    // affects all of them.
    for n in 0..=effort.repetitions {
        for ((&count, &records), costs) in counts.iter().zip(&records).zip(&mut costs) {
            say!("growth: {count} partitions, {n} of {}", effort.repetitions);
            let name = format!("run{n}-{count}");
            stage::link(&pair, &name);
            let mirror = stage::mirror(&pair, &name, &topic(count));
            let to = pair.destination.bootstrap();
            let copied = watch(&to, &mirror, count, records, data.record_bytes(), &stage::daemon(&pair));
            if n == effort.repetitions {
                digest::assert_same(&pair.source.bootstrap(), &topic(count), &to, &mirror);
            }
            let (rate, cost) = (copied.rate, copied.cpu_per_gb);
            say!("growth: {count} partitions: {rate:.0} MB/s, {cost:.2} CPU s/GB");
            stage::unlink(&pair, &name, &mirror);
            if n > 0 {
                costs.push(copied.cpu_per_gb);
            }
        }
    }
    let (one, more) = costs.split_first().expect("there are several counts");
    counts[1..]
        .iter()
        .zip(more)
        .map(|(count, costs)| {
            let job = format!("growth, {count} partitions");
            let what = (job.as_str(), "CPU of the copier", "s/GB");
            Finding::against(what, ("one partition", one), costs, Want::RatioAtMost(1.2))
        })
        .collect()
}
