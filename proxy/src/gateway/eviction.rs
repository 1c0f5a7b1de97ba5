//! Where all places are taken, a new connection gets that of a quiet one: whoever does nothing keeps nobody out.
//!
//! Client libraries connect anew when they need to, as after `connections.max.idle.ms`; brokers do the same (KIP-402).

use std::sync::Arc;
use std::time::Duration;

use super::admission::Admission;
use super::connection::{Connection, Connections};

/// Pause between two looks at all connections, however many newcomers there are: a look takes time for each connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Closes quiet connections while newcomers wait for a place, as many as there are of these. Never ends.
pub(super) async fn make_room(admission: Admission, connections: Connections) {
    loop {
        let wanted = admission.waited_for().await;
        // One that has been told already and is not gone yet is among them once more: no others go instead.
        for connection in first_to_go(connections.all(), wanted) {
            connection.activity.give_way();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Of the quiet connections, so many: strangers first, then those that have been quiet for longest.
fn first_to_go(all: Vec<Arc<Connection>>, most: usize) -> Vec<Arc<Connection>> {
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

    use super::super::connection::Listed;
    use super::super::metrics::Traffic;
    use super::super::ticks::Ticks;
    use super::super::upstream::Target;
    use super::*;
    use crate::wire::versions::{API_VERSIONS, PRODUCE, SASL_AUTHENTICATE};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn strangers_go_first_and_then_who_was_quiet_for_longest_but_nobody_who_waits_for_something() {
        let (connections, ticks) = (Connections::default(), Ticks::start());
        let open = async |is_authenticated: bool, requests: &[i16]| -> Listed {
            let peer = ([10, 0, 0, 1], 9).into();
            let listed =
                connections.open(peer, Target::Bootstrap, ticks, Traffic::default(), is_authenticated);
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
