//! File descriptors: raises the process limit and divides the descriptors.
//!
//! Clients must not use up the descriptors that mirroring, the journal and the admin API need. A process
//! without free descriptors can neither connect to a broker nor write its journal.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for clients: connections to brokers and sources, the journal, the admin API,
/// listeners, name lookups, and client connections that wait to be admitted.
const RESERVED: usize = 640;
/// Descriptors for each client: its own connection, and one to a broker.
const PER_CLIENT: usize = 2;
/// Minimum number of descriptors with which the daemon starts.
const LEAST: usize = 128;

/// The process may open too few files. Holds its limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may open {0} files: Linkgate needs at least {LEAST}; raise the limit (ulimit -n, \
     LimitNOFILE of systemd, --ulimit nofile of a container)"
)]
pub struct TooFewDescriptors(usize);

/// Raises the soft limit of open files to the hard limit. Returns the limit that is in force afterwards.
#[must_use]
pub fn raised() -> usize {
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum;
    if now.current != most {
        // A failure needs no handling: the value read back below is the old limit then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    }
    let got = getrlimit(Resource::Nofile).current;
    got.map_or(usize::MAX, |got| usize::try_from(got).unwrap_or(usize::MAX))
}

/// Returns the number of clients that may be connected, at most `wanted`, with a process limit of
/// `descriptors`.
///
/// # Errors
/// Fails if the limit is below the minimum of 128.
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
    fn clients_leave_descriptors_for_the_other_components() {
        assert_eq!(clients(usize::MAX, 10_000), Ok(10_000));
        assert_eq!(clients(1024, 10_000), Ok(256));
        assert_eq!(clients(300, 10_000), Ok(75));
        assert_eq!(clients(300, 10), Ok(10));
        assert_eq!(clients(100, 10), Err(TooFewDescriptors(100)));
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_limit() {
        let most = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raised() as u64, most.unwrap_or(usize::MAX as u64));
    }
}
