//! The kinds of faults, and their places.

use std::fmt;

/// Kind of a fault. The names are stable: docs and reports use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// All connections are closed.
    Cut,
    /// Connections end in the middle of a frame.
    CutMidFrame,
    /// All connections are reset (RST).
    Reset,
    /// Latency and jitter.
    Delay,
    /// Bytes are dropped in both directions while the sockets stay open; then the connections are reset.
    HalfOpen,
    /// One direction stands still for a while and goes on; nothing is lost.
    Stall,
    /// Requests arrive and take effect, but their responses are dropped; then the connections are reset.
    LostResponses,
    /// Few bytes per second.
    Throttle,
    /// Some connections are held while others pass.
    Reorder,
    /// Connections are refused.
    Refuse,
    /// kill -9 of a broker.
    BrokerKill,
    /// SIGSTOP and SIGCONT of a broker.
    BrokerPause,
    /// Orderly stop and start of a broker.
    BrokerRestart,
    /// All leaders move to other replicas.
    LeaderMove,
    /// The disk of a broker is full.
    BrokerDiskFull,
    /// kill -9 of Linkgate.
    LinkgateKill,
    /// SIGSTOP and SIGCONT of Linkgate.
    LinkgatePause,
    /// SIGTERM and start of Linkgate.
    LinkgateRestart,
    /// The disk of Linkgate's journal is full.
    LinkgateDiskFull,
    /// Nothing passes in either direction, and no connection is closed.
    Hang,
    /// Another cluster, with topics of the same names, answers at the address.
    OtherCluster,
    /// A topic gets one more partition.
    Grow,
    /// A producer writes records under headers that only Linkgate should write.
    ForgedMarks,
}

/// Place of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Between clients and the gateway.
    Client,
    /// Between Linkgate (engine and gateway) and the destination brokers, or such a broker.
    Destination,
    /// Between Linkgate and the source broker, or that broker.
    Source,
    /// Linkgate itself.
    Linkgate,
}

impl Kind {
    /// Faults of the network. Each is possible at three places: client, destination and source.
    pub const NETWORK: [Kind; 10] = [
        Kind::Cut,
        Kind::CutMidFrame,
        Kind::Reset,
        Kind::Delay,
        Kind::HalfOpen,
        Kind::Stall,
        Kind::LostResponses,
        Kind::Throttle,
        Kind::Reorder,
        Kind::Refuse,
    ];

    /// Faults of processes, disks, clusters and producers, each with the places where it is possible.
    pub const PROCESS: [(Kind, Place); 18] = [
        (Kind::BrokerKill, Place::Source),
        (Kind::BrokerKill, Place::Destination),
        (Kind::BrokerPause, Place::Source),
        (Kind::BrokerPause, Place::Destination),
        (Kind::BrokerRestart, Place::Source),
        (Kind::BrokerRestart, Place::Destination),
        (Kind::LeaderMove, Place::Destination),
        (Kind::BrokerDiskFull, Place::Destination),
        (Kind::LinkgateKill, Place::Linkgate),
        (Kind::LinkgatePause, Place::Linkgate),
        (Kind::LinkgateRestart, Place::Linkgate),
        (Kind::LinkgateDiskFull, Place::Linkgate),
        (Kind::Hang, Place::Source),
        (Kind::Hang, Place::Destination),
        (Kind::Grow, Place::Source),
        (Kind::OtherCluster, Place::Source),
        (Kind::OtherCluster, Place::Destination),
        (Kind::ForgedMarks, Place::Source),
    ];

    /// Returns the stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cut => "cut",
            Kind::CutMidFrame => "cut-mid-frame",
            Kind::Reset => "reset",
            Kind::Delay => "delay",
            Kind::HalfOpen => "half-open",
            Kind::Stall => "stall",
            Kind::LostResponses => "lost-responses",
            Kind::Throttle => "throttle",
            Kind::Reorder => "reorder",
            Kind::Refuse => "refuse",
            Kind::BrokerKill => "broker-kill",
            Kind::BrokerPause => "broker-pause",
            Kind::BrokerRestart => "broker-restart",
            Kind::LeaderMove => "leader-move",
            Kind::BrokerDiskFull => "broker-disk-full",
            Kind::LinkgateKill => "linkgate-kill",
            Kind::LinkgatePause => "linkgate-pause",
            Kind::LinkgateRestart => "linkgate-restart",
            Kind::LinkgateDiskFull => "linkgate-disk-full",
            Kind::Hang => "hang",
            Kind::OtherCluster => "other-cluster",
            Kind::Grow => "grow",
            Kind::ForgedMarks => "forged-marks",
        }
    }
}

impl Place {
    /// Returns the stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Place::Client => "client/gateway",
            Place::Destination => "destination",
            Place::Source => "source",
            Place::Linkgate => "linkgate",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
