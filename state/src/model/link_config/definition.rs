//! One row of the table of link configs.

use super::kind::Kind;

/// One link config.
#[derive(Debug, Clone, Copy)]
pub struct ConfigDef {
    /// Kafka's name of the config.
    pub name: &'static str,
    /// Type and range of its values.
    pub kind: Kind,
    /// Default value. `None` if there is none.
    pub default: Option<&'static str>,
    /// True if it may be altered after the link was created.
    pub dynamic: bool,
    /// True if its value is a secret: sealed on disk, never shown.
    pub sensitive: bool,
    /// Description for operators.
    pub doc: &'static str,
}

/// Defines a dynamic config that is not secret.
pub(super) const fn def(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> ConfigDef {
    ConfigDef { name, kind, default, dynamic: true, sensitive: false, doc }
}

/// Defines a config that keeps the value that the link was created with.
pub(super) const fn fixed(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> ConfigDef {
    ConfigDef { dynamic: false, ..def(name, kind, default, doc) }
}
