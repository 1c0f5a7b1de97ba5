//! Judges the steps of a client by its own output and by the state of the destination's brokers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::client::{AtEnd, Client};
use super::run::Said;
use super::stage::Stage;
use crate::client::admin::LATEST;
use crate::read;

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As expected, with a remark or an empty text.
    Right(String),
    /// The client does not support the step.
    NotAvailable,
    /// Not as expected, with the reason.
    Wrong(String),
}

type Judged = Result<String, String>;

/// All steps, in the order of the table.
pub const STEPS: [&str; 8] =
    ["admin", "produce", "group", "transactions", "refused", "read", "share", "share-read"];

/// Returns the outcome of each of [`STEPS`].
#[must_use]
pub fn all(client: &Client, said: &Said, stage: &Stage) -> BTreeMap<&'static str, Outcome> {
    STEPS.into_iter().map(|step| (step, one(client, said, stage, step))).collect()
}

fn one(client: &Client, said: &Said, stage: &Stage, step: &str) -> Outcome {
    if !client.steps.iter().any(|has| has == step) {
        return Outcome::NotAvailable;
    }
    let Some(line) = said.steps.get(step) else { return Outcome::Wrong("it said nothing".to_owned()) };
    if let Some(error) = line["error"].as_str() {
        return Outcome::Wrong(error.to_owned());
    }
    let judged = match step {
        "admin" => admin(client, line),
        "produce" => produce(client, stage),
        "group" => group(client, line, stage, "group"),
        "share" => shared(client, line, stage),
        "transactions" => transactions(client, line, stage),
        "refused" => refused(client, line, stage),
        _ => read_step(client, said, line, stage),
    };
    match judged {
        Ok(remark) => Outcome::Right(remark),
        Err(wrong) => Outcome::Wrong(wrong),
    }
}

fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

fn admin(client: &Client, line: &Value) -> Judged {
    let want = [
        ("listed", Value::from(true)),
        ("partitions", 3.into()),
        ("config", "123456789".into()),
        ("deleted", true.into()),
    ];
    for (key, value) in want {
        let value = if client.expect.lacks.iter().any(|lacks| lacks == key) { Value::Null } else { value };
        ensure(line[key] == value, || format!("{key} is {}, not {value}", line[key]))?;
    }
    Ok(if client.expect.lacks.is_empty() {
        String::new()
    } else {
        format!("without {}", client.expect.lacks.join(", "))
    })
}

fn produce(client: &Client, stage: &Stage) -> Judged {
    let (topic, bootstrap) = (format!("{}-produce", client.client), stage.pair.destination.bootstrap());
    let mut seen = BTreeMap::new();
    let copies = read::topic(&bootstrap, &topic);
    for record in copies.values().flat_map(|copy| &copy.records) {
        let text = |bytes: &Option<Vec<u8>>| {
            String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
        };
        let headers: Vec<String> = record.headers.iter().map(|(k, v)| format!("{k}={}", text(v))).collect();
        let before = seen.insert(text(&record.key), (text(&record.value), headers.join(",")));
        ensure(before.is_none(), || format!("{} is there twice", text(&record.key)))?;
    }
    let want = (0..400).map(|i| (format!("k{i}"), (format!("v{i}"), format!("n={i}")))).collect();
    ensure(seen == want, || format!("{} records, the first ones {:?}", seen.len(), seen.iter().take(3)))?;
    let used = copies.values().filter(|copy| !copy.records.is_empty()).count();
    ensure(used == 4, || format!("only {used} partitions were used"))?;
    let batches = (0..4).flat_map(|partition| read::raw(&bootstrap, &topic, partition));
    let idempotent = batches.map(|batch| batch.producer_id >= 0).collect::<BTreeSet<_>>();
    ensure(idempotent == [client.expect.idempotent].into(), || format!("idempotent: {idempotent:?}"))?;
    Ok(if client.expect.idempotent { String::new() } else { "not idempotent".to_owned() })
}

/// Returns the number of reads of each record, by `[partition, offset, value]`.
fn counted(line: &Value, members: &[&str]) -> BTreeMap<(i64, i64, String), usize> {
    let mut counted = BTreeMap::new();
    for record in members.iter().filter_map(|member| line[member].as_array()).flatten() {
        let number = |at: usize| record[at].as_i64().unwrap_or(-1);
        *counted
            .entry((number(0), number(1), record[2].as_str().unwrap_or_default().to_owned()))
            .or_insert(0) += 1;
    }
    counted
}

fn group(client: &Client, line: &Value, stage: &Stage, kind: &str) -> Judged {
    let topic = format!("{}-{kind}", client.client);
    let read = counted(line, &["first", "second"]);
    let want: BTreeSet<(i64, i64, String)> = read::topic(&stage.pair.destination.bootstrap(), &topic)
        .into_iter()
        .flat_map(|(partition, copy)| {
            let value =
                |bytes: Option<Vec<u8>>| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            copy.records.into_iter().map(move |r| (i64::from(partition), r.offset, value(r.value)))
        })
        .collect();
    ensure(want.len() == 360, || format!("{} records were written", want.len()))?;
    let missing = want.iter().find(|record| !read.contains_key(*record));
    ensure(missing.is_none(), || format!("{missing:?} was not read; {} were", read.len()))?;
    ensure(read.len() == want.len(), || format!("{} records were read", read.len()))?;
    let twice = read.iter().find(|(_, times)| **times != 1);
    ensure(twice.is_none() || client.expect.at_least_once, || format!("read more than once: {twice:?}"))?;
    let second = line["second"].as_array().map_or(0, Vec::len);
    ensure(second > 0, || "the second member read nothing".to_owned())?;
    if kind == "group" {
        let mut admin = stage.pair.destination.admin();
        let committed = admin.group_offsets(&topic);
        let ends: Vec<i64> = admin.offsets(&topic, LATEST);
        let have: Vec<i64> = committed.values().copied().collect();
        ensure(have == ends, || format!("committed {have:?}, the logs end at {ends:?}"))?;
    }
    Ok(String::new())
}

