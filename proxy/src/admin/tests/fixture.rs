//! A running admin API with an in-memory journal and a test double of the mirror engine, and a client for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use state::model::link_config::StartOffset;
use state::model::{
    Change, ConnectionMode, KafkaUuid, Link, LinkError, LinkMode, LinkState, MirrorError, MirrorState,
    MirrorTopic, StopKind,
};
use state::store::Store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::admin::*;
use crate::config::AllowedHosts;
use crate::mirror::command::start_offset::SourceRange;
use crate::mirror::command::types::{
    ActionOutcome, CommandError, CommandErrorKind, CreateLink, CreateMirror, MirrorAction, MirrorForecast,
    Selector,
};
use crate::mirror::command::who;
use crate::mirror::filler_report::forecast::FillCost;
use crate::mirror::filler_report::{FillerReport, PartitionFiller, ReportState};
use crate::mirror::progress::{BlockingTransaction, Filling, HoldingProducer, PartitionProgress};
use crate::mirror::stop_waits::StopWait;
use crate::mirror::sync::task_status::TaskStatus;

/// Test double: records its commands, and refuses those that concern `broken`.
#[derive(Clone)]
pub(crate) struct Double {
    store: Store,
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    /// Names of the operators that gave the commands.
    pub(crate) who: Arc<Mutex<Vec<String>>>,
}

impl Double {
    /// Writes a record to the journal.
    pub(crate) async fn write(&self, why: &str) {
        let link = self.store.view().links["dr"].clone();
        let changes = vec![Change::PutLink(link)];
        self.store.transact("test", why, |_, _| Ok::<_, String>((changes, ()))).await.unwrap();
    }

    fn tell(&self, what: String) -> Result<(), CommandError> {
        if what.contains("broken") {
            return Err(CommandError { kind: CommandErrorKind::LinkExists, message: "It is broken.".into() });
        }
        self.told.lock().unwrap().push(what);
        self.who.lock().unwrap().push(who::name());
        Ok(())
    }
}

impl Operator for Double {
    fn view(&self) -> Arc<View> {
        self.store.view()
    }

    fn progress(&self, topic: &str) -> Vec<PartitionProgress> {
        match topic {
            "users" => vec![PartitionProgress {
                log_end_offset: 90,
                source_high_watermark: 100,
                last_fetch_offset: 90,
                last_fetch_ms: 1,
                filling: Some(Filling { from: 50, to: 130, since_ms: 1 }),
                held: Some(BlockingTransaction {
                    offset: 95,
                    producer: Some(HoldingProducer { id: 4, epoch: 2, since_ms: 60 }),
                }),
                unkeyed_records: 3,
                ..PartitionProgress::default()
            }],
            _ => Vec::new(),
        }
    }

    fn stop_wait(&self, _view: &View, mirror: &MirrorTopic) -> Option<StopWait> {
        let pending = matches!(mirror.state, MirrorState::PendingStopped { .. });
        pending.then(|| StopWait { reason: "partition 3 has no leader".into(), since_ms: 17 })
    }

    fn tasks(&self, _link: &str) -> Vec<TaskStatus> {
        let errors = vec![("CONSUMER_GROUP_IN_USE_ERROR".to_owned(), "app".to_owned())];
        vec![TaskStatus { name: "ConsumerOffsetSync", state: "IN_ERROR", errors }]
    }

    fn cluster_id(&self) -> String {
        "CID".into()
    }

