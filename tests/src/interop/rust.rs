//! The client matrix with rdkafka, in this process.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::util::Timeout;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::client::Client;
use super::stage::Place;

mod consume;
mod produce;

const LIMIT: Duration = Duration::from_secs(20);
const PART: usize = 120;

type Done = Result<Value, String>;

/// State that all steps share.
struct Matrix<'a> {
    name: &'a str,
    place: &'a Place<'a>,
}

fn text(error: KafkaError) -> String {
    error.to_string()
}

/// Runs the steps. `say` gets the lines that a program would print.
pub fn run(client: &Client, place: &Place<'_>, mut say: impl FnMut(Value)) {
    let matrix = Matrix { name: &client.client, place };
    let (_, library) = rdkafka::util::get_rdkafka_version();
    say(json!({"version": format!("librdkafka {library}")}));
    for step in &client.steps {
        let done = match step.as_str() {
            "admin" => matrix.admin(),
            "produce" => matrix.send("produce", 0, 400).map(|()| json!({"sent": 400})),
            "group" => matrix.group(),
            "transactions" => matrix.transactions(),
            "refused" => matrix.refused(),
            "read" => matrix.read(&mut say),
            other => Err(format!("no step {other}")),
        };
        let mut line = done.unwrap_or_else(|error| json!({"error": error}));
        line["step"] = step.as_str().into();
        say(line);
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > LIMIT {
            return Err(format!("not within {LIMIT:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Matrix<'_> {
    fn own(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.place.bootstrap).set("log_level", "3");
        config
    }

    fn admin(&self) -> Done {
        let topic = self.own("admin");
        let client: AdminClient<DefaultClientContext> = self.config().create().map_err(text)?;
        let options = AdminOptions::new().operation_timeout(Some(LIMIT));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let broker = |(name, code): (String, _)| format!("{name}: {code}");
        let new = NewTopic::new(&topic, 3, TopicReplication::Fixed(1));
        let made = runtime.block_on(client.create_topics([&new], &options)).map_err(text)?;
        made.into_iter().try_for_each(|one| one.map(drop).map_err(broker))?;
        let partitions = |topic: &str| {
            let metadata = client.inner().fetch_metadata(None, LIMIT).map_err(text)?;
            Ok::<_, String>(
                metadata.topics().iter().find(|t| t.name() == topic).map(|t| t.partitions().len()),
            )
        };
        wait_for("the topic is listed", || partitions(&topic).is_ok_and(|found| found == Some(3)))?;
        let resource = ResourceSpecifier::Topic(&topic);
        let alter = AlterConfig::new(resource).set("retention.ms", "123456789");
        let altered = runtime.block_on(client.alter_configs([&alter], &options)).map_err(text)?;
        altered.into_iter().try_for_each(|one| one.map(drop).map_err(|(_, code)| code.to_string()))?;
        let mut config = None;
        // A broker applies a config a moment after the controller.
        wait_for("the config is set", || {
            let described =
                runtime.block_on(client.describe_configs([&resource], &options)).unwrap_or_default();
            let described = described.into_iter().next().and_then(Result::ok);
            config = described.and_then(|all| all.get("retention.ms").and_then(|entry| entry.value.clone()));
            config.as_deref() == Some("123456789")
        })?;
        let gone = runtime.block_on(client.delete_topics(&[&topic], &options)).map_err(text)?;
        gone.into_iter().try_for_each(|one| one.map(drop).map_err(broker))?;
        wait_for("the topic is gone", || partitions(&topic).is_ok_and(|found| found.is_none()))?;
        Ok(json!({"listed": true, "partitions": 3, "config": config, "deleted": true}))
    }
}
