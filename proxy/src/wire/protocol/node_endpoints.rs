//! Reads and writes the node endpoints of KIP-951. They follow a response that says that a partition has
//! another leader.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::protocol::primitive::{Reader, WireError, put_count, put_string};
use crate::wire::protocol::varint::put_unsigned_varint;

/// Address of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeEndpoint {
    /// Broker id.
    pub node_id: i32,
    /// Host name of the broker.
    pub host: String,
    /// Port of the broker.
    pub port: i32,
    /// Rack of the broker, if it has one.
    pub rack: Option<String>,
}

/// Reads the content of the tagged field.
///
/// # Errors
/// Fails if the content is malformed.
pub(crate) fn read_node_endpoints(content: Bytes) -> Result<Vec<NodeEndpoint>, WireError> {
    let mut reader = Reader::new(content);
    let endpoints = next_node_endpoints(&mut reader)?;
    reader.finish()?;
    Ok(endpoints)
}

/// Reads the array at the reader's position.
///
/// # Errors
/// Fails if the array is malformed.
pub(crate) fn next_node_endpoints(reader: &mut Reader) -> Result<Vec<NodeEndpoint>, WireError> {
    // Id, host, port, rack and tags take at least eleven bytes.
    let count = reader.count(true, 11)?;
    let mut endpoints = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let node_id = reader.i32()?;
        let host = reader.string(true)?.as_str().to_owned();
        let port = reader.i32()?;
        let rack = reader.nullable_string(true)?.map(|rack| rack.as_str().to_owned());
        reader.skip_tags()?;
        endpoints.push(NodeEndpoint { node_id, host, port, rack });
    }
    Ok(endpoints)
}

/// Writes the content of the tagged field.
#[must_use]
pub(crate) fn write_node_endpoints(endpoints: &[NodeEndpoint]) -> Bytes {
    let mut out = BytesMut::new();
    put_count(&mut out, true, endpoints.len());
    for endpoint in endpoints {
        out.put_i32(endpoint.node_id);
        put_string(&mut out, true, &endpoint.host);
        out.put_i32(endpoint.port);
        match &endpoint.rack {
            Some(rack) => put_string(&mut out, true, rack),
            None => put_unsigned_varint(&mut out, 0u32),
        }
        put_unsigned_varint(&mut out, 0u32);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_round_trip() {
        let endpoints = vec![
            NodeEndpoint { node_id: 1, host: "a".into(), port: 1, rack: None },
            NodeEndpoint { node_id: -7, host: "b".repeat(300), port: 65535, rack: Some(String::new()) },
        ];
        assert_eq!(read_node_endpoints(write_node_endpoints(&endpoints)), Ok(endpoints));
    }

    #[test]
    fn an_oversized_endpoint_count_is_refused() {
        let content = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]);
        assert!(matches!(read_node_endpoints(content), Err(WireError::CountTooLarge { .. })));
    }
}
