//! Command-line side of Linkgate: REST data types, HTTP client, output, and what the three binaries share.
//!
//! * [`rest`]: bodies of the REST API, shared with the daemon. [`properties`]: reader for Java `.properties`
//!   text.
//! * [`address`], [`client`], [`segment`], [`api`]: the API's address, one HTTP request, its paths, its
//!   operations.
//! * [`opts`], [`tool`], [`tools`], [`texts`], [`layout`]: make `kafka-cluster-links` and `kafka-mirrors`
//!   behave like Kafka's own tools.
//! * [`commands`]: the commands of `linkctl`.
//! * [`config_list`], [`filters`], [`link_configs`], [`select`]: check the operator's input before it is
//!   sent. [`chosen`]: finds the mirror topics of an action.
//! * [`forecast`]: shows the forecast of a creation.
//! * [`output`], [`table`], [`watch`], [`wait`], [`exit`]: output and exit codes of `linkctl`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod address;
pub mod api;
pub mod chosen;
pub mod client;
pub mod commands;
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
pub mod tools;
pub mod wait;
pub mod watch;
