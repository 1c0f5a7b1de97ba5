//! Reads administrative requests of clients that name topics. Reads only the fields that a guard needs.
//!
//! Each function passes every entry to `stays`, which returns true if the entry stays in the request, or
//! fails. No entry is stored.
//!
//! Schemas: `clients/src/main/resources/common/message/*Request.json` of Apache Kafka.

use bytes::Bytes;

use crate::wire::messages::filtered_array::Kept;
use crate::wire::protocol::header::read_request_header;
use crate::wire::protocol::primitive::{Reader, Text, WireError};
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions;

/// Maximum number of elements in all arrays of one request together: ten configs of ten thousand topics.
pub(crate) const MAX_ELEMENTS: usize = 100_000;

/// Resource type of a topic in config requests (`ConfigResource.Type`).
pub(crate) const TOPIC_RESOURCE: i8 = 2;

/// A topic and some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPartitions {
    /// Name of the topic.
    pub name: Text,
    /// Partition numbers, as sent.
    pub partitions: Vec<i32>,
}

/// A resource whose configs the client wants to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredResource {
    /// Type of the resource; see [`TOPIC_RESOURCE`].
    pub kind: i8,
    /// Name of the resource.
    pub name: Text,
    /// Names of the configs, in the order of the request.
    pub configs: Vec<Text>,
}

/// The transaction of one producer that a WriteTxnMarkers request ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnMarker {
    /// Id of the producer.
    pub producer_id: i64,
    /// Topics and partitions that get the marker.
    pub topics: Vec<TopicPartitions>,
}

/// Reads a DeleteRecords request, versions 0 to 2.
///
/// # Errors
/// Fails if the frame is not a valid request of this version, or if `stays` fails.
pub fn read_delete_records(
    frame: &Bytes,
    version: i16,
    stays: impl FnMut(TopicPartitions) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = RequestWalk::begin(frame, versions::DELETE_RECORDS, version)?;
    let partition = |walk: &mut RequestWalk| {
        let index = walk.reader.i32()?;
        let _offset = walk.reader.i64()?;
        walk.tags()?;
        Ok(index)
    };
    let topics = walk.topics(partition, stays)?;
    let _timeout_ms = walk.reader.i32()?;
    walk.finish()?;
    Ok(topics)
}

/// Reads a DeleteTopics request, versions 0 to 6: the topics, by name or (since version 6) by id.
///
/// # Errors
/// Fails like [`read_delete_records`].
pub(crate) fn read_delete_topics(
    frame: &Bytes,
    version: i16,
    mut stays: impl FnMut(TopicRef) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = RequestWalk::begin(frame, versions::DELETE_TOPICS, version)?;
    let topics = if version >= 6 {
        walk.list(18, |walk| {
            let name = walk.reader.nullable_string(walk.flexible)?;
            let id = walk.reader.uuid()?;
            walk.tags()?;
            stays(name.map_or(TopicRef::Id(id), TopicRef::Name))
        })?
    } else {
        let least = if walk.flexible { 1 } else { 2 };
        walk.list(least, |walk| stays(TopicRef::Name(walk.reader.string(walk.flexible)?)))?
    };
    let _timeout_ms = walk.reader.i32()?;
    walk.finish()?;
    Ok(topics)
}

/// Reads a CreatePartitions request, versions 0 to 3: the names of the topics that get more partitions.
///
/// # Errors
/// Fails like [`read_delete_records`].
pub fn read_create_partitions(
    frame: &Bytes,
    version: i16,
    mut stays: impl FnMut(Text) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = RequestWalk::begin(frame, versions::CREATE_PARTITIONS, version)?;
    let topics = walk.list(7, |walk| {
        let name = walk.reader.string(walk.flexible)?;
        let _count = walk.reader.i32()?;
        let assignments = walk.reader.nullable_count(walk.flexible, if walk.flexible { 2 } else { 4 })?;
        for _ in 0..walk.counted(assignments.unwrap_or(0))? {
            let replicas = walk.reader.count(walk.flexible, 4)?;
            let _ = walk.reader.skip("replicas", replicas * 4)?;
            walk.tags()?;
        }
        walk.tags()?;
        stays(name)
    })?;
    let _timeout_ms = walk.reader.i32()?;
    let _validate_only = walk.reader.i8()?;
    walk.finish()?;
    Ok(topics)
}

