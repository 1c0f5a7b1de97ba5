//! Steps that consume: in a group of two members, and from the mirror topics.

use std::collections::BTreeMap;

use super::*;
use rdkafka::consumer::CommitMode;
use rdkafka::message::BorrowedMessage;

/// Returns partition 0 of each topic, from its beginning.
pub(super) fn beginnings(topics: &[&str]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        // Only an invalid offset would be refused.
        let _ = list.add_partition_offset(topic, 0, Offset::Beginning);
    }
    list
}

pub(super) fn value(message: &BorrowedMessage<'_>) -> String {
    String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()
}

/// A member of the group: the records that it has read, and the number of its partitions.
#[derive(Default)]
struct Member {
    records: Mutex<Vec<Value>>,
    assigned: AtomicUsize,
    stop: AtomicBool,
}

impl Member {
    fn count(&self) -> usize {
        self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }

    fn read(&self, matrix: &Matrix<'_>) -> Result<(), String> {
        let group = matrix.own("group");
        let from = matrix.consumer(Some(&group), &[])?;
        from.subscribe(&[&group]).map_err(text)?;
        while !self.stop.load(Ordering::Relaxed) {
            let polled = from.poll(Duration::from_millis(100));
            self.assigned.store(from.assignment().map_err(text)?.count(), Ordering::Relaxed);
            if let Some(message) = polled {
                let message = message.map_err(text)?;
                let record = json!([message.partition(), message.offset(), value(&message)]);
                self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(record);
                from.commit_message(&message, CommitMode::Sync).map_err(text)?;
            }
        }
        from.unsubscribe();
        Ok(())
    }
}

/// State of one variant of the read step.
#[derive(Default)]
struct Reader {
    records: Mutex<BTreeMap<String, Vec<Value>>>,
    count: AtomicUsize,
    failed: AtomicBool,
}

impl Matrix<'_> {
    /// Makes a consumer. Without a group it is for assigned partitions.
    pub(super) fn consumer(
        &self,
        group: Option<&str>,
        more: &[(&str, &str)],
    ) -> Result<BaseConsumer, String> {
        let mut config = self.config();
        config.set("group.id", group.unwrap_or("unused")).set("auto.offset.reset", "earliest");
        config.set("enable.auto.commit", "false").set("fetch.wait.max.ms", "500");
        config.set("session.timeout.ms", "10000").set("heartbeat.interval.ms", "300");
        for (key, value) in more {
            config.set(*key, *value);
        }
        config.create().map_err(text)
    }

    pub(super) fn group(&self) -> Done {
        let (first, second) = (Member::default(), Member::default());
        let both = || first.count() + second.count();
        let assigned = |member: &Member| member.assigned.load(Ordering::Relaxed);
        let read = std::thread::scope(|scope| {
            let one = scope.spawn(|| first.read(self));
            let steps = (|| {
                self.send("group", 0, PART)?;
                wait_for("the first part is read", || first.count() >= PART)?;
                let two = scope.spawn(|| second.read(self));
                wait_for("both have partitions", || assigned(&first) == 2 && assigned(&second) == 2)?;
                self.send("group", PART, PART)?;
                wait_for("the second part is read", || both() >= 2 * PART)?;
                second.stop.store(true, Ordering::Relaxed);
                two.join().map_err(|_| "the second member panicked".to_owned())??;
                wait_for("the first has all partitions", || assigned(&first) == 4)?;
                self.send("group", 2 * PART, PART)?;
                wait_for("the third part is read", || both() >= 3 * PART)?;
                std::thread::sleep(Duration::from_millis(300));
                Ok::<_, String>(())
            })();
            first.stop.store(true, Ordering::Relaxed);
            second.stop.store(true, Ordering::Relaxed);
            let left = one.join().map_err(|_| "the first member panicked".to_owned())?;
            steps.and(left)
        });
        read?;
        let records = |member: Member| member.records.into_inner().unwrap_or_default();
        Ok(json!({"first": records(first), "second": records(second)}))
    }

    pub(super) fn read(&self, say: &mut impl FnMut(Value)) -> Done {
        let expected: usize = self.place.mirrors.iter().map(|topic| topic.records.len()).sum();
        let variants = ["assign", "assign-small", "group", "group-small"];
        let readers = variants.map(|variant| (variant, Reader::default()));
        let stop = AtomicBool::new(false);
        let said = std::thread::scope(|scope| {
            let threads: Vec<_> = readers
                .iter()
                .map(|(variant, reader)| (variant, scope.spawn(|| self.read_one(variant, reader, &stop))))
                .collect();
            let begin = Instant::now();
            let waits = |(_, reader): &(_, Reader)| {
                reader.count.load(Ordering::Relaxed) < expected && !reader.failed.load(Ordering::Relaxed)
            };
            while begin.elapsed() < Duration::from_secs(25) && readers.iter().any(waits) {
                std::thread::sleep(Duration::from_millis(50));
            }
            // A client that has to step over filler at the end of a log gets the time for it.
            std::thread::sleep(Duration::from_secs(1));
            say(json!({"tail": "begin"}));
            std::thread::sleep(crate::interop::run::TAIL);
            say(json!({"tail": "end"}));
            stop.store(true, Ordering::Relaxed);
            let mut said = serde_json::Map::new();
            for (variant, thread) in threads {
                let done = thread.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
                let _ =
                    said.insert((*variant).to_owned(), done.unwrap_or_else(|error| json!({"error": error})));
            }
            said
        });
        Ok(json!({"variants": said}))
    }

    fn read_one(&self, variant: &str, reader: &Reader, stop: &AtomicBool) -> Done {
        let done = self.read_until(variant, reader, stop);
        reader.failed.store(done.is_err(), Ordering::Relaxed);
        done
    }

    fn read_until(&self, variant: &str, reader: &Reader, stop: &AtomicBool) -> Done {
        let topics: Vec<&str> = self.place.mirrors.iter().map(|topic| topic.name.as_str()).collect();
        let group = variant.starts_with("group").then(|| self.own(&format!("read-{variant}")));
        let bytes = if variant.ends_with("small") { "1024" } else { "1048576" };
        let isolation = if group.is_some() { "read_uncommitted" } else { "read_committed" };
        let more = [("max.partition.fetch.bytes", bytes), ("isolation.level", isolation)];
        let from = self.consumer(group.as_deref(), &more)?;
        if group.is_some() {
            from.subscribe(&topics).map_err(text)?;
        } else {
            from.assign(&beginnings(&topics)).map_err(text)?;
        }
        while !stop.load(Ordering::Relaxed) {
            let Some(message) = from.poll(Timeout::After(Duration::from_millis(200))) else { continue };
            let message = message.map_err(text)?;
            let record = json!([message.offset(), value(&message)]);
            let mut records = reader.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            records.entry(message.topic().to_owned()).or_default().push(record);
            reader.count.fetch_add(1, Ordering::Relaxed);
        }
        let positions = from.position().map_err(text)?;
        let positions: BTreeMap<&str, Option<i64>> = positions
            .elements()
            .iter()
            .map(|at| (at.topic(), at.offset().to_raw()))
            .map(|(topic, offset)| {
                (topics.iter().find(|name| **name == topic).copied().unwrap_or(""), offset)
            })
            .collect();
        if group.is_some() {
            from.commit_consumer_state(CommitMode::Sync).map_err(text)?;
        }
        let records = reader.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Ok(json!({"records": records, "positions": positions}))
    }
}
