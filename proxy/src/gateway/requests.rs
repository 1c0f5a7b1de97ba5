//! Client → broker: what becomes of each request.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::wire::add_partitions_request::read_added_partitions;
use crate::wire::frame::{REQUEST_PREFIX_BYTES, SIZE_BYTES, frame_size};
use crate::wire::header::RequestPrefix;
use crate::wire::primitive::{Text, WireError};
use crate::wire::produce_request::{ProduceRequest, ProduceTopic, peek_acks};
use crate::wire::topic_ref::TopicRef;
use crate::wire::versions::{self, Treatment};

use super::error::{ResponseError, SessionError};
use super::framed::FrameReader;
use super::inflight::{Answer, Expected, ExpectedSender, RefusedTopic};
use super::metrics::GatewayMetrics;
use super::mirror_guard::Guards;
use super::observer::Observer;
use super::reply;
use super::rope::Rope;
use super::stream::WriteEnd;

/// Bytes in which the acks of any sensible Produce request are found.
const ACKS_WITHIN: usize = 4 * 1024;

/// One direction of a session.
pub(super) struct RequestSide {
    pub(super) client: FrameReader,
    pub(super) broker: WriteEnd,
    pub(super) expected: ExpectedSender,
    pub(super) guards: Guards,
    pub(super) metrics: GatewayMetrics,
    pub(super) observer: Observer,
    pub(super) max_request_bytes: usize,
}

/// The response side has ended; so does this one.
struct Gone;

enum Stop {
    Gone,
    Failed(SessionError),
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Stop::Gone
    }
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        Stop::Failed(error)
    }
}

