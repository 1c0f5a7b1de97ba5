//! `--watch`: repeats an answer until it is interrupted or the reader closes the pipe.

use std::time::Duration;

use crate::exit::Failure;
use crate::output;

/// Prints the result of `render` once, or every `interval` if one is given.
///
/// On a terminal, each answer replaces the one before. While watching, a missing answer or a server error is
/// printed to stderr and asked for again: operators watch while things go wrong.
///
/// # Errors
/// Errors of `render`. With an interval, only errors that do not pass by themselves
/// ([`ClientError::may_pass`](crate::client::ClientError::may_pass)).
pub fn show(
    interval: Option<Duration>,
    mut render: impl FnMut() -> Result<String, Failure>,
) -> Result<(), Failure> {
    let Some(interval) = interval else {
        return Ok(output::print(&render()?)?);
    };
    loop {
        match render() {
            Ok(text) => {
                output::clear()?;
                if !output::stream(&format!("{text}\n"))? {
                    return Ok(());
                }
            }
            // A daemon that has just started answers 503 until it reaches its destination.
            Err(Failure::Client(err)) if err.may_pass() => output::note(&err.to_string()),
            Err(err) => return Err(err),
        }
        std::thread::sleep(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ApiError, ClientError};

    #[test]
    fn watching_goes_on_after_an_error_that_may_pass_and_ends_with_any_other() {
        let url = || "http://127.0.0.1:8090".to_owned();
        let mut answers = vec![
            ClientError::BadRequest("a name cannot hold a line break".to_owned()),
            ClientError::Api(ApiError { status: 503, error_code: 503, message: "not ready".to_owned() }),
            ClientError::Unreachable { url: url(), origin: "--rest-url", reason: "refused".to_owned() },
            ClientError::BadAnswer { url: url(), status: 502, reason: "no JSON".to_owned() },
        ];
        let render = || Err(answers.pop().expect("it ended before").into());
        let end = show(Some(Duration::from_millis(1)), render).unwrap_err();
        assert!(matches!(end, Failure::Client(ClientError::BadRequest(_))), "{end}");
        // Another server answers there.
        let mut answers =
            vec![ClientError::BadAnswer { url: url(), status: 200, reason: "no JSON".to_owned() }];
        let render = || Err(answers.pop().expect("it ended before").into());
        let end = show(Some(Duration::from_millis(1)), render).unwrap_err();
        assert!(matches!(end, Failure::Client(ClientError::BadAnswer { .. })), "{end}");
    }
}
