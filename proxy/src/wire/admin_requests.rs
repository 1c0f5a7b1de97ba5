//! Requests of administrators that name topics, as clients sent them: only what a guard must know is read.
//!
//! Each reader shows one entry after another to `stays`, which says whether the entry stays in the request or fails; none is stored.
//!
//! Schemas: `clients/src/main/resources/common/message/*Request.json` of Apache Kafka.

use bytes::Bytes;

use super::header::read_request_header;
use super::kept::Kept;
use super::primitive::{Reader, Text, WireError};
use super::topic_ref::TopicRef;
use super::versions;

/// Elements that all arrays of one request may have together: ten configs of ten thousand topics.
pub const MAX_ELEMENTS: usize = 100_000;

/// Resource type of a topic in config requests (`ConfigResource.Type`).
pub const TOPIC_RESOURCE: i8 = 2;

/// A topic and some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPartitions {
    /// Its name.
    pub name: Text,
    /// Partition numbers, as sent.
    pub partitions: Vec<i32>,
}

/// A resource whose configs are to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredResource {
    /// What it is: see [`TOPIC_RESOURCE`].
    pub kind: i8,
    /// Its name.
    pub name: Text,
    /// Names of the configs, as sent.
    pub configs: Vec<Text>,
}

/// The transactions of one producer that are to end (WriteTxnMarkers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Whose.
    pub producer_id: i64,
    /// Where the markers are to be written.
    pub topics: Vec<TopicPartitions>,
}

/// DeleteRecords, versions 0 to 2.
///
/// # Errors
/// [`WireError`] for anything that is no such request, and whatever `stays` fails with.
pub fn read_delete_records(
    frame: &Bytes,
    version: i16,
    stays: impl FnMut(TopicPartitions) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = Walk::begin(frame, versions::DELETE_RECORDS, version)?;
    let partition = |walk: &mut Walk| {
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

/// DeleteTopics, versions 0 to 6: the topics, by name or (since version 6) by id.
///
/// # Errors
/// As [`read_delete_records`].
pub fn read_delete_topics(
    frame: &Bytes,
    version: i16,
    mut stays: impl FnMut(TopicRef) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = Walk::begin(frame, versions::DELETE_TOPICS, version)?;
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

/// CreatePartitions, versions 0 to 3: the names of the topics that are to grow.
///
/// # Errors
/// As [`read_delete_records`].
pub fn read_create_partitions(
    frame: &Bytes,
    version: i16,
    mut stays: impl FnMut(Text) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = Walk::begin(frame, versions::CREATE_PARTITIONS, version)?;
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

/// AlterConfigs (versions 0 to 2) or IncrementalAlterConfigs (0 to 1), by `api_key`.
///
/// # Errors
/// As [`read_delete_records`].
pub fn read_alter_configs(
    frame: &Bytes,
    api_key: i16,
    version: i16,
    mut stays: impl FnMut(AlteredResource) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = Walk::begin(frame, api_key, version)?;
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

/// AddPartitionsToTxn, versions 0 to 3; later ones are spoken between brokers only.
///
/// # Errors
/// As [`read_delete_records`].
pub fn read_added_partitions(
    frame: &Bytes,
    version: i16,
    stays: impl FnMut(TopicPartitions) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = Walk::begin(frame, versions::ADD_PARTITIONS_TO_TXN, version)?;
    let _transactional_id = walk.reader.string(walk.flexible)?;
    let _producer_id = walk.reader.i64()?;
    let _producer_epoch = walk.reader.i16()?;
    let topics = walk.topics(|walk| walk.reader.i32(), stays)?;
    walk.finish()?;
    Ok(topics)
}

/// WriteTxnMarkers, versions 0 to 2. The transaction version that follows each marker since version 2 is not looked at.
///
/// # Errors
/// As [`read_delete_records`].
pub fn read_txn_markers(
    frame: &Bytes,
    version: i16,
    mut stays: impl FnMut(Marker) -> Result<bool, WireError>,
) -> Result<Kept, WireError> {
    let mut walk = Walk::begin(frame, versions::WRITE_TXN_MARKERS, version)?;
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
        stays(Marker { producer_id, topics })
    })?;
    walk.finish()?;
    Ok(markers)
}

/// A walk over one request, which counts the elements it meets.
struct Walk {
    reader: Reader,
    flexible: bool,
    elements: usize,
}

impl Walk {
    /// Stands at the body.
    fn begin(frame: &Bytes, api_key: i16, version: i16) -> Result<Walk, WireError> {
        let api = versions::supported(api_key, version)
            .ok_or(WireError::UnsupportedVersion { api_key, version })?;
        let flexible = api.is_flexible(version);
        let mut reader = Reader::new(frame.clone());
        let _client_id = read_request_header(&mut reader, flexible)?;
        Ok(Walk { reader, flexible, elements: 0 })
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
        mut read: impl FnMut(&mut Walk) -> Result<bool, WireError>,
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

    /// Topics by name, each with partitions that `partition` reads.
    fn topics(
        &mut self,
        mut partition: impl FnMut(&mut Walk) -> Result<i32, WireError>,
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
