//! Exit codes. `kafka-cluster-links` and `kafka-mirrors` know only [`OK`] and [`FAILED`], like Kafka's own tools.

use crate::client::ClientError;

/// Everything asked for was done or accepted.
pub const OK: u8 = 0;
/// Refused, or failed for at least one topic.
pub const FAILED: u8 = 1;
/// The command line is wrong; nothing was sent.
pub const USAGE: u8 = 2;
/// No usable answer from the REST API.
pub const UNREACHABLE: u8 = 3;
/// `--wait` gave up; what was asked for may still happen.
pub const TIMED_OUT: u8 = 4;
/// The operator did not confirm; nothing was sent.
pub const DECLINED: u8 = 5;

/// Why a `linkctl` command ends badly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What the operator gave cannot be used.
    #[error("{0}")]
    Usage(String),
    /// Done or accepted not at all or not for all.
    #[error("{0}")]
    Failed(String),
    /// `--wait` gave up.
    #[error("{0}")]
    TimedOut(String),
    /// Not confirmed.
    #[error("not confirmed, nothing was done")]
    Declined,
    /// The output is closed or broken.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// The exit code that tells it.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Failure::Client(ClientError::Api(_)) | Failure::Failed(_) | Failure::Output(_) => FAILED,
            Failure::Client(ClientError::BadRequest(_)) | Failure::Usage(_) => USAGE,
            Failure::Client(_) => UNREACHABLE,
            Failure::TimedOut(_) => TIMED_OUT,
            Failure::Declined => DECLINED,
        }
    }
}
