//! The rules that make a mirror a mirror, each a named function.
//!
//! Debug assertions, tests and audits call these, so that a rule has one wording. Each returns `Err` with a sentence
//! that names what is wrong.

/// A broken invariant, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invariant {name} is broken: {what}")]
pub struct Broken {
    /// Name of the rule.
    pub name: &'static str,
    /// What was seen.
    pub what: String,
}