    async fn journal(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<state::model::Record>, CommandError> {
        Ok(self.store.latest(before, limit).await.unwrap())
    }

    async fn back_up_journal(
        &self,
        name: Option<state::store::BackupName>,
    ) -> Result<state::store::Backup, CommandError> {
        self.tell(format!("backup {name:?}"))?;
        Ok(state::store::Backup { path: "/backups/x".into(), sequence: 1 })
    }

    fn stamp_trouble(&self) -> Option<String> {
        None
    }

    fn journal_trouble(&self) -> Option<String> {
        let told = self.told.lock().unwrap();
        told.iter().any(|what| what == "disk hangs").then(|| "the disk hangs".to_owned())
    }

    async fn create_link(&self, request: CreateLink) -> Result<(), CommandError> {
        self.tell(format!("{request:?}"))
    }

    async fn delete_link(&self, name: &str, force: bool, validate_only: bool) -> Result<(), CommandError> {
        self.tell(format!("delete {name} {force} {validate_only}"))
    }

    async fn alter_link_configs(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        validate_only: bool,
    ) -> Result<(), CommandError> {
        self.tell(format!("alter {name} {changes:?} {validate_only}"))
    }

    async fn create_mirror(&self, request: CreateMirror) -> Result<(), CommandError> {
        self.tell(format!("{request:?}"))
    }

    async fn forecast_mirror(&self, request: CreateMirror) -> Result<MirrorForecast, CommandError> {
        self.tell(format!("forecast {request:?}"))?;
        let partitions = vec![
            SourceRange { log_start: 5, start: 7, end: 10 },
            SourceRange { log_start: 0, start: 0, end: 2 },
        ];
        Ok(MirrorForecast {
            link: request.link,
            topic: request.source_topic.clone(),
            source_topic: request.source_topic,
            start: StartOffset::Timestamp(1_767_225_600_000),
            partitions,
            fill: FillCost { offsets: 7, millis: 1, bytes: 90 },
        })
    }

    fn filler(&self, mirror: &MirrorTopic) -> Option<FillerReport> {
        (mirror.topic == "old").then(|| FillerReport {
            state: ReportState::Done,
            started_ms: 5,
            finished_ms: Some(9),
            partitions: vec![PartitionFiller {
                log_start: 3,
                end: 55,
                scanned_to: 55,
                filler_offsets: 4,
                filler_batches: 1,
                last_filler_offset: Some(20),
            }],
        })
    }

    fn scan_filler(&self, mirror: &MirrorTopic) -> FillerReport {
        self.tell(format!("scan {}", mirror.topic)).unwrap();
        FillerReport { state: ReportState::Running, started_ms: 5, finished_ms: None, partitions: Vec::new() }
    }

    async fn alter_mirrors(
        &self,
        link: Option<&str>,
        selector: Selector,
        action: MirrorAction,
        validate_only: bool,
    ) -> Result<Vec<ActionOutcome>, CommandError> {
        self.tell(format!("{action:?} {link:?} {selector:?} {validate_only}"))?;
        let error = CommandError {
            kind: CommandErrorKind::IllegalState,
            message: "Topic 'old' has already stopped".into(),
        };
        Ok(vec![
            ActionOutcome { topic: "users".into(), result: Ok(()), progress: self.progress("users") },
            ActionOutcome { topic: "old".into(), result: Err(error), progress: Vec::new() },
        ])
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) double: Double,
    pub(crate) readiness: Readiness,
    pub(crate) stop: CancellationToken,
    pub(crate) handle: AdminHandle,
}

fn mirror(topic: &str, generation: u32, state: MirrorState) -> MirrorTopic {
    let text = json!({
        "link": "dr", "topic": topic, "source_topic": topic, "source_topic_id": KafkaUuid::ZERO,
        "local_topic_id": KafkaUuid::ZERO, "generation": generation, "partitions": 1, "stopped_sequence": 0,
        "state": state, "state_ms": 7,
        "configs": {}, "replication_factor": null, "start_offsets": [7],
        "jumps": {"0": {"from": 20, "to": 30, "at_ms": 6, "count": 2}},
    });
    serde_json::from_value(text).unwrap()
}

pub(crate) async fn server() -> Server {
    let store = Store::in_memory().unwrap();
    let link = Link {
        name: "dr".into(),
        id: "7840644d-f7d8-4844-a577-a10ef3df31df".parse().unwrap(),
        source_cluster_id: "SRC".into(),
        mode: LinkMode::Destination,
        connection_mode: ConnectionMode::Outbound,
        configs: BTreeMap::from([
            ("bootstrap.servers".into(), "src:9092".into()),
            ("sasl.jaas.config".into(), "the-hidden-word".into()),
        ]),
        state: LinkState::Active,
        error: LinkError::NoError,
        error_message: String::new(),
        generations: 3,
        created_ms: 0,
        state_ms: 0,
    };
    let failed = MirrorState::Failed {
        error: MirrorError::SourceTopicIdChanged,
        reason: "at offset 7".into(),
        partition: Some(0),
    };
    let stopped = MirrorState::Stopped { stop: StopKind::Promote, log_end_offsets: vec![55] };
    let changes = vec![
        Change::PutLink(link),
        Change::PutMirror(mirror("users", 0, MirrorState::Active)),
        Change::PutMirror(mirror("bad", 1, failed)),
        Change::PutMirror(mirror("old", 2, stopped)),
    ];
    store.transact("test", "set up", move |_, _| Ok::<_, String>((changes, ()))).await.unwrap();
    let double = Double { store, told: Arc::default(), who: Arc::default() };
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let admin = Admin::new(double.clone(), Metrics::default(), readiness.clone(), Connections::default());
    let any = || vec!["http://127.0.0.1:0".parse().unwrap()];
    let hosts = AllowedHosts::new(["gate".to_owned()]);
    let listeners = AdminListeners { control: any(), metrics: any(), hosts };
    let handle = admin.run(&listeners, stop.clone()).await.unwrap();
    Server { address: handle.addresses()[0], double, readiness, stop, handle }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.content_type, "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Server {
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = ["Host: gate:8090", "Content-Type: application/json; charset=utf-8"];
        self.ask_with(self.address, method, path, &headers, body).await
    }

    /// Sends a request with these headers to any listener.
    pub(crate) async fn ask_with(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Answer {
        let (length, headers) = (body.len(), headers.join("\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may refuse a body without reading all of it.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let field = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: field.unwrap_or_default().to_owned(),
            body: body.to_owned(),
        }
    }

    /// Alters the only link directly in the journal.
    pub(crate) async fn alter_link(&self, alter: impl FnOnce(&mut Link) + Send + 'static) {
        let change = |view: &View, _| {
            let mut link = view.links["dr"].clone();
            alter(&mut link);
            Ok::<_, String>((vec![Change::PutLink(link)], ()))
        };
        self.double.store.transact("test", "alter", change).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) async fn accepted(&self, method: &str, path: &str, body: Value) -> String {
        let answer = self.ask(method, path, &body.to_string()).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{method} {path}");
        self.double.told.lock().unwrap().pop().unwrap()
    }
}

pub(crate) const LINKS: &str = "/kafka/v3/clusters/CID/links";