/// Judges the records of a share group as those of other groups, without the check of committed offsets.
fn shared(client: &Client, line: &Value, stage: &Stage) -> Judged {
    group(client, line, stage, "share")
}

fn transactions(client: &Client, line: &Value, stage: &Stage) -> Judged {
    let want: Vec<String> = (0..20).chain(40..60).map(|i| format!("v{i}")).collect();
    let values = line["values"].as_array().cloned().unwrap_or_default();
    let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    ensure(values == want, || format!("it read {} values: {values:?}", values.len()))?;
    let raw = read::raw(&stage.pair.destination.bootstrap(), &format!("{}-transactions", client.client), 0);
    let records: usize =
        raw.iter().filter(|batch| !batch.is_control()).map(|batch| batch.records.len()).sum();
    let markers = raw.iter().filter(|batch| batch.is_control()).count();
    ensure((records, markers) == (60, 3), || format!("the log has {records} records and {markers} markers"))?;
    Ok(String::new())
}

fn refused(client: &Client, line: &Value, stage: &Stage) -> Judged {
    let expect = &client.expect;
    for (key, part) in
        [("write", &expect.write), ("transaction", &expect.transaction), ("abort", &expect.abort)]
    {
        let said = line[key].as_str().unwrap_or_default();
        if key == "write" || !expect.transaction.is_empty() {
            ensure(!part.is_empty() && said.contains(part.as_str()), || {
                format!("{key}: {said:?}, not {part:?}")
            })?;
        }
    }
    let topic = &stage.mirrors[0];
    let end = stage.pair.destination.admin().offsets(&topic.name, LATEST)[0];
    ensure(end == topic.end, || format!("{} ends at {end}, not {}", topic.name, topic.end))?;
    Ok(expect.write.clone())
}

fn read_step(client: &Client, said: &Said, line: &Value, stage: &Stage) -> Judged {
    let variants = line["variants"].as_object().cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    for (variant, of) in &variants {
        if let Some(error) = of["error"].as_str() {
            wrong.push(format!("{variant}: {error}"));
        }
        for topic in &stage.mirrors {
            if let Err(what) = topic_read(client, of, topic, variant, stage) {
                wrong.push(format!("{variant}, {}: {what}", topic.name));
            }
        }
    }
    let rate = said.fetches_per_second.unwrap_or(f64::INFINITY);
    if rate > client.expect.fetches_per_second {
        wrong.push(format!("{rate:.1} fetches per second at the tail"));
    }
    let wanted = if line["step"] == "share-read" { 1 } else { 4 };
    ensure(variants.len() == wanted, || format!("{} variants", variants.len()))?;
    ensure(wrong.is_empty(), || wrong.join("; "))?;
    Ok(format!("{rate:.1} fetches/s"))
}

fn topic_read(
    client: &Client,
    said: &Value,
    topic: &super::stage::MirrorTopic,
    variant: &str,
    stage: &Stage,
) -> Result<(), String> {
    let read: Vec<(i64, &str)> = said["records"][&topic.name]
        .as_array()
        .into_iter()
        .flatten()
        .map(|record| (record[0].as_i64().unwrap_or(-1), record[1].as_str().unwrap_or_default()))
        .collect();
    let want: Vec<(i64, &str)> =
        topic.records.iter().map(|(offset, value)| (*offset, value.as_str())).collect();
    let offsets: BTreeSet<i64> = want.iter().map(|(offset, _)| *offset).collect();
    // A marker that a client shows as a message has an offset at which the source has no record.
    let (records, markers): (Vec<(i64, &str)>, Vec<_>) =
        read.iter().partition(|(offset, _)| offsets.contains(offset));
    ensure(markers.len() <= client.expect.markers, || {
        format!("records of its own: {:?}", &markers[..markers.len().min(5)])
    })?;
    if records != want {
        let (have, of) = (records.len(), want.len());
        let at = records.iter().zip(&want).position(|(a, b)| a != b).unwrap_or(have.min(of));
        return Err(format!(
            "{have} of {of} records; number {at} is {:?}, not {:?}",
            records.get(at),
            want.get(at)
        ));
    }
    let last = want.last().map_or(0, |(offset, _)| offset + 1);
    let at_end = |what: &str, expected: AtEnd, position: Option<i64>| {
        let right = match expected {
            AtEnd::LogEnd => position == Some(topic.end),
            AtEnd::LastRecord => position == Some(last),
            AtEnd::Either => position == Some(topic.end) || position == Some(last),
            AtEnd::Untold => true,
        };
        ensure(right, || {
            format!("{what} {position:?}, not {expected:?}; last record + 1 is {last}, log end {}", topic.end)
        })
    };
    at_end("position", client.expect.position, said["positions"][&topic.name].as_i64())?;
    if variant.starts_with("group") {
        let group = format!("{}-read-{variant}", client.client);
        let committed = stage.pair.destination.admin().group_offsets(&group);
        at_end("committed", client.expect.committed, committed.get(&(topic.name.clone(), 0)).copied())?;
    }
    Ok(())
}
