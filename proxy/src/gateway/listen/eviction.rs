//! Closes quiet connections if all places are taken and new connections wait for one. So a connection that
//! does nothing keeps no other out.
//!
//! Client libraries reconnect when they need to, as after `connections.max.idle.ms`. Brokers give places to
//! new connections in the same way (KIP-402).

use std::sync::Arc;
use std::time::Duration;

use crate::gateway::connection::{Connections, OpenConnection};
use crate::gateway::listen::admission::Admission;

/// Pause between two passes over all connections, however many newcomers there are: a pass takes time for
/// each connection.
const EVICTION_INTERVAL: Duration = Duration::from_millis(50);

/// Closes quiet connections while newcomers wait for a place, one for each newcomer. Never returns.
pub(crate) async fn make_room(admission: Admission, connections: Connections) {
    loop {
        let wanted = admission.waited_for().await;
        // A connection that was told before and is not gone yet is selected again, so no other goes instead.
        for connection in first_to_go(connections.all(), wanted) {
            connection.activity.give_way();
        }
        tokio::time::sleep(EVICTION_INTERVAL).await;
    }
}

/// Selects up to `most` quiet connections: strangers first ([`OpenConnection::is_stranger`]), then those that
/// have been quiet for the longest.
fn first_to_go(all: Vec<Arc<OpenConnection>>, most: usize) -> Vec<Arc<OpenConnection>> {
    let quiet = all.into_iter().filter_map(|connection| {
        let since = connection.activity.quiet_since()?;
        Some(((!connection.is_stranger(), since), connection))
    });
    let mut quiet: Vec<_> = quiet.collect();
    if quiet.len() > most {
        let _ = quiet.select_nth_unstable_by_key(most, |(order, _)| *order);
        quiet.truncate(most);
    }
    quiet.into_iter().map(|(_, connection)| connection).collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::gateway::clock::GatewayClock;
    use crate::gateway::connection::Listed;
    use crate::gateway::endpoint_map::ListenerTarget;
    use crate::gateway::metrics::Traffic;
    use crate::wire::protocol::versions::{API_VERSIONS, PRODUCE, SASL_AUTHENTICATE};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn strangers_go_first_then_the_longest_quiet_and_never_a_connection_that_waits() {
        let (connections, ticks) = (Connections::default(), GatewayClock::start());
        let open = async |is_authenticated: bool, requests: &[i16]| -> Listed {
            let peer = ([10, 0, 0, 1], 9).into();
            let listed = connections.open(
                peer,
                ListenerTarget::Bootstrap,
                ticks,
                Traffic::default(),
                is_authenticated,
            );
            for api_key in requests {
                listed.arrived(10);
                listed.requested(*api_key);
                listed.activity.request_read(0);
            }
            advance(SECOND).await;
            listed
        };
        let begun = open(true, &[]).await;
        begun.arrived(1);
        let due = open(true, &[PRODUCE]).await;
        due.activity.response_due();
        let all = [
            open(true, &[API_VERSIONS, PRODUCE]).await,
            open(true, &[PRODUCE]).await,
            open(true, &[API_VERSIONS]).await,
            open(false, &[API_VERSIONS, SASL_AUTHENTICATE]).await,
            open(true, &[]).await,
        ];
        let young = open(true, &[]).await;
        young.arrived(1);
        young.activity.request_read(0);
        advance(SECOND / 2).await;
        let first = |most| {
            let mut numbers: Vec<_> = first_to_go(connections.all(), most)
                .iter()
                .filter_map(|gone| all.iter().position(|one| Arc::ptr_eq(one, gone)))
                .collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!((first(1), first(3), first(4)), (vec![2], vec![2, 3, 4], vec![0, 2, 3, 4]));
        assert_eq!(first(64), [0, 1, 2, 3, 4]);
        all[0].activity.give_way();
        all[0].arrived(1);
        let told = tokio::time::timeout(SECOND, all[0].activity.called_off()).await;
        assert!(told.is_err(), "a request has begun meanwhile");
    }
}
