//! One of two sides that get the same requests, and normalisation of answers: it removes what must differ.

use std::collections::BTreeMap;
use std::path::Path;

use linkgate_tests::machine::wait::LONG;
use linkgate_tests::rpc::Schemas;
use serde_json::{Value, json};

use crate::peer::Peer;

/// Fields that brokers fill at random or by the clock. Values that are zero, -1, empty or null are compared.
const RANDOM: [&str; 22] = [
    "ThrottleTimeMs",
    "ClusterId",
    "MemberId",
    "MemberIds",
    "ProducerId",
    "SessionId",
    "ClientInstanceId",
    "SubscriptionId",
    "TopicId",
    "ReplicaDirectoryId",
    "LogDir",
    "TotalBytes",
    "UsableBytes",
    "LastFetchTimestamp",
    "LastCaughtUpTimestamp",
    "LastTimestamp",
    "LogAppendTimeMs",
    "FinalizedFeaturesEpoch",
    "TransactionStartTimeMs",
    "ClientHost",
    "PartitionSize",
    "Records",
];

/// Linkgate's own topic, which exists only behind the gateway.
const OWN_TOPIC: &str = "__linkgate_journal";

/// Broker configs that hold addresses: a gateway hides them, as brokers hide passwords.
const ADDRESSES: [&str; 6] = [
    "listeners",
    "advertised.listeners",
    "controller.quorum.voters",
    "controller.quorum.bootstrap.servers",
    "zookeeper.connect",
    "rlmm.config.remote.log.metadata.common.client.bootstrap.servers",
];

const DELETE_TOPICS: i16 = 20;
const DESCRIBE_CONFIGS: i16 = 32;
const DESCRIBE_QUORUM: i16 = 55;

/// Fields of the metadata log, which grows by itself.
const OF_THE_QUORUM: [&str; 3] = ["HighWatermark", "LogEndOffset", "LeaderEpoch"];

/// A broker, or a gateway before one.
pub(crate) struct Side {
    address: String,
    /// Ports that are replaced in texts.
    ports: Vec<String>,
    dir: String,
    /// Values of earlier answers, by `@name`. Requests refer to them.
    captured: BTreeMap<String, Value>,
}

impl Side {
    pub(crate) fn new(address: String, addresses: &[&str], dir: &Path) -> Side {
        let port = |address: &&str| address.rsplit(':').next().unwrap_or_default().to_owned();
        let ports = addresses.iter().map(port).collect();
        Side { address, ports, dir: dir.display().to_string(), captured: BTreeMap::new() }
    }

    /// Sends a request on a new connection. Returns the answer without random values, or the text "closed" or
    /// "silence". `@name` in the body stands for a captured value.
    pub(crate) fn ask(&mut self, schemas: &Schemas, key: i16, version: i16, body: &Value) -> Value {
        let body = self.filled(body);
        match Peer::open(&self.address).ask(schemas, key, version, &body) {
            Ok(mut answer) => {
                self.capture(&answer);
                self.normalise(&mut answer, key);
                answer
            }
            Err(closed) => json!(closed),
        }
    }

