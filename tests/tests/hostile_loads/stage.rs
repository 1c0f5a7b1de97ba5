//! Two clusters and a daemon, with topics for the loads and topics that no load touches.

use linkgate_tests::produce::{Kind, send};
use linkgate_tests::stage::linkgate::Linkgate;
use linkgate_tests::stage::pair::{LINK, Pair};
use linkgate_tests::stage::vitals::Watched;

use crate::loads::Load;

/// A read-only mirror that the loads name.
pub(crate) const VICTIM: &str = "victim";
/// A promoted mirror.
pub(crate) const OPENED: &str = "opened";
/// A mirror whose source topic the load writes to.
pub(crate) const BOMBED: &str = "bombed";

const WATCHED: &str = "watched";
const OWN: [&str; 2] = ["own-one", "own-two"];

pub(crate) struct Stage {
    pub(crate) pair: Pair,
}

impl Stage {
    pub(crate) fn set() -> Stage {
        let pair = Pair::small("hostile-loads");
        pair.link("");
        let source = pair.source.bootstrap();
        for topic in [VICTIM, OPENED, BOMBED, WATCHED] {
            pair.mirror_topic(topic, 1, &[]);
            send(&source, topic, Kind::plain("none"), 10);
            pair.assert_mirrored(topic);
        }
        for topic in OWN {
            pair.destination.admin().create_topic(topic, 1, &[]);
        }
        let _ = pair.linkgate.mirrors(&["--promote", "--topics", OPENED]).success("promote");
        pair.linkgate.wait_status(LINK, OPENED, "STOPPED");
        Stage { pair }
    }

    /// Restarts the daemon for a load, with the file and connection limits of the load. A new process makes
    /// each load account for its own memory.
    pub(crate) fn prepare(&mut self, load: &Load) {
        let linkgate = &mut self.pair.linkgate;
        assert_eq!(linkgate.stop(), Some(0), "{}", linkgate.log());
        if let Some((files, connections)) = load.files {
            linkgate.configure("max.connections", &connections.to_string());
            linkgate.limit_files(files);
        }
        linkgate.launch();
        linkgate.wait_ready();
        self.pair.assert_mirrored(WATCHED);
    }

    pub(crate) fn linkgate(&self) -> &Linkgate {
        &self.pair.linkgate
    }

    pub(crate) fn watched(&self) -> Watched {
        let (source, destination) = (self.pair.source.bootstrap(), self.pair.destination.bootstrap());
        Watched::of(self.linkgate(), &source, &destination, OWN, WATCHED)
    }

    /// Asserts that the read-only mirrors are ACTIVE after the load, and that the watched one is complete.
    pub(crate) fn is_well(&self, load: &Load) {
        for topic in [VICTIM, WATCHED] {
            assert_eq!(self.linkgate().status(LINK, topic), "ACTIVE", "{topic} after {}", load.name);
        }
        self.pair.assert_mirrored(WATCHED);
    }
}
