use state::model::KafkaUuid;

use crate::mirror::progress::ProgressCell;
use crate::mirror::replication::byte_budget::ByteBudget;
use crate::mirror::replication::fetch::session::*;
use crate::mirror::replication::partition::phase::Attempt;
use crate::mirror::replication::partition::{PartitionIdentity, Wakes};

const BY_ID: i16 = 13;
const BY_NAME: i16 = 12;

fn partition(index: i32) -> Arc<Partition> {
    let id = PartitionIdentity {
        topic: "mirror".into(),
        local_topic_id: KafkaUuid::ZERO,
        source_topic: "users".into(),
        source_topic_id: KafkaUuid(Uuid::from_u128(7)),
        index,
        producer_id: 1 << 62,
        start_offset: 0,
    };
    let budget = Arc::new(ByteBudget::new(1000));
    Arc::new(Partition::new(id, ProgressCell::default(), 100, budget, Wakes::default()))
}

fn plan(offset: i64) -> FetchPlan {
    FetchPlan { offset, last_fetched_epoch: 4, attempt: Attempt::numbered(1) }
}

/// What a request names as (partition, offset), the partitions that it forgets, and its session id and epoch.
type Asked = (Vec<(i32, i64)>, Vec<i32>, (i32, i32));

fn asked(session: &mut FetchSession, wanted: &[(&Arc<Partition>, i64)], version: i16) -> Asked {
    let wanted = wanted.iter().map(|(partition, offset)| (Arc::clone(partition), plan(*offset))).collect();
    let request = session.ask(FetchRequest::default(), wanted, version, 10);
    let named = request.topics.iter().flat_map(|topic| &topic.partitions);
    let mut named: Vec<_> = named.map(|p| (p.partition, p.fetch_offset)).collect();
    named.sort_unstable();
    let mut forgotten: Vec<_> =
        request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone()).collect();
    forgotten.sort_unstable();
    (named, forgotten, (request.session_id, request.session_epoch))
}

fn answer(session: &mut FetchSession, id: i32) -> bool {
    session.answered(&FetchResponse::default().with_session_id(id))
}

fn refuse(session: &mut FetchSession, code: ErrorCode) -> bool {
    session.answered(&FetchResponse::default().with_error_code(code.0))
}

#[test]
fn only_changes_are_named_again() {
    for version in [BY_NAME, BY_ID] {
        let (a, b, c) = (partition(0), partition(1), partition(2));
        let mut session = FetchSession::default();
        let first = asked(&mut session, &[(&a, 5), (&b, 6)], version);
        assert_eq!(first, (vec![(0, 5), (1, 6)], vec![], (0, 0)));
        assert!(answer(&mut session, 99));
        assert_eq!(asked(&mut session, &[(&a, 5), (&b, 6)], version), (vec![], vec![], (99, 1)));
        assert!(answer(&mut session, 99));
        // One partition has moved on, one is new, one is not wanted for now.
        let third = asked(&mut session, &[(&a, 8), (&c, 0)], version);
        assert_eq!(third, (vec![(0, 8), (2, 0)], vec![1], (99, 2)));
        assert!(answer(&mut session, 99));
        assert_eq!(asked(&mut session, &[(&b, 6)], version), (vec![(1, 6)], vec![0, 2], (99, 3)));
    }
}

#[test]
fn a_new_leader_epoch_or_a_replaced_partition_is_named_again() {
    let (a, again) = (partition(0), partition(0));
    let mut session = FetchSession::default();
    let _ = asked(&mut session, &[(&a, 5)], BY_NAME);
    assert!(answer(&mut session, 1));
    a.set_source_leader(1, 3);
    assert_eq!(asked(&mut session, &[(&a, 5)], BY_NAME).0, [(0, 5)]);
    assert!(answer(&mut session, 1));
    assert_eq!(asked(&mut session, &[(&again, 5)], BY_NAME).0, [(0, 5)]);
    let told = session.told(Uuid::nil(), &StrBytes::from_static_str("users"), 0).unwrap();
    assert!(Arc::ptr_eq(&told.partition, &again));
}

#[test]
fn an_answer_belongs_to_the_plan_of_the_last_request_even_if_that_named_nothing() {
    let a = partition(0);
    let mut session = FetchSession::default();
    let _ = asked(&mut session, &[(&a, 5)], BY_ID);
    assert!(answer(&mut session, 1));
    let later = FetchPlan { attempt: Attempt::numbered(2), ..plan(5) };
    let request = session.ask(FetchRequest::default(), vec![(Arc::clone(&a), later)], BY_ID, 10);
    assert!(request.topics.is_empty());
    let told = session.told(Uuid::from_u128(7), &StrBytes::default(), 0).unwrap();
    assert_eq!(told.plan.attempt, Attempt::numbered(2));
    assert!(session.told(Uuid::from_u128(8), &StrBytes::default(), 0).is_none());
}

#[test]
fn without_a_session_every_request_names_everything() {
    let a = partition(0);
    let mut session = FetchSession::default();
    for _ in 0..3 {
        assert_eq!(asked(&mut session, &[(&a, 5)], BY_ID), (vec![(0, 5)], vec![], (0, 0)));
        assert!(answer(&mut session, 0));
    }
}

#[test]
fn a_session_that_the_broker_lost_is_replaced_by_a_new_one() {
    let a = partition(0);
    let mut session = FetchSession::default();
    let _ = asked(&mut session, &[(&a, 5)], BY_ID);
    assert!(answer(&mut session, 9));
    assert!(!refuse(&mut session, ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert_eq!(asked(&mut session, &[(&a, 5)], BY_ID), (vec![(0, 5)], vec![], (0, 0)));
    assert!(answer(&mut session, 10));
    // The broker still has this session: it is given up by its id.
    assert!(!refuse(&mut session, ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    assert_eq!(asked(&mut session, &[(&a, 5)], BY_ID), (vec![(0, 5)], vec![], (10, 0)));
    assert!(answer(&mut session, 11));
    // A lost connection has the same effect.
    session.begin_anew();
    assert_eq!(asked(&mut session, &[(&a, 5)], BY_ID), (vec![(0, 5)], vec![], (11, 0)));
    // Any other error says nothing about the session.
    assert!(refuse(&mut session, ErrorCode::UNKNOWN_SERVER_ERROR));
    assert_eq!(asked(&mut session, &[(&a, 5)], BY_ID), (vec![(0, 5)], vec![], (0, 0)));
}

#[test]
fn session_epochs_begin_at_1_again_after_the_maximum() {
    let mut session = FetchSession { id: 1, epoch: i32::MAX, ..FetchSession::default() };
    assert!(answer(&mut session, 1));
    assert_eq!(session.epoch, 1);
}
