//! `/clusters/{cid}/journal`: lists changes with time, author and reason, and makes copies of the journal.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{
    DataList, JournalBackupData, JournalBackupRequest, JournalChange, JournalField, JournalRecordData,
    ListMetadata,
};
use state::model::{Effect, Record, Subject, Summary};
use state::store::BackupName;

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::problem::Problem;

/// Default and maximum number of entries in a page.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// `GET …/journal`, the latest record first. `page_token` is the sequence number before which the page
/// begins. A page of large records may have fewer entries than requested.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let size = call.number("page_size", PAGE as u64)?;
    let size =
        usize::try_from(size).ok().filter(|size| (1..=LARGEST_PAGE).contains(size)).ok_or_else(|| {
            Problem::bad_request(format!("page_size={size}: expected a number from 1 to {LARGEST_PAGE}"))
        })?;
    let before = call.query("page_token").map(|_| call.number("page_token", 0)).transpose()?;
    let since = call.number("since_ms", 0)?;
    let mut page = admin.operator.journal(before, size).await?;
    let is_young = |record: &Record| record.at_ms >= i64::try_from(since).unwrap_or(i64::MAX);
    let young = page.iter().take_while(|record| is_young(record)).count();
    let reached = young < page.len();
    page.truncate(young);
    // Offers a next page whenever older records may exist. It may turn out to be empty.
    let next = page.last().filter(|last| !reached && last.sequence > 1).map(|last| {
        let (size, token, since) = (size.to_string(), last.sequence.to_string(), since.to_string());
        let mut query = vec![("page_size", size.as_str()), ("page_token", token.as_str())];
        query.extend(call.query("since_ms").map(|_| ("since_ms", since.as_str())));
        call.url_with(&["clusters", &cluster, "journal"], &query)
    });
    Ok(json(&DataList {
        kind: "KafkaJournalRecordList".into(),
        metadata: ListMetadata { next, ..call.list_metadata(&["clusters", &cluster, "journal"]) },
        data: page.into_iter().map(body).collect::<Vec<_>>(),
    }))
}

/// `POST …/journal:backup`: makes a copy of the journal.
pub(crate) async fn back_up<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let _ = admin.cluster(&call)?;
    let request: JournalBackupRequest = call.json()?;
    let name = request.name.filter(|name| !name.is_empty());
    call.audit.names(name.as_deref());
    let name: Option<BackupName> =
        name.map(|name| name.parse()).transpose().map_err(|error: state::store::ParseBackupNameError| {
            Problem::bad_request(format!("name: {error}"))
        })?;
    let made = admin.operator.back_up_journal(name).await?;
    Ok(json(&JournalBackupData {
        kind: "KafkaJournalBackup".into(),
        path: made.path.display().to_string(),
        sequence: made.sequence,
    }))
}

fn body(record: Record) -> JournalRecordData {
    JournalRecordData {
        kind: "KafkaJournalRecord".into(),
        sequence: record.sequence,
        at_ms: record.at_ms,
        who: record.who,
        why: record.why,
        changes: record.summary.into_iter().map(change).collect(),
        omitted: record.omitted,
    }
}

fn change(summary: Summary) -> JournalChange {
    let subject = match summary.subject {
        Subject::Link => "LINK",
        Subject::Mirror => "MIRROR",
        Subject::Journal => "JOURNAL",
    };
    let effect = match summary.effect {
        Effect::Created => "CREATED",
        Effect::Altered => "ALTERED",
        Effect::Removed => "REMOVED",
    };
    let fields = summary.fields.into_iter().map(|field| JournalField {
        field: field.field,
        before: field.before,
        after: field.after,
    });
    JournalChange {
        subject: subject.into(),
        name: summary.name,
        effect: effect.into(),
        fields: fields.collect(),
    }
}
