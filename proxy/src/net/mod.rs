//! Streams: addresses, dialling, TLS, framed reads and vectored writes.

pub(crate) mod bounded_file;
mod dial;
mod frame;
mod host_port;
mod secret;
mod security_protocol;
pub mod tls;

pub use dial::{SocketOptions, dial};
pub use frame::{ReadFrameError, read_frame, read_frame_within, write_segments};
pub use host_port::{HostPort, ParseHostPortError};
pub use secret::Secret;
pub use security_protocol::{ParseSecurityProtocolError, SecurityProtocol};
