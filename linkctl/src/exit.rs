//! Exit codes. `kafka-cluster-links` and `kafka-mirrors` use only [`OK`] and [`FAILED`], like Kafka's own
//! tools.

use crate::client::ClientError;

/// Everything requested was done or accepted.
pub const OK: u8 = 0;
/// The server refused the request, or it failed for at least one topic.
pub const FAILED: u8 = 1;
/// The command line is wrong; nothing was sent.
pub const USAGE: u8 = 2;
/// The REST API gave no usable answer.
pub const UNREACHABLE: u8 = 3;
/// `--wait` timed out. The requested change may still happen.
pub const TIMED_OUT: u8 = 4;
/// The operator did not confirm; nothing was sent.
pub const DECLINED: u8 = 5;

/// Error of a `linkctl` command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operator's input cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The request was refused or failed, for all or some of the topics.
    #[error("{0}")]
    Failed(String),
    /// `--wait` timed out.
    #[error("{0}")]
    TimedOut(String),
    /// The operator did not confirm.
    #[error("not confirmed; nothing was done")]
    Declined,
    /// The output is closed or broken.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// Returns the exit code for this failure.
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