    /// Sends a request, and repeats it while a coordinator is still loading. See [`Side::ask`].
    pub(crate) fn ask_until_ready(
        &mut self,
        schemas: &Schemas,
        key: i16,
        version: i16,
        body: &Value,
    ) -> Value {
        let begin = std::time::Instant::now();
        loop {
            let answer = self.ask(schemas, key, version, body);
            if !is_beginning(&answer) || begin.elapsed() > LONG {
                return answer;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn filled(&self, body: &Value) -> Value {
        match body {
            Value::String(text) if text.starts_with('@') => {
                self.captured.get(text).unwrap_or_else(|| panic!("{text} was never answered")).clone()
            }
            Value::Array(all) => all.iter().map(|value| self.filled(value)).collect(),
            Value::Object(all) => {
                Value::Object(all.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect())
            }
            other => other.clone(),
        }
    }

    /// Remembers ids of an answer as `@ProducerId`, `@MemberId`, `@topic:NAME` and so on.
    fn capture(&mut self, answer: &Value) {
        for name in ["ProducerId", "ProducerEpoch", "MemberId", "GenerationId", "MemberEpoch"] {
            if let Some(value) = answer.get(name).filter(|value| **value != json!("") && **value != json!(-1))
            {
                let _ = self.captured.insert(format!("@{name}"), value.clone());
            }
        }
        for topic in answer["Topics"].as_array().into_iter().flatten() {
            if let (Some(name), Some(id)) = (topic["Name"].as_str(), topic.get("TopicId")) {
                let _ = self.captured.insert(format!("@topic:{name}"), id.clone());
            }
        }
    }

    fn normalise(&self, value: &mut Value, key: i16) {
        match value {
            Value::Array(all) => {
                all.retain(|one| ["Name", "ResourceName"].iter().all(|name| one[*name] != OWN_TOPIC));
                all.iter_mut().for_each(|value| self.normalise(value, key));
                if key == DELETE_TOPICS {
                    // A broker answers in the order of a hash map.
                    all.sort_by_key(Value::to_string);
                }
            }
            Value::Object(all) => {
                // The gateway does not show clients the listeners of controllers.
                if key == DESCRIBE_QUORUM && all.contains_key("Listeners") {
                    let _ = all.insert("Listeners".into(), json!([]));
                }
                let is_address =
                    all.get("Name").and_then(Value::as_str).is_some_and(|name| ADDRESSES.contains(&name));
                if key == DESCRIBE_CONFIGS && is_address && all.contains_key("Value") {
                    let _ = all.insert("Value".into(), Value::Null);
                    if all.contains_key("IsSensitive") {
                        let _ = all.insert("IsSensitive".into(), json!(true));
                    }
                }
                if all.contains_key("Host") && all.contains_key("Port") {
                    let is_known = all["Port"].as_i64().is_some_and(|port| port > 0);
                    let _ = all.insert("Host".into(), json!(is_known));
                    let _ = all.insert("Port".into(), json!(is_known));
                }
                for (name, value) in all.iter_mut() {
                    let is_random = RANDOM.contains(&name.as_str())
                        || (key == DESCRIBE_QUORUM && OF_THE_QUORUM.contains(&name.as_str()));
                    if is_random && !is_nothing(value) {
                        *value = json!("random");
                    }
                    self.normalise(value, key);
                }
            }
            Value::String(text) => {
                *text = text.replace(&self.dir, "DIR");
                for port in &self.ports {
                    *text = without_number(text, port);
                }
                if key == DESCRIBE_CONFIGS {
                    *text = without_ports(text);
                }
                for (name, captured) in &self.captured {
                    if let Some(captured) = captured.as_str().filter(|captured| captured.len() > 8) {
                        *text = text.replace(captured, name);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns true if the answer has an error code of a start-up phase: COORDINATOR_LOAD_IN_PROGRESS,
/// COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS, or, for a new topic,
/// LEADER_NOT_AVAILABLE.
pub(crate) fn is_beginning(answer: &Value) -> bool {
    match answer {
        Value::Array(all) => all.iter().any(is_beginning),
        Value::Object(all) => all.iter().any(|(name, value)| {
            name.ends_with("ErrorCode") && matches!(value.as_i64(), Some(5 | 14 | 15 | 16 | 51))
                || is_beginning(value)
        }),
        _ => false,
    }
}

/// Replaces `number` in the text by PORT, except where it is part of a longer number.
fn without_number(text: &str, number: &str) -> String {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let (mut out, mut done) = (String::new(), 0);
    for (at, _) in text.match_indices(number) {
        let end = at + number.len();
        let is_whole = !is_digit(text[..at].chars().next_back()) && !is_digit(text[end..].chars().next());
        out.push_str(&text[done..at]);
        out.push_str(if is_whole { "PORT" } else { number });
        done = end;
    }
    out + &text[done..]
}

/// Replaces the ports of all addresses in the text by PORT.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split(':').enumerate() {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_port = at > 0 && rest.len() < part.len();
        out.push_str(if at > 0 { ":" } else { "" });
        out.push_str(if is_port { "PORT" } else { "" });
        out.push_str(if is_port { rest } else { part });
    }
    out
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => matches!(number.as_i64(), Some(-1 | 0)),
        Value::String(text) => text.bytes().all(|byte| byte == b'0'),
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

/// Adds a line to `differences` if both answers differ.
pub(crate) fn compare(what: &str, [plain, behind]: [Value; 2], differences: &mut Vec<String>) {
    if plain != behind {
        differences.push(format!("{what}\n  broker  {plain}\n  gateway {behind}"));
    }
}
