//! Batches of many producers, old and new: the mirror holds what each of them wrote, record by record.

mod producers {
    pub(crate) mod programs;
    pub(crate) mod raw;
}

use std::collections::BTreeSet;

use linkgate_tests::kafka::Version::{V2_8_2, V3_9_1, V4_3_1};
use linkgate_tests::read;
use linkgate_tests::stage::pair::{LINK, Pair};
use producers::programs::Program;
use producers::raw;

const TWELVE_MIB: &str = "12582912";

/// Given topics with CreateTime and with LogAppendTime, when the Java clients of three versions, librdkafka
/// (old and new), kafka-python and sarama write every shape of record in every codec and level that they
/// have, including records of 10 MiB, then the mirrors hold the same.
#[test]
fn every_client_and_codec_is_mirrored_exactly() {
    let pair = Pair::between("producers", V3_9_1, V4_3_1, &[("socket.request.max.bytes", "104857600")]);
    let source = pair.source.bootstrap();
    pair.link("");
    let programs = [
        Program::Java(V2_8_2),
        Program::Java(V3_9_1),
        Program::Java(V4_3_1),
        Program::Python("confluent"),
        Program::Python("kafka-python"),
        Program::Sarama,
        Program::Kcat,
    ];
    let mut admin = pair.source.admin();
    for program in &programs {
        let name = program.name();
        admin.create_topic(&name, 2, &[("max.message.bytes", TWELVE_MIB)]);
        admin.create_topic(&format!("{name}-appended"), 2, &[("message.timestamp.type", "LogAppendTime")]);
        admin.create_topic(&format!("{name}-large"), 1, &[("max.message.bytes", TWELVE_MIB)]);
        // Some of the topics are mirrored while they are written, the others afterwards.
        if name.len() % 2 == 0 {
            mirror(&pair, &name);
        }
    }
    std::thread::scope(|scope| {
        for program in &programs {
            let source = &source;
            let _ = scope.spawn(move || program.run(source));
        }
    });
    for program in &programs {
        let name = program.name();
        if name.len() % 2 != 0 {
            mirror(&pair, &name);
        }
        let (codecs, most) = batches(&source, &name);
        assert_eq!(codecs, program.codecs(), "{name}: the codecs of its batches");
        assert!(most > 100, "{name}: its largest batch has {most} records");
        println!("{name}: codecs {codecs:?}, batches of 1 to {most} records");
        for topic in [name.clone(), format!("{name}-appended"), format!("{name}-large")] {
            pair.assert_mirrored(&topic);
            assert_eq!(pair.linkgate.status(LINK, &topic), "ACTIVE");
        }
    }
}

fn mirror(pair: &Pair, name: &str) {
    for topic in [name.to_owned(), format!("{name}-appended"), format!("{name}-large")] {
        pair.mirror(&topic);
    }
}

/// Returns the codecs of the batches of a topic, and the number of records in its largest batch.
fn batches(bootstrap: &str, topic: &str) -> (BTreeSet<i16>, usize) {
    let all: Vec<_> = (0..2).flat_map(|partition| read::raw(bootstrap, topic, partition)).collect();
    (all.iter().map(|batch| batch.codec()).collect(), all.iter().map(|b| b.records.len()).max().unwrap_or(0))
}

/// Given batches that no client library makes but a broker accepts (timestamps of -1, of the far past and the
/// far future, out of order; null or empty keys, values and headers; a thousand headers), when they are
/// mirrored, then the mirror holds the same.
#[test]
fn batches_that_no_client_library_writes_are_mirrored_exactly() {
    let pair = Pair::between("raw-producers", V4_3_1, V3_9_1, &[]);
    let source = pair.source.bootstrap();
    pair.link("");
    let unlimited =
        [("message.timestamp.after.max.ms", "9223372036854775807"), ("max.message.bytes", TWELVE_MIB)];
    pair.source.admin().create_topic("raw", 1, &unlimited);
    let written = raw::write_all_shapes(&source, "raw");
    pair.mirror("raw");
    pair.assert_mirrored("raw");

    let _ = raw::write_all_shapes(&source, "raw");
    pair.assert_mirrored("raw");
    let copy = read::partition(&pair.linkgate.bootstrap(), "raw", 0);
    assert_eq!(copy.records.len(), 2 * written);
    for timestamp in raw::TIMESTAMPS {
        assert!(
            copy.records.iter().any(|r| r.timestamp == timestamp),
            "no record has the timestamp {timestamp}"
        );
    }
}
