//! `host:port`: the domain's own type, since link configs hold it, too.

pub use state::model::{HostPort, ParseHostPortError};
