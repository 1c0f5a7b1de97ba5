//! The soak: workloads, faults on every side, and an audit of every record and every change of state in the end.
//!
//! | module | what it owns |
//! |---|---|
//! | [`stage`] | one source broker, two destination brokers, a Linkgate, a fault proxy before each, and another cluster |
//! | [`kind`] | the kinds of faults and where they happen |
//! | [`schedule`] | which fault when, from a seed |
//! | [`inject`], `elsewhere` | doing it |
//! | [`recovery`] | how long the mirror needs to be whole again; the table |
//! | [`reader`] | clients that read along |
//! | [`own_writer`] | a client that writes through the gateway to a topic that is no mirror |
//! | [`states`] | every state that mirror topics show, and which of them a fault explains |
//! | [`verify`] | the audit of all that |
//! | [`run`] | all of that together |

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
