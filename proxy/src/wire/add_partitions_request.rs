//! An AddPartitionsToTxn request as a client sent it. Versions 0 to 3; later ones are spoken between brokers only.

use bytes::Bytes;

use super::header::read_request_header;
use super::primitive::{Reader, Text, WireError};
use super::produce_request::MAX_PARTITIONS;

/// First flexible version.
const FLEXIBLE: i16 = 3;
/// Last version that clients use.
const LATEST: i16 = 3;

/// The topics that a transaction is to write to, and their partitions.
///
/// # Errors
/// [`WireError`] for anything that is no such request.
pub fn read_added_partitions(frame: Bytes, version: i16) -> Result<Vec<(Text, Vec<i32>)>, WireError> {
    if !(0..=LATEST).contains(&version) {
        return Err(WireError::UnsupportedVersion {
            api_key: super::versions::ADD_PARTITIONS_TO_TXN,
            version,
        });
    }
    let flexible = version >= FLEXIBLE;
    let mut reader = Reader::new(frame);
    let _client_id = read_request_header(&mut reader, flexible)?;
    let _transactional_id = reader.string(flexible)?;
    let _producer_id = reader.i64()?;
    let _producer_epoch = reader.i16()?;
    let count = reader.count(flexible, if flexible { 3 } else { 6 })?;
    let mut topics = Vec::with_capacity(count.min(1024));
    let mut total = 0;
    for _ in 0..count {
        let name = reader.string(flexible)?;
        let partitions = reader.count(flexible, 4)?;
        total += partitions.max(1);
        if total > MAX_PARTITIONS {
            return Err(WireError::TooMany {
                what: "partitions added to a transaction",
                limit: MAX_PARTITIONS,
            });
        }
        let partitions = (0..partitions).map(|_| reader.i32()).collect::<Result<_, _>>()?;
        if flexible {
            reader.skip_tags()?;
        }
        topics.push((name, partitions));
    }
    if flexible {
        reader.skip_tags()?;
    }
    reader.finish()?;
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_read_and_every_truncation_is_an_error() {
        let plain: &[u8] =
            b"\0\x18\0\0\0\0\0\x01\xff\xff\0\x01x\0\0\0\0\0\0\0\x05\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x07";
        let flexible: &[u8] =
            b"\0\x18\0\x03\0\0\0\x01\xff\xff\0\x02x\0\0\0\0\0\0\0\x05\0\0\x02\x02t\x02\0\0\0\x07\0\0";
        for (version, bytes) in [(0, plain), (3, flexible)] {
            let topics = read_added_partitions(Bytes::from_static(bytes), version).unwrap();
            assert_eq!((topics[0].0.as_str(), topics[0].1.as_slice()), ("t", &[7][..]));
            for cut in 0..bytes.len() {
                assert!(read_added_partitions(Bytes::from_static(&bytes[..cut]), version).is_err());
            }
        }
    }

    #[test]
    fn count_blowups_are_refused() {
        let topics = b"\0\x18\0\x03\0\0\0\x01\xff\xff\0\x02x\0\0\0\0\0\0\0\x05\0\0\xff\xff\xff\xff\x0f";
        let partitions =
            b"\0\x18\0\x03\0\0\0\x01\xff\xff\0\x02x\0\0\0\0\0\0\0\x05\0\0\x02\x02t\xff\xff\xff\xff\x0f";
        for bytes in [&topics[..], partitions] {
            let read = read_added_partitions(Bytes::copy_from_slice(bytes), 3);
            assert!(matches!(read, Err(WireError::CountTooLarge { .. })));
        }
    }
}
