//! Single requests and responses, read and rewritten with bounds. Only what Linkgate needs of each is read.

pub(crate) mod admin_requests;
pub(crate) mod fetch_response;
pub(crate) mod filtered_array;
pub(crate) mod produce_encode;
pub(crate) mod produce_request;
pub(crate) mod produce_scan;
pub(crate) mod sasl;
pub(crate) mod share_fetch_request;
pub(crate) mod share_response;
