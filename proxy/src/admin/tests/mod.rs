//! The REST API through a real listener, in front of an in-memory journal and a double of the mirror side.

mod audit;
mod clients;
mod fixture;
mod hostile;
mod journal;
mod link_configs;
mod links;
mod mirrors;
mod openapi;
mod service;
