//! `/clusters/{cid}/journal`: lists changes with time, author and reason, and makes copies of the journal.

use axum::extract::State;
use axum::response::Response;
use linkctl::rest::{
    DataList, JournalBackupData, JournalBackupRequest, JournalChange, JournalField, JournalRecordData,
};
use state::model::{Record, Summary};
use state::store::BackupName;

use crate::admin::Admin;
use crate::admin::call::{Call, json};
use crate::admin::operator::Operator;
use crate::admin::page::PageSize;
use crate::admin::problem::Problem;

/// `GET …/journal`, the latest record first. `page_token` is the sequence number before which the page
/// begins. A page of large records may have fewer entries than requested.
pub(crate) async fn list<O: Operator>(
    State(admin): State<Admin<O>>,
    call: Call,
) -> Result<Response, Problem> {
    let cluster = admin.cluster(&call)?;
    let size = PageSize::of(&call)?;
    let before = call.query("page_token").map(|_| call.number("page_token", 0)).transpose()?;
    let since = call.number("since_ms", 0)?;
    let mut page = admin.operator.journal(before, size.get()).await?;
    let is_young = |record: &Record| record.at_ms >= i64::try_from(since).unwrap_or(i64::MAX);
    let young = page.iter().take_while(|record| is_young(record)).count();
    let reached = young < page.len();
    page.truncate(young);
    // Offers a next page whenever older records may exist. It may turn out to be empty.
    let next = page.last().filter(|last| !reached && last.sequence > 1).map(|last| last.sequence);
    let filters = [("since_ms", call.query("since_ms"))];
    Ok(json(&DataList {
        kind: "KafkaJournalRecordList".into(),
        metadata: size.metadata(&call, &["clusters", &cluster, "journal"], next, &filters),
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
    let fields = summary.fields.into_iter().map(|field| JournalField {
        field: field.field,
        before: field.before,
        after: field.after,
    });
    JournalChange {
        subject: <&str>::from(summary.subject).into(),
        name: summary.name,
        effect: <&str>::from(summary.effect).into(),
        fields: fields.collect(),
    }
}
