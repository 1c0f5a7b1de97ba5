//! Network streams: addresses, connecting, TLS, framed reads and vectored writes.

pub(crate) mod bounded_file;
pub(crate) mod dial;
pub(crate) mod frame;
pub(crate) mod host_port;
pub(crate) mod listen;
pub(crate) mod secret;
pub(crate) mod security_protocol;
pub(crate) mod tls;

pub(crate) use self::dial::{DialError, SocketOptions, dial};
pub(crate) use self::frame::{ReadFrameError, read_frame_within, write_segments};
pub(crate) use self::host_port::HostPort;
pub(crate) use self::listen::listen;
pub(crate) use self::secret::Secret;
pub(crate) use self::security_protocol::SecurityProtocol;
