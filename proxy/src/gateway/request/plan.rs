//! Decides what becomes of a request that was judged. Does no I/O: `RequestSide::execute` carries a plan out.

use crate::wire::messages::filtered_array::Kept;

use crate::gateway::in_flight::ResponsePlan;
use crate::gateway::reply::refusal::RequestRefusals;

/// Judgement of the entries of one request by the guards.
pub(crate) struct Judged {
    /// Entries that are sent on.
    pub(crate) kept: Kept,
    pub(crate) refused: RequestRefusals,
}

/// What becomes of a request that is held.
#[derive(Debug)]
pub(crate) enum RequestPlan {
    /// Sends the kept entries on. `response` is `None` if the broker sends no response.
    Forward { kept: Kept, response: Option<ResponsePlan> },
    /// Sends nothing on. The gateway answers that all entries are refused.
    Refuse(RequestRefusals),
    /// Sends nothing on and answers nothing: the client waits for no response.
    Drop,
}

impl Judged {
    /// Returns the plan for the request. `response` is what the client gets if nothing is refused, or `None`
    /// if it waits for no response.
    pub(crate) fn plan(self, response: Option<ResponsePlan>) -> RequestPlan {
        let Judged { kept, refused } = self;
        if refused.is_empty() {
            return RequestPlan::Forward { kept, response };
        }
        match (response, kept.is_none()) {
            (None, true) => RequestPlan::Drop,
            (None, false) => RequestPlan::Forward { kept, response: None },
            (Some(_), true) => RequestPlan::Refuse(refused),
            (Some(_), false) => RequestPlan::Forward { kept, response: Some(ResponsePlan::Merge(refused)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use state::model::{KafkaUuid, TopicGuard, Written};

    use super::*;
    use crate::wire::protocol::primitive::Reader;
    use crate::wire::protocol::topic_ref::TopicRef;

    /// Judges a request of `entries` entries of which the first `refuse` are refused.
    fn judged(entries: i32, refuse: i32) -> Judged {
        let guard = TopicGuard {
            topic: "mirror".into(),
            topic_id: KafkaUuid::ZERO,
            link: "dr".into(),
            read_only: true,
            locked_configs: Default::default(),
            written: Written::default(),
        };
        let mut bytes = BytesMut::new();
        bytes.put_i32(entries);
        (0..entries).for_each(|entry| bytes.put_i32(entry));
        let mut refused = RequestRefusals::default();
        let kept = Kept::read(&mut Reader::new(bytes.freeze()), false, 4, |reader| {
            let stays = reader.i32()? >= refuse;
            if !stays {
                refused.add(&guard, &TopicRef::Id([7; 16]), vec![0], String::new)?;
            }
            Ok(stays)
        });
        Judged { kept: kept.unwrap(), refused }
    }

    fn told(plan: &RequestPlan) -> &'static str {
        match plan {
            RequestPlan::Forward { response: None, .. } => "forward, no response",
            RequestPlan::Forward { response: Some(ResponsePlan::Pass), .. } => "forward, pass",
            RequestPlan::Forward { response: Some(ResponsePlan::Rewrite), .. } => "forward, rewrite",
            RequestPlan::Forward { response: Some(ResponsePlan::Merge(_)), .. } => "forward, merge",
            RequestPlan::Forward { .. } => "forward, something else",
            RequestPlan::Refuse(_) => "refuse",
            RequestPlan::Drop => "drop",
        }
    }

    #[test]
    fn the_plan_follows_from_what_is_refused_and_from_whether_a_response_is_awaited() {
        let (none, pass, rewrite) = (|| None, || Some(ResponsePlan::Pass), || Some(ResponsePlan::Rewrite));
        let table: [(i32, i32, Option<ResponsePlan>, &str); 11] = [
            (0, 0, none(), "forward, no response"),
            (0, 0, pass(), "forward, pass"),
            (2, 0, none(), "forward, no response"),
            (2, 0, pass(), "forward, pass"),
            (2, 0, rewrite(), "forward, rewrite"),
            (2, 1, none(), "forward, no response"),
            (2, 1, pass(), "forward, merge"),
            (2, 1, rewrite(), "forward, merge"),
            (2, 2, none(), "drop"),
            (2, 2, pass(), "refuse"),
            (2, 2, rewrite(), "refuse"),
        ];
        for (entries, refuse, response, expected) in table {
            let row = format!("{refuse} of {entries} refused, {response:?}");
            let plan = judged(entries, refuse).plan(response);
            assert_eq!(told(&plan), expected, "{row}");
            if let RequestPlan::Forward { kept, .. } = plan {
                assert_eq!((kept.is_all(), kept.is_none()), (refuse == 0, entries == refuse), "{row}");
            }
        }
    }
}
