//! The fetchers and appenders of one link: one fetcher per source broker and one appender per lane to a
//! destination broker. They are started as leaders appear.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::client::{Cluster, ClusterMetadata};
use crate::mirror::replication::append::Appender;
use crate::mirror::replication::fetch::{FetchOptions, Fetcher};
use crate::mirror::replication::partition::Partition;
use crate::mirror::replication::partition::ready_queue::{ReadyBoard, ReadyHandle};

type Assignment = Arc<Vec<Arc<Partition>>>;

/// Settings that all workers of a link share.
#[derive(Debug, Clone)]
pub(crate) struct Sides {
    /// Name of the link, for the log.
    pub link: String,
    /// The source cluster.
    pub source: Cluster,
    /// The destination cluster.
    pub destination: Cluster,
    /// Requests fresh source metadata when notified.
    pub refresh_source: Arc<Notify>,
    /// Requests fresh destination metadata when notified.
    pub refresh_destination: Arc<Notify>,
    /// Sizes and waits of fetches.
    pub fetch: FetchOptions,
    /// Timeout in every Produce request.
    pub append_timeout: Duration,
}

/// Running fetchers and appenders, by broker id.
#[derive(Debug)]
pub(crate) struct Workers {
    sides: Sides,
    ready: ReadyBoard,
    fetchers: HashMap<i32, watch::Sender<Assignment>>,
    appenders: HashSet<i32>,
    tasks: JoinSet<()>,
    cancel: CancellationToken,
}

impl Workers {
    /// Creates a set without workers. All workers end when `cancel` is cancelled.
    #[must_use]
    pub(crate) fn new(sides: Sides, cancel: CancellationToken) -> Self {
        Workers {
            sides,
            ready: ReadyBoard::default(),
            fetchers: HashMap::new(),
            appenders: HashSet::new(),
            tasks: JoinSet::new(),
            cancel,
        }
    }

    /// Returns the handle by which partitions get into the queues of the appenders.
    #[must_use]
    pub(crate) fn ready(&self) -> ReadyHandle {
        self.ready.handle()
    }

    /// Assigns every partition to the fetcher of its source leader and to the appender of its destination
    /// leader.
    pub(crate) fn assign(
        &mut self,
        partitions: &[Arc<Partition>],
        source: Option<&ClusterMetadata>,
        destination: Option<&ClusterMetadata>,
    ) {
        let mut by_source: HashMap<i32, Vec<Arc<Partition>>> = HashMap::new();
        for partition in partitions {
            let id = &partition.id;
            if let Some(topic) = source.and_then(|all| all.topic(&id.source_topic)) {
                if !id.is_source_topic(topic.id) {
                    partition.set_source_leader(-1, -1);
                } else if let Some(led) = topic.partition(id.index) {
                    partition.set_source_leader(led.leader, led.leader_epoch);
                }
            }
            if let Some(topic) = destination.and_then(|all| all.topic(&id.topic)) {
                if !id.is_local_topic(topic.id) {
                    // Deleted and created again: no appender may append to it. `check_destination_identity` ends the
                    // mirror.
                    partition.set_destination_leader(-1);
                } else if let Some(led) = topic.partition(id.index) {
                    partition.set_destination_leader(led.leader);
                }
            }
            let (leader, _) = partition.source_leader();
            if leader >= 0 {
                by_source.entry(leader).or_default().push(Arc::clone(partition));
            }
            let leader = partition.destination_leader();
            if leader >= 0 {
                self.appender(leader);
            }
        }
        for (broker, assigned) in &self.fetchers {
            if !by_source.contains_key(broker) {
                let _ = assigned.send_replace(Arc::default());
            }
        }
        for (broker, partitions) in by_source {
            self.fetch(broker, partitions);
        }
    }

    fn fetch(&mut self, broker: i32, partitions: Vec<Arc<Partition>>) {
        if let Some(assigned) = self.fetchers.get(&broker) {
            let _ = assigned.send_if_modified(|present| {
                let same = present.len() == partitions.len()
                    && present.iter().zip(&partitions).all(|(a, b)| Arc::ptr_eq(a, b));
                if !same {
                    *present = Arc::new(partitions);
                }
                !same
            });
            return;
        }
        let (assign, assigned) = watch::channel(Arc::new(partitions));
        let fetcher = Fetcher {
            link: self.sides.link.clone(),
            broker,
            source: self.sides.source.clone(),
            destination: self.sides.destination.clone(),
            assigned,
            refresh: Arc::clone(&self.sides.refresh_source),
            options: self.sides.fetch,
        };
        let _ = self.tasks.spawn(fetcher.run(self.cancel.clone()));
        let _ = self.fetchers.insert(broker, assign);
    }

