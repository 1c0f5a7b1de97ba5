//! The soak test: workloads, faults on every side, and an audit of every record and every change of state at
//! the end.
//!
//! | module | content |
//! |---|---|
//! | [`stage`] | one source broker, two destination brokers, a Linkgate, a fault proxy before each, and another cluster |
//! | [`kind`] | the kinds of faults and their places |
//! | [`schedule`] | the sequence of faults of a seed |
//! | [`inject`], `elsewhere` | the injection of faults |
//! | [`recovery`] | the time until the mirror has recovered, and the table of these times |
//! | [`reader`] | clients that read along |
//! | [`own_writer`] | a client that writes through the gateway to a topic that is no mirror |
//! | [`states`] | every state that mirror topics show, and which of them a fault explains |
//! | [`verify`] | the audit of all records and states |
//! | [`run`] | the whole run |

mod elsewhere;
pub mod inject;
pub mod kind;
pub mod own_writer;
pub mod reader;
pub mod recovery;
pub mod run;
pub mod schedule;
pub mod stage;
pub mod states;
pub mod verify;
