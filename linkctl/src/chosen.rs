//! Finds the mirror topics that an action applies to, with few and small requests.
//!
//! A link that cannot be read does not stop the action on the others: in an emergency, a failover does as
//! much as it can.

use crate::api::{Api, FEW};
use crate::client::ClientError;
use crate::select::{self, Picked};

/// Result of [`choose`].
#[derive(Debug, Default)]
pub struct Chosen {
    /// Topics to act on, and names that are no mirror topics.
    pub picked: Picked,
    /// Links that could not be read, with the error.
    pub failed: Vec<(String, ClientError)>,
}

/// Finds the given topics on the given links (on all links, if none is given). Without topics, it finds all
/// that have not stopped.
///
/// # Errors
/// [`ClientError`] if every given link failed, or, without links, if any request failed.
pub fn choose(api: &Api, links: &[String], topics: &[String]) -> Result<Chosen, ClientError> {
    let (mut mirrors, mut failed) = (Vec::new(), Vec::new());
    if links.is_empty() {
        if (1..=FEW).contains(&topics.len()) {
            for topic in topics {
                mirrors.extend(api.mirror(topic)?);
            }
        } else {
            mirrors = api.mirrors_in_brief(None)?;
        }
    }
    for link in links {
        match api.mirrors_in_brief(Some(link)) {
            Ok(found) => mirrors.extend(found),
            Err(error) => failed.push((link.clone(), error)),
        }
    }
    if failed.len() == links.len()
        && let Some((_, error)) = failed.pop()
    {
        return Err(error);
    }
    Ok(Chosen { picked: select::pick(&mirrors, topics), failed })
}
