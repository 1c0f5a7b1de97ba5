//! The layouts of answers that only Linkgate's own requests bring.

use kafka_protocol::messages::ApiKey;

use super::{Field, INT8, INT16, INT32, INT64, Kind, TEXT, UUID, since, within};

/// The layout of an api's response.
pub(super) fn layout(api_key: i16) -> Option<&'static [Field]> {
    Some(match ApiKey::try_from(api_key).ok()? {
        ApiKey::SaslHandshake => SASL_HANDSHAKE,
        ApiKey::SaslAuthenticate => SASL_AUTHENTICATE,
        ApiKey::Fetch => FETCH,
        ApiKey::ListOffsets => LIST_OFFSETS,
        ApiKey::OffsetForLeaderEpoch => OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DescribeProducers => DESCRIBE_PRODUCERS,
        ApiKey::ListGroups => LIST_GROUPS,
        ApiKey::DescribeGroups => DESCRIBE_GROUPS,
        ApiKey::ConsumerGroupDescribe => CONSUMER_GROUP_DESCRIBE,
        ApiKey::OffsetFetch => OFFSET_FETCH,
        ApiKey::OffsetCommit => OFFSET_COMMIT,
        ApiKey::CreateTopics => CREATE_TOPICS,
        ApiKey::DeleteTopics => DELETE_TOPICS,
        ApiKey::DescribeConfigs => DESCRIBE_CONFIGS,
        _ => return None,
    })
}

const SASL_HANDSHAKE: &[Field] = &[since(0, INT16), since(0, Kind::Texts)];

const SASL_AUTHENTICATE: &[Field] =
    &[since(0, INT16), since(0, TEXT), since(0, Kind::Bytes), since(1, INT64)];

const FETCH: &[Field] = &[
    since(1, INT32),
    since(7, INT16),
    since(7, INT32),
    since(
        0,
        Kind::Array(&[
            within(0, 12, TEXT),
            since(13, UUID),
            since(
                0,
                Kind::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(0, INT64),
                    since(4, INT64),
                    since(5, INT64),
                    since(12, Kind::TaggedStruct(0, &[since(12, INT32), since(12, INT64)])),
                    since(12, Kind::TaggedStruct(1, &[since(12, INT32), since(12, INT32)])),
                    since(12, Kind::TaggedStruct(2, &[since(12, INT64), since(12, INT32)])),
                    since(4, Kind::Array(&[since(4, INT64), since(4, INT64)])),
                    since(11, INT32),
                    since(0, Kind::Bytes),
                ]),
            ),
        ]),
    ),
    since(16, Kind::TaggedArray(0, &[since(16, INT32), since(16, TEXT), since(16, INT32), since(16, TEXT)])),
];

const LIST_OFFSETS: &[Field] = &[
    since(2, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(1, INT64),
                    since(1, INT64),
                    since(4, INT32),
                ]),
            ),
        ]),
    ),
];

const OFFSET_FOR_LEADER_EPOCH: &[Field] = &[
    since(2, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, TEXT),
            since(0, Kind::Array(&[since(0, INT16), since(0, INT32), since(1, INT32), since(0, INT64)])),
        ]),
    ),
];

const DESCRIBE_PRODUCERS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(0, TEXT),
                    since(
                        0,
                        Kind::Array(&[
                            since(0, INT64),
                            since(0, INT32),
                            since(0, INT32),
                            since(0, INT64),
                            since(0, INT32),
                            since(0, INT64),
                        ]),
                    ),
                ]),
            ),
        ]),
    ),
];

const LIST_GROUPS: &[Field] = &[
    since(1, INT32),
    since(0, INT16),
    since(0, Kind::Array(&[since(0, TEXT), since(0, TEXT), since(4, TEXT), since(5, TEXT)])),
];

const DESCRIBE_GROUPS: &[Field] = &[
    since(1, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, INT16),
            since(6, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, TEXT),
                    since(4, TEXT),
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, Kind::Bytes),
                    since(0, Kind::Bytes),
                ]),
            ),
            since(3, INT32),
        ]),
    ),
];

const ASSIGNMENT: &[Field] =
    &[since(0, Kind::Array(&[since(0, UUID), since(0, TEXT), since(0, Kind::Fixeds(4))]))];

const CONSUMER_GROUP_DESCRIBE: &[Field] = &[
    since(0, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(0, INT32),
            since(0, INT32),
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, INT32),
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, Kind::Texts),
                    since(0, TEXT),
                    since(0, Kind::Struct(ASSIGNMENT)),
                    since(0, Kind::Struct(ASSIGNMENT)),
                    since(1, INT8),
                ]),
            ),
            since(0, INT32),
        ]),
    ),
];

const OFFSET_FETCH: &[Field] = &[
    since(3, INT32),
    within(
        0,
        7,
        Kind::Array(&[
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, INT32),
                    since(0, INT64),
                    since(5, INT32),
                    since(0, TEXT),
                    since(0, INT16),
                ]),
            ),
        ]),
    ),
    within(2, 7, INT16),
    since(
        8,
        Kind::Array(&[
            since(8, TEXT),
            since(
                8,
                Kind::Array(&[
                    within(8, 9, TEXT),
                    since(10, UUID),
                    since(
                        8,
                        Kind::Array(&[
                            since(8, INT32),
                            since(8, INT64),
                            since(8, INT32),
                            since(8, TEXT),
                            since(8, INT16),
                        ]),
                    ),
                ]),
            ),
            since(8, INT16),
        ]),
    ),
];

const OFFSET_COMMIT: &[Field] = &[
    since(3, INT32),
    since(
        0,
        Kind::Array(&[
            within(0, 9, TEXT),
            since(10, UUID),
            since(0, Kind::Array(&[since(0, INT32), since(0, INT16)])),
        ]),
    ),
];

const CREATE_TOPICS: &[Field] = &[
    since(2, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, TEXT),
            since(7, UUID),
            since(0, INT16),
            since(1, TEXT),
            since(5, Kind::TaggedFixed(0, 2)),
            since(5, INT32),
            since(5, INT16),
            since(
                5,
                Kind::Array(&[
                    since(5, TEXT),
                    since(5, TEXT),
                    since(5, INT8),
                    since(5, INT8),
                    since(5, INT8),
                ]),
            ),
        ]),
    ),
];

const DELETE_TOPICS: &[Field] = &[
    since(1, INT32),
    since(0, Kind::Array(&[since(0, TEXT), since(6, UUID), since(0, INT16), since(5, TEXT)])),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(0, INT8),
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, INT8),
                    since(1, INT8),
                    since(0, INT8),
                    since(1, Kind::Array(&[since(1, TEXT), since(1, TEXT), since(1, INT8)])),
                    since(3, INT8),
                    since(3, TEXT),
                ]),
            ),
        ]),
    ),
];
