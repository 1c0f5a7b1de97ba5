//! Last syncs of a promote, after its logs are fenced: group offsets, then configs. A group or config that
//! the destination refuses is reported by name and does not keep the topic closed.

use crate::mirror::stop::{NotYet, StopJob};

/// Tells the operator how to open the topic if a last sync hangs.
const WAY_OUT: &str = "a failover opens the topic without it";

impl StopJob {
    /// Syncs group offsets a last time.
    ///
    /// # Errors
    /// Fails while a cluster does not answer. Also fails, for a bounded time, while groups have trouble that
    /// may pass by itself.
    pub(crate) async fn last_offsets(&self) -> Result<(), NotYet> {
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
                "waiting for {} troubles with group offsets; the first: {}",
                passing.len(),
                first.error.message
            )));
        }
        for trouble in troubles {
            self.go_on_without(trouble.error.message);
        }
        Ok(())
    }

    /// Sets the source's configs on the topic.
    ///
    /// # Errors
    /// Fails if a cluster does not answer.
    pub(crate) async fn last_configs(&self) -> Result<(), NotYet> {
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
