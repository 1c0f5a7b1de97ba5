//! Topic configs that a mirror topic takes from its source.

/// Configs that always follow the source and cannot be altered on the mirror.
pub const ALWAYS_SYNCED: [&str; 4] =
    ["cleanup.policy", "max.message.bytes", "message.timestamp.type", "message.timestamp.difference.max.ms"];

/// Configs that follow the source if `topic.config.sync.include` lists them, or if it is unset.
pub const OPTIONALLY_SYNCED: [&str; 22] = [
    "compression.type",
    "confluent.segment.speculative.prefetch.enable",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "max.compaction.lag.ms",
    "message.downconversion.enable",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// Configs that Linkgate sets itself while it mirrors, whatever the source says, so that the destination
/// stores batches unchanged.
///
/// `compression.type`: another value makes the broker rebuild batches. `message.timestamp.*`: the records
/// must keep their own timestamps, and old ones must be accepted. `max.message.bytes`: never below the
/// source's.
pub const OWNED: [&str; 6] = [
    "compression.type",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
];

/// Returns true if the config may follow the source. Other configs belong to the mirror itself.
#[must_use]
pub fn is_syncable(name: &str) -> bool {
    ALWAYS_SYNCED.contains(&name) || OPTIONALLY_SYNCED.contains(&name)
}

/// Returns all configs that may follow the source: the default of `topic.config.sync.include`.
#[must_use]
pub fn all_syncable() -> Vec<String> {
    ALWAYS_SYNCED.iter().chain(&OPTIONALLY_SYNCED).map(|name| (*name).to_owned()).collect()
}
