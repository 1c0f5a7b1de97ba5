//! Defines the layouts of responses that only Linkgate's own requests get.

use kafka_protocol::messages::ApiKey;

use crate::wire::protocol::response_schema::responses::{
    Field, FieldType, INT8, INT16, INT32, INT64, TEXT, UUID, since, within,
};

/// Returns the layout of an api's response; `None` if there is none here.
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

const SASL_HANDSHAKE: &[Field] = &[since(0, INT16), since(0, FieldType::Texts)];

const SASL_AUTHENTICATE: &[Field] =
    &[since(0, INT16), since(0, TEXT), since(0, FieldType::Bytes), since(1, INT64)];

const FETCH: &[Field] = &[
    since(1, INT32),
    since(7, INT16),
    since(7, INT32),
    since(
        0,
        FieldType::Array(&[
            within(0, 12, TEXT),
            since(13, UUID),
            since(
                0,
                FieldType::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(0, INT64),
                    since(4, INT64),
                    since(5, INT64),
                    since(12, FieldType::TaggedStruct(0, &[since(12, INT32), since(12, INT64)])),
                    since(12, FieldType::TaggedStruct(1, &[since(12, INT32), since(12, INT32)])),
                    since(12, FieldType::TaggedStruct(2, &[since(12, INT64), since(12, INT32)])),
                    since(4, FieldType::Array(&[since(4, INT64), since(4, INT64)])),
                    since(11, INT32),
                    since(0, FieldType::Bytes),
                ]),
            ),
        ]),
    ),
    since(
        16,
        FieldType::TaggedArray(0, &[since(16, INT32), since(16, TEXT), since(16, INT32), since(16, TEXT)]),
    ),
];

const LIST_OFFSETS: &[Field] = &[
    since(2, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
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
        FieldType::Array(&[
            since(0, TEXT),
            since(0, FieldType::Array(&[since(0, INT16), since(0, INT32), since(1, INT32), since(0, INT64)])),
        ]),
    ),
];

const DESCRIBE_PRODUCERS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(0, TEXT),
                    since(
                        0,
                        FieldType::Array(&[
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
    since(0, FieldType::Array(&[since(0, TEXT), since(0, TEXT), since(4, TEXT), since(5, TEXT)])),
];

const DESCRIBE_GROUPS: &[Field] = &[
    since(1, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, INT16),
            since(6, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
                    since(0, TEXT),
                    since(4, TEXT),
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, FieldType::Bytes),
                    since(0, FieldType::Bytes),
                ]),
            ),
            since(3, INT32),
        ]),
    ),
];

const ASSIGNMENT: &[Field] =
    &[since(0, FieldType::Array(&[since(0, UUID), since(0, TEXT), since(0, FieldType::Fixeds(4))]))];

const CONSUMER_GROUP_DESCRIBE: &[Field] = &[
    since(0, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(0, TEXT),
            since(0, TEXT),
            since(0, INT32),
            since(0, INT32),
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, INT32),
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, FieldType::Texts),
                    since(0, TEXT),
                    since(0, FieldType::Struct(ASSIGNMENT)),
                    since(0, FieldType::Struct(ASSIGNMENT)),
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
        FieldType::Array(&[
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
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
        FieldType::Array(&[
            since(8, TEXT),
            since(
                8,
                FieldType::Array(&[
                    within(8, 9, TEXT),
                    since(10, UUID),
                    since(
                        8,
                        FieldType::Array(&[
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
        FieldType::Array(&[
            within(0, 9, TEXT),
            since(10, UUID),
            since(0, FieldType::Array(&[since(0, INT32), since(0, INT16)])),
        ]),
    ),
];

const CREATE_TOPICS: &[Field] = &[
    since(2, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, TEXT),
            since(7, UUID),
            since(0, INT16),
            since(1, TEXT),
            since(5, FieldType::TaggedFixed(0, 2)),
            since(5, INT32),
            since(5, INT16),
            since(
                5,
                FieldType::Array(&[
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
    since(0, FieldType::Array(&[since(0, TEXT), since(6, UUID), since(0, INT16), since(5, TEXT)])),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(0, INT8),
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, INT8),
                    since(1, INT8),
                    since(0, INT8),
                    since(1, FieldType::Array(&[since(1, TEXT), since(1, TEXT), since(1, INT8)])),
                    since(3, INT8),
                    since(3, TEXT),
                ]),
            ),
        ]),
    ),
];
