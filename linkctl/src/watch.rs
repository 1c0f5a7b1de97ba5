//! `--watch`: the same answer again and again, until interrupted or until nobody reads.

use std::time::Duration;

use crate::exit::Failure;
use crate::output;

/// Shows what `render` gives, once, or every `interval` when there is one.
///
/// On a terminal each answer replaces the one before. While watching, a server that does not answer is told on stderr
/// and asked again: watching is what one does while things go wrong.
///
/// # Errors
/// Those of `render`: all of them without an interval, and with one all but a missing answer and a failure of the
/// server.
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
            // A daemon that has just started has to reach its destination first (503).
            Err(Failure::Client(err)) if err.status().is_none_or(|status| status >= 500) => {
                output::note(&err.to_string())
            }
            Err(err) => return Err(err),
        }
        std::thread::sleep(interval);
    }
}
