//! Up to which record this copy of the journal is known to be the newest: what it has stamped at the destination.
//!
//! It stands in a row of its own and in no record, so that keeping it does not make the journal look newer than
//! another copy.

use super::backend::{Backend, Write};
use super::{Store, StoreError, codec, keys};

impl Store {
    /// The sequence that [`Store::set_stamped`] kept last; `None` for a copy that has not stamped anything.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stamped(&self) -> Result<Option<u64>, StoreError> {
        self.with_backend(read).await
    }

    /// Keeps up to which record this copy is known to be the newest. On disk when this returns.
    ///
    /// # Errors
    /// The disk fails.
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
    async fn what_was_stamped_outlives_the_process_and_is_no_record() {
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
