//! Rewrites ApiVersions responses to the versions that both the broker and the gateway support.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::wire::protocol::error_code::ErrorCode;
use crate::wire::protocol::primitive::Reader;
use crate::wire::protocol::response_schema;
use crate::wire::protocol::versions;

use crate::gateway::error::ResponseError;
use crate::gateway::response::codec;

/// Size of the header of every ApiVersions response, in bytes: the correlation id.
const BODY_AT: usize = 4;

/// First flexible version.
const FLEXIBLE: i16 = 3;

/// Returns the broker's list without the versions that the gateway does not support. A broker that does not
/// know the requested version answers in version 0.
pub(crate) fn intersect(frame: Bytes, version: i16) -> Result<Vec<Bytes>, ResponseError> {
    let error_code = Reader::starting_at(frame.clone(), BODY_AT).i16()?;
    let version = if error_code == ErrorCode::UNSUPPORTED_VERSION.0 { 0 } else { version };
    rewrite(&frame, version, |_| {})
}

/// Returns the broker's response in version 0 for a client whose requested version the gateway does not know.
/// The error code says so, and the list tells the client with which version to ask again.
pub(crate) fn too_new(frame: Bytes) -> Result<Vec<Bytes>, ResponseError> {
    rewrite(&frame, 0, |response| response.error_code = ErrorCode::UNSUPPORTED_VERSION.0)
}

fn rewrite(
    frame: &Bytes,
    version: i16,
    change: impl FnOnce(&mut ApiVersionsResponse),
) -> Result<Vec<Bytes>, ResponseError> {
    response_schema::check(versions::API_VERSIONS, frame, BODY_AT, version, version >= FLEXIBLE)?;
    let mut body = frame.slice(BODY_AT.min(frame.len())..);
    let mut response = ApiVersionsResponse::decode(&mut body, version).map_err(codec)?;
    response.api_keys = response.api_keys.iter().filter_map(common).collect();
    change(&mut response);
    let mut out = BytesMut::with_capacity(frame.len());
    out.extend_from_slice(&frame[..BODY_AT]);
    response.encode(&mut out, version).map_err(codec)?;
    Ok(vec![out.freeze()])
}

/// Returns the versions of one api that both sides support, or `None` if there are none.
fn common(broker: &ApiVersion) -> Option<ApiVersion> {
    let api = versions::api(broker.api_key)?;
    let (min, max) = (broker.min_version.max(api.min), broker.max_version.min(api.max));
    (min <= max).then(|| broker.clone().with_min_version(min).with_max_version(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(version: i16, error_code: i16) -> Bytes {
        let api = |key: i16, min: i16, max: i16| {
            ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
        };
        let response = ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(vec![
            api(versions::PRODUCE, 0, 99),
            api(versions::FETCH, 4, 7),
            api(versions::METADATA, 2, 13),
            api(4, 0, 7),
            api(78, 0, 0),
            api(12345, 0, 1),
        ]);
        let mut out = BytesMut::from(&[0, 0, 0, 9][..]);
        response.encode(&mut out, version).unwrap();
        out.freeze()
    }

    fn listed(pieces: Vec<Bytes>, version: i16) -> (i16, Vec<(i16, i16, i16)>) {
        let frame: Bytes = pieces.concat().into();
        assert_eq!(frame[..4], [0, 0, 0, 9]);
        let response = ApiVersionsResponse::decode(&mut frame.slice(4..), version).unwrap();
        let keys =
            response.api_keys.iter().map(|key| (key.api_key, key.min_version, key.max_version)).collect();
        (response.error_code, keys)
    }

    const COMMON: [(i16, i16, i16); 3] = [(0, 0, 13), (1, 4, 7), (3, 2, 13)];

    #[test]
    fn the_list_is_what_both_understand() {
        for version in 0..=4 {
            let pieces = intersect(frame(version, 0), version).unwrap();
            assert_eq!(listed(pieces, version), (0, COMMON.to_vec()), "v{version}");
        }
    }

    #[test]
    fn a_broker_too_old_for_the_request_answers_in_version_0() {
        let pieces = intersect(frame(0, ErrorCode::UNSUPPORTED_VERSION.0), 4).unwrap();
        assert_eq!(listed(pieces, 0), (ErrorCode::UNSUPPORTED_VERSION.0, COMMON.to_vec()));
    }

    #[test]
    fn a_too_new_request_gets_unsupported_version_in_version_0() {
        assert_eq!(
            listed(too_new(frame(0, 0)).unwrap(), 0),
            (ErrorCode::UNSUPPORTED_VERSION.0, COMMON.to_vec())
        );
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        let whole = frame(3, 0);
        for cut in 0..whole.len() {
            assert!(intersect(whole.slice(..cut), 3).is_err(), "cut at {cut}");
        }
    }
}
