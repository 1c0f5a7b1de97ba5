//! HTTP on 8090: the REST v3 API, health and metrics.
