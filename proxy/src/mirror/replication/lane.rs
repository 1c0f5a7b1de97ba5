//! Chooses the connection to a destination broker that the batches of a partition take.

/// Number of connections for appending to each destination broker. A broker serves one request of a
/// connection at a time and validates each record of a compressed batch meanwhile, so a single connection
/// would use a single core of it. A partition keeps its lane while it has batches queued or in flight, so its
/// batches stay in order.
pub(crate) const LANES: usize = 2;
/// Size of an answer of the source below which it goes to the destination in one request, in bytes. A larger
/// one is spread over the lanes.
const MIN_SPREAD_BYTES: usize = 64 * 1024;

/// Returns the own lane of a partition: partitions of one topic alternate, and topics with one partition are
/// spread by their names.
#[must_use]
pub(crate) fn own_lane(topic: &str, index: i32) -> usize {
    let name: usize = topic.bytes().map(usize::from).sum();
    name.wrapping_add(usize::try_from(index).unwrap_or(0)) % LANES
}

/// Returns the lane of a partition for the data of an answer with `bytes` of records.
#[must_use]
pub(crate) fn lane(topic: &str, index: i32, bytes: usize) -> usize {
    if bytes < MIN_SPREAD_BYTES { 0 } else { own_lane(topic, index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_answers_take_one_lane_and_large_answers_take_all() {
        let lanes = |bytes| (0..4).map(|index| lane("users", index, bytes)).collect::<Vec<_>>();
        assert_eq!(lanes(MIN_SPREAD_BYTES - 1), [0; 4]);
        let spread = lanes(MIN_SPREAD_BYTES);
        assert_eq!(spread, [spread[0], 1 - spread[0], spread[0], 1 - spread[0]]);
    }
}
