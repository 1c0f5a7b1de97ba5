//! Steps that produce: plain and in transactions.

use super::*;
use rdkafka::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext};

/// Delivery results: the number of accepted records and the first error.
#[derive(Default)]
pub(super) struct Deliveries {
    accepted: AtomicUsize,
    error: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => drop(self.accepted.fetch_add(1, Ordering::Relaxed)),
            Err((error, _)) => {
                let mut first = self.error.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let _ = first.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

fn send_with(to: &BaseProducer<Deliveries>, topic: &str, from: usize, count: usize) -> Result<(), String> {
    let before = to.context().accepted.load(Ordering::Relaxed);
    for i in from..from + count {
        let (key, value, number) = (format!("k{i}"), format!("v{i}"), i.to_string());
        let headers = OwnedHeaders::new().insert(Header { key: "n", value: Some(&number) });
        let record = BaseRecord::to(topic).key(&key).payload(&value).headers(headers);
        to.send(record).map_err(|(error, _)| error.to_string())?;
    }
    to.flush(LIMIT).map_err(text)?;
    let failed = to.context().error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    match failed {
        Some(error) => Err(error),
        None if to.context().accepted.load(Ordering::Relaxed) == before + count => Ok(()),
        None => Err("not all records were answered".to_owned()),
    }
}

impl Matrix<'_> {
    fn producer(&self, transactional_id: Option<&str>) -> Result<BaseProducer<Deliveries>, String> {
        let mut config = self.config();
        config.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "5");
        config.set("message.timeout.ms", "20000");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::default()).map_err(text)?;
        if transactional_id.is_some() {
            producer.init_transactions(LIMIT).map_err(text)?;
        }
        Ok(producer)
    }

    /// Writes records to the topic with this suffix.
    pub(super) fn send(&self, suffix: &str, from: usize, count: usize) -> Result<(), String> {
        send_with(&self.producer(None)?, &self.own(suffix), from, count)
    }

    pub(super) fn transactions(&self) -> Done {
        let topic = self.own("transactions");
        let to = self.producer(Some(&topic))?;
        for i in 0..3 {
            to.begin_transaction().map_err(text)?;
            send_with(&to, &topic, i * 20, 20)?;
            let ended = if i == 1 { to.abort_transaction(LIMIT) } else { to.commit_transaction(LIMIT) };
            ended.map_err(text)?;
        }
        let from = self.consumer(None, &[("isolation.level", "read_committed")])?;
        from.assign(&super::consume::beginnings(&[&topic])).map_err(text)?;
        let (mut values, begin) = (Vec::new(), Instant::now());
        while begin.elapsed() < LIMIT {
            // Waits longer after the last expected record: a further one would be wrong.
            match from.poll(Duration::from_millis(if values.len() < 40 { 200 } else { 600 })) {
                Some(message) => values.push(super::consume::value(&message.map_err(text)?)),
                None if values.len() >= 40 => break,
                None => {}
            }
        }
        Ok(json!({"values": values}))
    }

    pub(super) fn refused(&self) -> Done {
        let said = |done: Result<(), String>, well: &str| done.err().unwrap_or_else(|| well.to_owned());
        let topic = self.place.mirrors[0].name.as_str();
        let write = send_with(&self.producer(None)?, topic, 0, 1);
        let to = self.producer(Some(&self.own("refused")))?;
        to.begin_transaction().map_err(text)?;
        let transaction = send_with(&to, topic, 0, 1);
        let abort = to.abort_transaction(LIMIT).map_err(text);
        Ok(json!({
            "write": said(write, "accepted"),
            "transaction": said(transaction, "accepted"),
            "abort": said(abort, "ok"),
        }))
    }
}
