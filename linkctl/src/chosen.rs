//! The mirror topics that an action is about, asked for with no more than it needs.
//!
//! In an emergency as much as possible is done: a link that is not there keeps nobody from failing over the others.

use crate::api::{Api, FEW};
use crate::client::ClientError;
use crate::select::{self, Picked};

/// What was found, and what was not.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The topics meant.
    pub picked: Picked,
    /// Links that gave no answer, with the reason.
    pub failed: Vec<(String, ClientError)>,
}

/// The topics named, of the links named (of all, when none is), or all topics of those that have not stopped.
///
/// # Errors
/// [`ClientError`] when nothing was found out at all.
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
