//! File descriptors: as many as the system lets this process have, and how they are shared.
//!
//! Clients must not take those that mirroring, the journal and the admin API need: a process without descriptors can
//! neither dial a broker nor write its journal.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for what is not a client: connections to brokers and sources, the journal, the admin API, listeners, name
/// lookups, and the clients that wait for a place.
const RESERVED: usize = 640;
/// What a client takes: its own connection, and one to a broker.
const PER_CLIENT: usize = 2;
/// With fewer, the daemon does not start.
const LEAST: usize = 128;

/// The process may have too few descriptors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may open {0} files: Linkgate needs {LEAST} at the least; raise the limit (ulimit -n, LimitNOFILE of \
     systemd, --ulimit nofile of a container)"
)]
pub struct TooFewDescriptors(usize);

/// Raises the limit of this process as far as it may be raised without privileges. How many it may have from now on.
#[must_use]
pub fn raised() -> usize {
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum;
    if now.current != most {
        // What is refused is told by the number that comes back.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    }
    let got = getrlimit(Resource::Nofile).current;
    got.map_or(usize::MAX, |got| usize::try_from(got).unwrap_or(usize::MAX))
}

/// How many clients may be connected when `wanted` are allowed and there are so many descriptors.
///
/// # Errors
/// There are too few for anything.
pub fn clients(descriptors: usize, wanted: usize) -> Result<usize, TooFewDescriptors> {
    if descriptors < LEAST {
        return Err(TooFewDescriptors(descriptors));
    }
    let reserved = RESERVED.min(descriptors / 2);
    Ok(wanted.min((descriptors - reserved) / PER_CLIENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_the_others_what_they_need() {
        assert_eq!(clients(usize::MAX, 10_000), Ok(10_000));
        assert_eq!(clients(1024, 10_000), Ok(256));
        assert_eq!(clients(300, 10_000), Ok(75));
        assert_eq!(clients(300, 10), Ok(10));
        assert_eq!(clients(100, 10), Err(TooFewDescriptors(100)));
    }

    #[test]
    fn the_limit_is_raised() {
        let most = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raised() as u64, most.unwrap_or(usize::MAX as u64));
    }
}
