//! Which connection to a destination broker a partition's batches take.

/// Connections for appending to each destination broker. A broker serves one request of a connection at a time, and validates
/// each record of a compressed batch meanwhile: a single connection would use a single core of it. A partition keeps to its lane
/// while something of it is under way, so its batches stay in order.
pub(super) const LANES: usize = 2;
/// An answer of the source with fewer bytes goes to the destination in one request, not in one for each lane.
const WORTH_SPREADING: usize = 64 * 1024;

/// The lane of a partition: those of a topic take turns, and topics of one partition spread by their names.
#[must_use]
pub(super) fn own_lane(topic: &str, index: i32) -> usize {
    let name: usize = topic.bytes().map(usize::from).sum();
    name.wrapping_add(usize::try_from(index).unwrap_or(0)) % LANES
}

/// The lane for what came in an answer of `bytes` of records.
#[must_use]
pub(super) fn lane(topic: &str, index: i32, bytes: usize) -> usize {
    if bytes < WORTH_SPREADING { 0 } else { own_lane(topic, index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_takes_one_lane_and_what_is_worth_it_takes_all() {
        let lanes = |bytes| (0..4).map(|index| lane("users", index, bytes)).collect::<Vec<_>>();
        assert_eq!(lanes(WORTH_SPREADING - 1), [0; 4]);
        let spread = lanes(WORTH_SPREADING);
        assert_eq!(spread, [spread[0], 1 - spread[0], spread[0], 1 - spread[0]]);
    }
}
