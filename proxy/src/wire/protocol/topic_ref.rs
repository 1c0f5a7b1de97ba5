//! Identifies a topic in a message, by name or by id.

use crate::wire::protocol::primitive::Text;

/// A topic, named by its name or by its id. Produce and Fetch changed from names to ids in version 13.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TopicRef {
    /// The name of the topic.
    Name(Text),
    /// The 16-byte id of the topic.
    Id([u8; 16]),
}
