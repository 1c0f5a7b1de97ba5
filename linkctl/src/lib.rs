//! The command-line side of Linkgate: REST data types, HTTP client, output, and what the three binaries share.
//!
//! * [`rest`]: the bodies of the REST API, shared with the daemon; [`properties`]: a Java `.properties` reader.
//! * [`address`], [`client`], [`segment`], [`api`]: where the API is, one request to it, its paths, its operations.
//! * [`opts`], [`tool`], [`texts`], [`layout`]: `kafka-cluster-links` and `kafka-mirrors` speak and look like Kafka's
//!   own tools.
//! * [`config_list`], [`filters`], [`link_configs`], [`select`]: what the operator gave, checked before it is sent;
//!   [`chosen`]: the mirror topics meant.
//! * [`forecast`]: what a creation will take, in words and columns.
//! * [`output`], [`table`], [`watch`], [`wait`], [`exit`]: how `linkctl` answers.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod address;
pub mod api;
pub mod chosen;
pub mod client;
pub mod config_list;
pub mod exit;
pub mod filters;
pub mod forecast;
pub mod layout;
pub mod link_configs;
pub mod opts;
pub mod output;
pub mod properties;
pub mod rest;
pub mod segment;
pub mod select;
pub mod table;
pub mod texts;
pub mod tool;
pub mod wait;
pub mod watch;
