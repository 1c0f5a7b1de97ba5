//! Builds the responses that the gateway gives itself. No other place builds errors for clients.
pub(crate) mod refusal;
pub(crate) mod refused;
pub(crate) mod transaction;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::wire::messages::produce_request::ProduceTopic;
use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::protocol::header::{RequestPrefix, response_frame};
use crate::wire::protocol::primitive::{put_count, put_string};
use crate::wire::protocol::topic_ref::TopicRef;
use crate::wire::protocol::versions;

use crate::gateway::error::ResponseError;

pub(crate) use self::refused::{AddRefused, produce_forged, refused};
pub(crate) use self::transaction::{add_partitions_refused, markers_refused};

/// Error code for refused writes to a mirror topic. Confluent Server uses the same.
const READ_ONLY: ErrorCode = ErrorCode::INVALID_REQUEST;

/// Encodes a whole frame with this body. The buffer gets its size beforehand, so the frame never exists
/// twice.
///
/// # Errors
/// [`ResponseError::Codec`] if the codec refuses the body, which never happens for the versions of the api
/// table.
fn frame(prefix: RequestPrefix, body: &impl Encodable, version: i16) -> Result<Bytes, ResponseError> {
    let flexible =
        versions::api(prefix.api_key).is_some_and(|api| api.has_flexible_response_header(prefix.api_version));
    let size = body.compute_size(version).map_err(codec_error)? + 4 + usize::from(flexible);
    let mut frame = BytesMut::with_capacity(4 + size);
    frame.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    frame.put_i32(prefix.correlation_id);
    if flexible {
        frame.put_u8(0);
    }
    body.encode(&mut frame, version).map_err(codec_error)?;
    Ok(frame.freeze())
}

fn codec_error(error: impl std::fmt::Display) -> ResponseError {
    ResponseError::Codec(error.to_string())
}

/// Returns the response to a Produce request of version 0 to 2. Such clients write message formats that the
/// gateway does not read.
pub(crate) fn produce_too_old(correlation_id: i32, version: i16, topics: &[ProduceTopic]) -> Bytes {
    let mut body = BytesMut::new();
    put_count(&mut body, false, topics.len());
    for topic in topics {
        let name = match &topic.topic {
            TopicRef::Name(name) => name.as_str(),
            TopicRef::Id(_) => "",
        };
        put_string(&mut body, false, name);
        put_count(&mut body, false, topic.partitions.len());
        for partition in &topic.partitions {
            body.put_i32(partition.index);
            body.put_i16(ErrorCode::UNSUPPORTED_VERSION.0);
            body.put_i64(-1);
            if version >= 2 {
                body.put_i64(-1);
            }
        }
    }
    if version >= 1 {
        body.put_i32(0);
    }
    response_frame(correlation_id, false, &body)
}
