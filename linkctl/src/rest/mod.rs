//! Bodies of the REST v3 API, in the shape of Confluent's public API. No I/O.
//!
//! The daemon serializes these types and the tools deserialize them, so the contract exists once. Unknown
//! fields are ignored, so that older tools can talk to a newer daemon. The fields that Linkgate adds to a
//! resource of Confluent's API are below `linkgate`.

mod alter;
mod client;
mod cluster;
mod common;
mod filler;
mod forecast;
mod journal;
mod link;
mod link_config;
mod mirror;

pub use self::alter::{AlterMetadata, AlterMirrorsEntry, AlterMirrorsRequest};
pub use self::client::ClientData;
pub use self::cluster::{ClusterData, Related};
pub use self::common::{ConfigEntry, DataList, ErrorBody, ListMetadata, PREFIXES, ResourceMetadata};
pub use self::filler::{FillerData, FillerPartition};
pub use self::forecast::{MirrorForecastData, PartitionForecast};
pub use self::journal::{
    JournalBackupData, JournalBackupRequest, JournalChange, JournalField, JournalRecordData,
};
pub use self::link::{CategoryCount, CreateLinkRequest, LinkData, LinkExtension, LinkTask, TaskError};
pub use self::link_config::{
    AlterConfig, AlterConfigsRequest, AlterOperation, LinkConfigData, UpdateConfigRequest,
};
pub use self::mirror::{
    CreateMirrorRequest, MirrorData, MirrorExtension, MirrorLag, MirrorPartition, OpenTransaction,
    PartitionFilling, PartitionJump, StateTransitionError,
};