impl RequestSide {
    /// Sends requests on until the client ends its side or `stop` is cancelled; then the broker sees the end too.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), SessionError> {
        loop {
            let more = tokio::select! {
                biased;
                () = stop.cancelled() => false,
                filled = self.client.fill(SIZE_BYTES) => filled.map_err(SessionError::ClientIo)?,
            };
            if !more {
                // Fails where the broker is gone already: nothing is lost by that.
                let _ = self.broker.shutdown().await;
                return Ok(());
            }
            match self.request().await {
                Ok(()) => self.client.end_frame(),
                Err(Stop::Gone) => return Ok(()),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    async fn request(&mut self) -> Result<(), Stop> {
        let size = frame_size(self.client.peek(0), REQUEST_PREFIX_BYTES, self.max_request_bytes)
            .map_err(SessionError::Frame)?;
        self.client.require(SIZE_BYTES + REQUEST_PREFIX_BYTES).await.map_err(SessionError::ClientIo)?;
        let prefix = RequestPrefix::parse(self.client.peek(SIZE_BYTES));
        let RequestPrefix { api_key, api_version, .. } = prefix;
        let Some(api) = versions::supported(api_key, api_version) else {
            if api_key == versions::API_VERSIONS && api_version > 0 {
                return self.api_versions_too_new(prefix, size).await;
            }
            return Err(SessionError::UnsupportedApi { api_key, api_version }.into());
        };
        self.metrics.request(api.name);
        let seen = self.observer.look_at(&mut self.client, prefix, api, size).await;
        seen.map_err(SessionError::ClientIo)?;
        match api.treatment {
            Treatment::Inspect if api_key == versions::PRODUCE => self.produce(prefix, size).await,
            Treatment::Inspect => self.add_partitions(prefix, size).await,
            Treatment::Rewrite => {
                self.expect(prefix, Answer::Rewrite).await?;
                self.pass(size).await
            }
            Treatment::Pass => {
                self.expect(prefix, Answer::Pass).await?;
                self.pass(size).await
            }
        }
    }

    /// Announces a response. Waits while too many are due: that is what stops the reading of a client.
    async fn expect(&mut self, prefix: RequestPrefix, answer: Answer) -> Result<(), Gone> {
        let RequestPrefix { api_key, api_version, correlation_id } = prefix;
        let due = self.observer.due(&mut self.client, &answer).await;
        let expected = Expected { correlation_id, api_key, api_version, answer, due };
        self.expected.send(expected).await.map_err(|_| Gone)
    }

    async fn pass(&mut self, size: usize) -> Result<(), Stop> {
        // Which of the two ends failed is told by which is still there; the broker's is the likelier to be watched.
        self.client.copy(SIZE_BYTES + size, &mut self.broker).await.map_err(SessionError::BrokerIo)?;
        Ok(())
    }

    /// Takes the request off the stream unread and asks the broker in version 0 instead.
    async fn api_versions_too_new(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        self.metrics.request("ApiVersions");
        let _ = self.client.take_frame(size).await.map_err(SessionError::ClientIo)?;
        self.expect(prefix, Answer::ApiVersionsTooNew).await?;
        let mut request = BytesMut::with_capacity(16);
        request.put_slice(&RequestPrefix { api_version: 0, ..prefix }.to_bytes());
        request.put_i16(-1);
        self.send(vec![request.freeze()]).await
    }

    async fn send(&mut self, pieces: Vec<Bytes>) -> Result<(), Stop> {
        let mut rope = Rope::frame(pieces);
        self.broker.write_all_buf(&mut rope).await.map_err(SessionError::BrokerIo)?;
        Ok(())
    }

    async fn produce(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let version = prefix.api_version;
        if self.guards.is_empty() && version >= versions::PRODUCE_READABLE_FROM {
            let front = (SIZE_BYTES + size).min(ACKS_WITHIN);
            self.client.require(front).await.map_err(SessionError::ClientIo)?;
            // An opening that is longer than this, or broken, is read with the whole request.
            if let Ok(acks) = peek_acks(&self.client.peek_bytes(SIZE_BYTES, front), version) {
                self.expect_produce(prefix, acks).await?;
                return self.pass(size).await;
            }
        }
        let frame = self.client.take_frame(size).await.map_err(SessionError::ClientIo)?;
        let request = ProduceRequest::read(frame, version).map_err(request_error)?;
        if version < versions::PRODUCE_READABLE_FROM {
            return self.produce_too_old(prefix, &request).await;
        }
        let refused = self.refused(&request);
        if refused.is_empty() {
            self.expect_produce(prefix, request.acks).await?;
            return self.send(vec![request.frame().clone()]).await;
        }
        self.produce_refused(prefix, &request, refused).await
    }

    async fn expect_produce(&mut self, prefix: RequestPrefix, acks: i16) -> Result<(), Gone> {
        if acks == 0 {
            // The broker sends nothing back.
            return Ok(());
        }
        // Answers carry addresses since version 10 only.
        let answer = if prefix.api_version >= 10 { Answer::Rewrite } else { Answer::Pass };
        self.expect(prefix, answer).await
    }

    /// The topics of a request that clients may not write to.
    fn refused(&self, request: &ProduceRequest) -> Vec<RefusedTopic> {
        let guarded = |topic: &ProduceTopic| {
            let guard = self.guards.of(&topic.topic).filter(|guard| guard.read_only)?;
            let partitions = topic.partitions.iter().map(|partition| partition.index).collect();
            Some(RefusedTopic { topic: topic.topic.clone(), name: guard.topic, partitions })
        };
        request.topics.iter().filter_map(guarded).collect()
    }

    async fn produce_refused(
        &mut self,
        prefix: RequestPrefix,
        request: &ProduceRequest,
        refused: Vec<RefusedTopic>,
    ) -> Result<(), Stop> {
        for topic in &refused {
            if request.acks == 0 {
                self.metrics.dropped(&topic.name, topic.partitions.len());
            } else {
                self.metrics.refused(&topic.name, topic.partitions.len());
            }
            tracing::debug!(
                topic = topic.name,
                partitions = topic.partitions.len(),
                acks = request.acks,
                "write to a mirror topic refused"
            );
        }
        let nothing_left = refused.len() == request.topics.len();
        let rest = if nothing_left {
            None
        } else {
            Some(request.without(|topic| !refused.iter().any(|refused| refused.topic == topic.topic)))
        };
        match (request.acks, rest) {
            (0, None) => Ok(()),
            (0, Some(rest)) => self.send(rest).await,
            (_, None) => {
                let frame = reply::produce_refused(prefix.correlation_id, prefix.api_version, &refused)
                    .map_err(|source| response_error(prefix, source))?;
                Ok(self.expect(prefix, Answer::Local(frame)).await?)
            }
            (_, Some(rest)) => {
                self.expect(prefix, Answer::ProduceMerge(refused)).await?;
                self.send(rest).await
            }
        }
    }

    /// A transaction that names a mirror topic is refused as a whole, as a broker does where one topic may not be written:
    /// otherwise its end would write a marker into the mirror topic, even with every record refused.
    async fn add_partitions(&mut self, prefix: RequestPrefix, size: usize) -> Result<(), Stop> {
        let frame = self.client.take_frame(size).await.map_err(SessionError::ClientIo)?;
        let topics = read_added_partitions(frame.clone(), prefix.api_version)
            .map_err(|source| SessionError::Request { api_key: prefix.api_key, source })?;
        let read_only = |name: &Text| {
            let guard = self.guards.of(&TopicRef::Name(name.clone()));
            guard.is_some_and(|guard| guard.read_only)
        };
        let topics: Vec<_> =
            topics.into_iter().map(|(name, partitions)| (read_only(&name), name, partitions)).collect();
        if !topics.iter().any(|(refused, ..)| *refused) {
            self.expect(prefix, Answer::Pass).await?;
            return self.send(vec![frame]).await;
        }
        for (_, name, partitions) in topics.iter().filter(|(refused, ..)| *refused) {
            self.metrics.refused(name.as_str(), partitions.len());
        }
        let reply = reply::add_partitions_refused(prefix.correlation_id, prefix.api_version, &topics)
            .map_err(|source| response_error(prefix, source))?;
        Ok(self.expect(prefix, Answer::Local(reply)).await?)
    }

    async fn produce_too_old(&mut self, prefix: RequestPrefix, request: &ProduceRequest) -> Result<(), Stop> {
        if request.acks == 0 {
            return Ok(());
        }
        let frame = reply::produce_too_old(prefix.correlation_id, prefix.api_version, request);
        Ok(self.expect(prefix, Answer::Local(frame)).await?)
    }
}

fn request_error(source: WireError) -> SessionError {
    SessionError::Request { api_key: versions::PRODUCE, source }
}

fn response_error(prefix: RequestPrefix, source: ResponseError) -> SessionError {
    SessionError::Response { api_key: prefix.api_key, api_version: prefix.api_version, source }
}
