//! Pages of a long list: `page_size` and `page_token`, and the address of the next page.

use linkctl::rest::ListMetadata;

use crate::admin::call::Call;
use crate::admin::problem::Problem;

/// Default and maximum number of entries in a page.
const DEFAULT: u64 = 100;
const LARGEST: u64 = 1_000;

/// Number of entries in the page that a request asks for.
#[derive(Clone, Copy)]
pub(crate) struct PageSize(usize);

impl PageSize {
    /// Reads `page_size`.
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        let size = call.number("page_size", DEFAULT)?;
        let fitting = usize::try_from(size).ok().filter(|_| (1..=LARGEST).contains(&size));
        fitting.map(PageSize).ok_or_else(|| {
            Problem::bad_request(format!("page_size={size}: expected a number from 1 to {LARGEST}"))
        })
    }

    pub(crate) fn get(self) -> usize {
        self.0
    }

    /// Builds the metadata of a list from its path segments. The next page begins at `token`, if there is
    /// one, and has the same `filters`.
    pub(crate) fn metadata(
        self,
        call: &Call,
        segments: &[&str],
        token: Option<u64>,
        filters: &[(&str, Option<&str>)],
    ) -> ListMetadata {
        let next = token.map(|token| {
            let (size, token) = (self.0.to_string(), token.to_string());
            let mut query = vec![("page_size", size.as_str()), ("page_token", token.as_str())];
            query.extend(filters.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
            call.url_with(segments, &query)
        });
        ListMetadata { next, ..call.list_metadata(segments) }
    }
}
