//! `host:port`. The type comes from the `state` crate, since link configs hold it, too.

pub(crate) use state::model::HostPort;
