//! Sequence up to which this copy of the journal is known to be the newest: that of its last stamp at the
//! destination.
//!
//! It is in a separate row and in no record, so that storing it does not make the journal look newer than
//! another copy.

use super::backend::{Backend, Write};
use super::{Store, StoreError, codec, keys};

impl Store {
    /// Returns the sequence that [`Store::set_stamped`] stored last, `None` if this copy never stored one.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub async fn stamped(&self) -> Result<Option<u64>, StoreError> {
        self.with_backend(read).await
    }

    /// Stores the sequence up to which this copy is known to be the newest. It is on disk when this returns.
    ///
    /// # Errors
    /// Fails if the disk fails.
    pub async fn set_stamped(&self, sequence: u64) -> Result<(), StoreError> {
        self.with_backend(move |backend| {
            backend.commit(vec![Write::Put(keys::stamped(), sequence.to_be_bytes().to_vec())])
        })
        .await
    }
}

fn read(backend: &dyn Backend) -> Result<Option<u64>, StoreError> {
    let key = keys::stamped();
    let Some((_, value)) = backend.scan(&key, &keys::KeyKind::Stamped.upper(), 1)?.pop() else {
        return Ok(None);
    };
    codec::number(&value, "what was stamped").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_stamped_sequence_survives_a_restart_and_is_not_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.stamped().await.unwrap(), None);
        for sequence in [7, 104] {
            store.set_stamped(sequence).await.unwrap();
        }
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!((store.stamped().await.unwrap(), store.view().sequence), (Some(104), 0));
    }
}
