//! What a promote does when its logs are fenced: group offsets and configs a last time. One group or config that the
//! destination refuses is reported by name and does not keep the topic closed.

use super::{NotYet, StopJob};

/// What opens the topic whatever stands against it.
const WAY_OUT: &str = "a failover opens the topic without it";

impl StopJob {
    /// Syncs group offsets a last time.
    ///
    /// # Errors
    /// A cluster does not answer, or something that may pass by itself has not, for a bounded time.
    pub(super) async fn last_offsets(&self) -> Result<(), NotYet> {
        let pass = self.offsets.final_sync(&self.mirror.link, self.topic());
        let troubles = self
            .telling(&format!("group offsets are being synced a last time; {WAY_OUT}"), pass)
            .await
            .map_err(|error| NotYet(format!("{error}; {WAY_OUT}")))?;
        let passing: Vec<_> = troubles.iter().filter(|trouble| trouble.passes).collect();
        if let Some(first) = passing.first()
            && self.undone.may_wait()
        {
            return Err(NotYet(format!(
                "waiting for the offsets of {} groups: {}",
                passing.len(),
                first.error.message
            )));
        }
        for trouble in troubles {
            self.go_on_without(trouble.error.message);
        }
        Ok(())
    }

    /// Gives the topic the source's configs.
    ///
    /// # Errors
    /// A cluster does not answer.
    pub(super) async fn last_configs(&self) -> Result<(), NotYet> {
        let pass = self.configs.final_sync(&self.mirror.link, self.topic());
        let refused = self
            .telling(&format!("configs are being synced a last time; {WAY_OUT}"), pass)
            .await
            .map_err(|error| NotYet(format!("{error}; {WAY_OUT}")))?;
        for error in refused {
            self.go_on_without(error.message);
        }
        Ok(())
    }
}