/// Reads an AlterConfigs request (versions 0 to 2) or an IncrementalAlterConfigs request (0 to 1), depending
/// on `api_key`.
///
/// # Errors
/// Fails like [`read_delete_records`].
pub fn read_alter_configs(
    frame: &Bytes,
    api_key: i16,
    version: i16,
    mut stays: impl FnMut(AlteredResource) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = RequestWalk::begin(frame, api_key, version)?;
    let has_operation = api_key == versions::INCREMENTAL_ALTER_CONFIGS;
    let resources = walk.list(4, |walk| {
        let kind = walk.reader.i8()?;
        let name = walk.reader.string(walk.flexible)?;
        let count = walk.reader.count(walk.flexible, 3)?;
        let mut configs = Vec::with_capacity(walk.counted(count)?.min(64));
        for _ in 0..count {
            configs.push(walk.reader.string(walk.flexible)?);
            if has_operation {
                let _operation = walk.reader.i8()?;
            }
            let _value = walk.reader.nullable_string(walk.flexible)?;
            walk.tags()?;
        }
        walk.tags()?;
        stays(AlteredResource { kind, name, configs })
    })?;
    let _validate_only = walk.reader.i8()?;
    walk.finish()?;
    Ok(resources)
}

/// Reads an AddPartitionsToTxn request, versions 0 to 3. Only brokers use later versions, among themselves.
///
/// # Errors
/// Fails like [`read_delete_records`].
pub fn read_added_partitions(
    frame: &Bytes,
    version: i16,
    stays: impl FnMut(TopicPartitions) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = RequestWalk::begin(frame, versions::ADD_PARTITIONS_TO_TXN, version)?;
    let _transactional_id = walk.reader.string(walk.flexible)?;
    let _producer_id = walk.reader.i64()?;
    let _producer_epoch = walk.reader.i16()?;
    let topics = walk.topics(|walk| walk.reader.i32(), stays)?;
    walk.finish()?;
    Ok(topics)
}

/// Reads a WriteTxnMarkers request, versions 0 to 2. Skips the transaction version that follows each marker
/// since version 2.
///
/// # Errors
/// Fails like [`read_delete_records`].
pub fn read_txn_markers(
    frame: &Bytes,
    version: i16,
    mut stays: impl FnMut(TxnMarker) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = RequestWalk::begin(frame, versions::WRITE_TXN_MARKERS, version)?;
    let markers = walk.list(16, |walk| {
        let producer_id = walk.reader.i64()?;
        let _producer_epoch = walk.reader.i16()?;
        let _committed = walk.reader.i8()?;
        let mut topics = Vec::new();
        let _ = walk.topics(
            |walk| walk.reader.i32(),
            |topic| {
                topics.push(topic);
                Ok(true)
            },
        )?;
        let _coordinator_epoch = walk.reader.i32()?;
        if version >= 2 {
            let _transaction_version = walk.reader.i8()?;
        }
        walk.tags()?;
        stays(TxnMarker { producer_id, topics })
    })?;
    walk.finish()?;
    Ok(markers)
}

/// Reader of one request. It counts the elements that it reads.
struct RequestWalk {
    reader: Reader,
    flexible: bool,
    elements: usize,
}

impl RequestWalk {
    /// Reads the request header. The reader is then at the body.
    fn begin(frame: &Bytes, api_key: i16, version: i16) -> Result<RequestWalk, WireError> {
        let api = versions::supported(api_key, version)
            .ok_or(WireError::UnsupportedVersion { api_key, version })?;
        let flexible = api.is_flexible(version);
        let mut reader = Reader::new(frame.clone());
        let _client_id = read_request_header(&mut reader, flexible)?;
        Ok(RequestWalk { reader, flexible, elements: 0 })
    }

    fn counted(&mut self, count: usize) -> Result<usize, WireError> {
        self.elements = self.elements.saturating_add(count);
        if self.elements > MAX_ELEMENTS {
            return Err(WireError::TooMany { what: "elements in a request", limit: MAX_ELEMENTS });
        }
        Ok(count)
    }

    fn tags(&mut self) -> Result<(), WireError> {
        if self.flexible { self.reader.skip_tags() } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(), WireError> {
        self.tags()?;
        self.reader.finish()
    }

    fn list(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut RequestWalk) -> Result<bool, WireError>,
    ) -> Result<Kept, WireError> {
        let mut reader = self.reader.clone();
        let flexible = self.flexible;
        let list = Kept::read(&mut reader, flexible, least, |reader| {
            std::mem::swap(&mut self.reader, reader);
            let stays = self.counted(1).and_then(|_| read(self));
            std::mem::swap(&mut self.reader, reader);
            stays
        })?;
        self.reader = reader;
        Ok(list)
    }

    /// Reads topics by name. `partition` reads one partition.
    fn topics(
        &mut self,
        mut partition: impl FnMut(&mut RequestWalk) -> Result<i32, WireError>,
        mut stays: impl FnMut(TopicPartitions) -> Result<bool, WireError>,
    ) -> Result<Kept, WireError> {
        self.list(3, |walk| {
            let name = walk.reader.string(walk.flexible)?;
            let count = walk.reader.count(walk.flexible, 4)?;
            let mut partitions = Vec::with_capacity(walk.counted(count)?.min(1024));
            for _ in 0..count {
                partitions.push(partition(walk)?);
            }
            walk.tags()?;
            stays(TopicPartitions { name, partitions })
        })
    }
}

#[cfg(test)]
mod tests;
