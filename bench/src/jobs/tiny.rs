//! Tiny batches: one record each, as a producer without linger writes them.

use linkgate_tests::read::digest;

use super::Effort;
use crate::copying::watch;
use crate::data::{Codec, Data};
use crate::finding::{Finding, Want};
use crate::peers::mirror_maker::{MirrorMaker, Tuning};
use crate::{say, stage};

const PARTITIONS: i32 = 8;

/// Copies batches of one record of 200 bytes, in eight partitions.
#[must_use]
pub fn tiny(effort: Effort) -> Vec<Finding> {
    let (data, pair) = (Data::tiny(), stage::pair("tiny"));
    let bytes = effort.choose(16_000_000, 80_000_000);
    say!("tiny batches: writing {} records", bytes / 200);
    let records = stage::fill(&pair.source, "tiny", PARTITIONS, &data, bytes);
    let thousands = |rate: f64| rate * 1e6 / data.record_bytes() / 1e3;
    let (mut ours, mut costs) = (Vec::new(), Vec::new());
    for n in 0..effort.repetitions {
        say!("tiny batches: Linkgate, {} of {}", n + 1, effort.repetitions);
        let name = format!("run{n}");
        stage::link(&pair, &name);
        let mirror = stage::mirror(&pair, &name, "tiny");
        let to = pair.destination.bootstrap();
        let copied = watch(&to, &mirror, PARTITIONS, records, data.record_bytes(), &stage::daemon(&pair));
        digest::assert_same(&pair.source.bootstrap(), "tiny", &to, &mirror);
        stage::unlink(&pair, &name, &mirror);
        ours.push(thousands(copied.rate));
        costs.push(copied.cpu_per_gb);
    }
    let job = "tiny batches";
    let rate = (job, "rate", "thousand records/s");
    if effort.alone {
        return vec![
            Finding::alone(rate, &ours, Want::Shown),
            Finding::alone((job, "CPU of the copier", "s/GB"), &costs, Want::Shown),
        ];
    }
    say!("tiny batches: MirrorMaker 2");
    let copier = MirrorMaker::start(&pair, "tiny", Tuning::Throughput, Codec::None);
    let to = pair.destination.bootstrap();
    let mirror = MirrorMaker::name("tiny");
    let copied =
        watch(&to, &mirror, PARTITIONS, records, data.record_bytes(), &stage::processes(&pair, copier.pid()));
    vec![
        Finding::against(
            rate,
            ("MirrorMaker 2, tuned", &[thousands(copied.rate)]),
            &ours,
            Want::RatioAtLeast(5.0),
        ),
        Finding::against(
            (job, "CPU of the copier", "s/GB"),
            ("MirrorMaker 2, tuned", &[copied.cpu_per_gb]),
            &costs,
            Want::Shown,
        ),
    ]
}
