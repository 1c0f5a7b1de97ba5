//! Partitions: one daemon mirrors thousands of them. Measures the time until all are mirrored, and the memory
//! and CPU at rest.

use std::time::{Duration, Instant};

use linkgate_tests::stage::pair::Pair;

use super::Effort;
use crate::data::Data;
use crate::finding::{Finding, Want};
use crate::{mirroring, say, stage, usage};

const LINK: &str = "many";
const BROKERS: usize = 2;
const IN_A_TOPIC: i32 = 100;
/// Number of concurrent commands that create mirror topics.
const CREATORS: usize = 4;
const LIMIT: Duration = Duration::from_secs(300);

/// Resource use of a daemon at rest.
struct Rest {
    resident: f64,
    /// CPU use, in percent of a core.
    cpu: f64,
}

/// Mirrors topics of 100 partitions, with one small batch per partition, with two brokers on each side.
#[must_use]
pub fn partitions(effort: Effort) -> Vec<Finding> {
    let count = effort.choose(500, 10_000);
    let quiet = Duration::from_secs(effort.choose(5, 30));
    let mut pair = stage::pair_of("partitions", BROKERS, BROKERS);
    stage::link(&pair, LINK);

    say!("partitions: one");
    let (mut mirrors, _) = mirror_all(&pair, &["one".to_owned()], 1);
    mirroring::wait_up_to_date(&pair.linkgate, LINK, &mirrors, LIMIT);
    // Restarted, so that it is comparable with the later daemon, which is restarted too.
    let _ = restarted(&mut pair, &mirrors);
    let one = at_rest(&pair, quiet);

    say!("partitions: creating {count}");
    let topics: Vec<String> = (0..count / IN_A_TOPIC).map(|n| format!("topic{n}")).collect();
    let begin = Instant::now();
    let (created, at_source) = mirror_all(&pair, &topics, IN_A_TOPIC);
    mirrors.extend(created);
    // Counts only the time after the last command. The whole time, from the first command on, is shown beside
    // the time that two brokers alone take to create and write the same number of partitions.
    let created = Instant::now();
    mirroring::wait_up_to_date(&pair.linkgate, LINK, &mirrors, LIMIT);
    let last = created.elapsed().as_secs_f64();
    let whole = begin.elapsed().as_secs_f64() - at_source;
    say!(
        "partitions: {at_source:.1} s at the source, {whole:.1} s to all mirrored, {last:.1} s of it after the last command"
    );
    let creator = at_rest(&pair, quiet);

    let (mut again, mut memory, mut each, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..effort.repetitions {
        say!("partitions: kill and start, {} of {}", n + 1, effort.repetitions);
        again.push(restarted(&mut pair, &mirrors));
        let all = at_rest(&pair, quiet);
        memory.push(all.resident / f64::from(1 << 20));
        each.push((all.resident - one.resident) / 1024.0 / f64::from(count));
        cpu.push(all.cpu);
    }
    let job = format!("{count} partitions");
    let created_by = creator.resident / f64::from(1 << 20);
    vec![
        Finding::alone((&job, "kill to all mirrored", "s"), &again, Want::AtMost(10.0)),
        Finding::alone((&job, "last creation to all mirrored", "s"), &[last], Want::AtMost(30.0)),
        Finding::against(
            (&job, "first creation to all mirrored", "s"),
            ("created and written at the source", &[at_source]),
            &[whole],
            Want::Shown,
        ),
        Finding::alone((&job, "memory at rest", "MiB"), &memory, Want::AtMost(200.0)),
        Finding::alone((&job, "memory for each", "KiB"), &each, Want::AtMost(10.0)),
        Finding::alone((&job, "CPU at rest", "% of a core"), &cpu, Want::AtMost(5.0)),
        Finding::alone((&job, "memory at rest of who created them", "MiB"), &[created_by], Want::Shown),
        Finding::alone((&job, "CPU at rest of who created them", "% of a core"), &[creator.cpu], Want::Shown),
    ]
}

/// Creates the topics, writes a batch into each partition, and creates the mirror topics. Returns the names
/// of the mirror topics, and the seconds that creating and writing the topics took.
fn mirror_all(pair: &Pair, topics: &[String], partitions: i32) -> (Vec<String>, f64) {
    let (data, begin) = (Data::tiny(), Instant::now());
    stage::create_many(&pair.source, topics, partitions);
    for topic in topics {
        let _ = stage::write(&pair.source, topic, partitions, &data, 0);
    }
    let at_source = begin.elapsed().as_secs_f64();
    let mirrors = std::thread::scope(|scope| {
        let creators: Vec<_> = topics
            .chunks(topics.len().div_ceil(CREATORS))
            .map(|some| scope.spawn(|| some.iter().map(|t| stage::mirror(pair, LINK, t)).collect::<Vec<_>>()))
            .collect();
        creators.into_iter().flat_map(|creator| creator.join().expect("mirror topics are created")).collect()
    });
    (mirrors, at_source)
}

/// Returns the seconds from kill -9 until everything is mirrored again.
fn restarted(pair: &mut Pair, mirrors: &[String]) -> f64 {
    let begin = Instant::now();
    pair.linkgate.restart();
    mirroring::wait_up_to_date(&pair.linkgate, LINK, mirrors, LIMIT);
    begin.elapsed().as_secs_f64()
}

/// Measures for the time `quiet`, without any request in between.
fn at_rest(pair: &Pair, quiet: Duration) -> Rest {
    let pid = pair.linkgate.pid().expect("linkgate runs");
    let (begin, before) = (Instant::now(), usage::cpu(&[pid]));
    std::thread::sleep(quiet);
    let cpu = (usage::cpu(&[pid]) - before).as_secs_f64() / begin.elapsed().as_secs_f64() * 1e2;
    Rest { resident: usage::resident(pid) as f64, cpu }
}