    fn appender(&mut self, broker: i32) {
        if !self.appenders.insert(broker) {
            return;
        }
        for (lane, ready) in self.ready.lanes(broker).into_iter().enumerate() {
            let appender = Appender {
                link: self.sides.link.clone(),
                broker,
                lane,
                destination: self.sides.destination.clone(),
                ready,
                refresh: Arc::clone(&self.sides.refresh_destination),
                timeout: self.sides.append_timeout,
            };
            let _ = self.tasks.spawn(appender.run(self.cancel.clone()));
        }
    }

    /// Waits until a worker ends. Before `cancel` is cancelled, a worker ends only by a panic.
    pub(crate) async fn join_next(&mut self) -> Result<(), JoinError> {
        match self.tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Waits until all workers have ended; `cancel` must have been cancelled.
    pub(crate) async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use state::model::KafkaUuid;

    use super::*;
    use crate::client::{ClientOptions, ClusterMetadata, ErrorCode, PartitionMetadata, Side, TopicMetadata};
    use crate::mirror::progress::ProgressCell;
    use crate::mirror::replication::byte_budget::ByteBudget;
    use crate::mirror::replication::partition::{PartitionIdentity, Wakes};
    use crate::net::HostPort;

    /// Returns metadata in which broker 2 leads the only partition of topic `t` with this id.
    fn led(id: KafkaUuid) -> ClusterMetadata {
        let partition = PartitionMetadata {
            index: 0,
            leader: 2,
            leader_epoch: 0,
            replicas: vec![2],
            isr: vec![2],
            error_code: ErrorCode::NONE,
        };
        let topic =
            TopicMetadata { id, error_code: ErrorCode::NONE, internal: false, partitions: vec![partition] };
        ClusterMetadata { topics: [("t".to_owned(), Arc::new(topic))].into(), ..ClusterMetadata::default() }
    }

    #[tokio::test]
    async fn a_topic_created_again_under_the_same_name_has_no_leader_for_the_mirror() {
        let nobody = |side| Cluster::new(vec![HostPort::new("127.0.0.1", 1)], ClientOptions::new(side));
        let fetch = FetchOptions {
            max_bytes: 1,
            response_max_bytes: 1,
            min_bytes: 1,
            wait_max_ms: 1,
            timeout: Duration::from_secs(1),
            backoff: Duration::from_secs(1),
            retry_timeout: None,
            connections: 1,
        };
        let sides = Sides {
            link: "dr".into(),
            source: nobody(Side::Source),
            destination: nobody(Side::Destination),
            refresh_source: Arc::default(),
            refresh_destination: Arc::default(),
            fetch,
            append_timeout: Duration::from_secs(1),
        };
        let mut workers = Workers::new(sides, CancellationToken::new());
        let (local, source, another) = (KafkaUuid::random(), KafkaUuid::random(), KafkaUuid::random());
        let id = PartitionIdentity {
            topic: "t".into(),
            local_topic_id: local,
            source_topic: "t".into(),
            source_topic_id: source,
            index: 0,
            producer_id: 1 << 62,
            start_offset: 0,
        };
        let budget = Arc::new(ByteBudget::new(1));
        let partition = Arc::new(Partition::new(id, ProgressCell::default(), 1, budget, Wakes::default()));
        let all = [Arc::clone(&partition)];
        workers.assign(&all, Some(&led(source)), Some(&led(local)));
        assert_eq!((partition.source_leader().0, partition.destination_leader()), (2, 2));
        let attempt = partition.attempt();
        workers.assign(&all, Some(&led(another)), Some(&led(another)));
        assert_eq!((partition.source_leader().0, partition.destination_leader()), (-1, -1));
        assert!(partition.attempt() > attempt, "what is under way counts for nothing");
        // A broker that does not know the topic yet says nothing about it.
        workers.assign(&all, Some(&led(source)), Some(&led(local)));
        workers.assign(&all, None, Some(&ClusterMetadata::default()));
        assert_eq!((partition.source_leader().0, partition.destination_leader()), (2, 2));
    }
}
