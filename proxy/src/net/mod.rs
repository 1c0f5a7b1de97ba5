//! TCP streams: addresses, dialling, framed reads and vectored writes.

mod dial;
mod frame;
mod host_port;

pub use dial::{SocketOptions, dial};
pub use frame::{ReadFrameError, read_frame, write_segments};
pub use host_port::{HostPort, ParseHostPortError};
