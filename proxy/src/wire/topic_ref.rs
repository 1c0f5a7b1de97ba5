//! How a message names a topic.

use super::primitive::Text;

/// A topic by its name or by its id: Produce and Fetch changed from one to the other in version 13.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TopicRef {
    /// By name.
    Name(Text),
    /// By its 16-byte id.
    Id([u8; 16]),
}
