//! Tests of the REST API through a real listener, with an in-memory journal and a test double of the mirror
//! engine.

pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod fixture;
pub(crate) mod hostile;
pub(crate) mod journal;
pub(crate) mod link_configs;
pub(crate) mod links;
pub(crate) mod mirrors;
pub(crate) mod openapi;
pub(crate) mod service;
