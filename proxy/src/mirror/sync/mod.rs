//! What recurs beside the records: committed group offsets, topic configs, and the probe of the source.
pub(crate) mod configs;
pub(crate) mod link_probe;
pub(crate) mod offsets;
pub(crate) mod per_link;
pub(crate) mod round_lock;
pub(crate) mod task_status;
