use crate::mirror::sync::offsets::last::test_support::{Says, syncer};
use crate::mirror::sync::offsets::last::*;
use crate::wire::protocol::error_code::ErrorCode;

#[tokio::test]
async fn a_deleted_source_topic_is_reported_and_does_not_hold_up_the_others() {
    let (there, here) = (Says::of([("u", Ok(5))]), Says::of([("t", Ok(3)), ("u", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let sync = syncer(&source, &destination, StopKind::Promote).await;
    let (gone, synced) = tokio::join!(sync.final_sync("dr", "t"), sync.final_sync("dr", "u"));
    assert_eq!(synced, Ok(Vec::new()));
    assert_eq!(*here.commits.lock().unwrap(), [("u".to_owned(), 5)]);
    let gone = gone.unwrap();
    assert!(
        gone.iter().any(|trouble| trouble.error.message.contains("the source has no topic 't'")),
        "{gone:?}"
    );
}

#[tokio::test]
async fn offsets_refused_in_one_topic_are_synced_in_the_others() {
    let refused = Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let (there, here) = (Says::of([("t", refused), ("u", Ok(5))]), Says::of([("t", Ok(3)), ("u", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let sync = syncer(&source, &destination, StopKind::Promote).await;
    let (refused, synced) = tokio::join!(sync.final_sync("dr", "t"), sync.final_sync("dr", "u"));
    assert_eq!(synced, Ok(Vec::new()));
    assert_eq!(*here.commits.lock().unwrap(), [("u".to_owned(), 5)]);
    let refused = refused.unwrap();
    assert!(refused.iter().any(|trouble| trouble.error.message.contains("'g' in topic 't'")), "{refused:?}");
}

#[tokio::test]
async fn a_partition_whose_replicas_cannot_be_asked_is_reported_and_waited_for() {
    let (there, here) = (Says::of([("t", Ok(5))]), Says::leaderless([("t", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let sync = syncer(&source, &destination, StopKind::Promote).await;
    let troubles = sync.final_sync("dr", "t").await.unwrap();
    let [trouble] = troubles.as_slice() else { panic!("{troubles:?}") };
    assert!(trouble.passes);
    assert!(trouble.error.message.contains("partition 1 of topic 't' are not synced"), "{trouble:?}");
    assert_eq!(*here.commits.lock().unwrap(), [("t".to_owned(), 5)], "the other partition is synced");
}

#[tokio::test]
async fn a_log_that_is_not_replicated_is_waited_for() {
    let (there, here) = (Says::of([("t", Ok(11))]), Says::of([("t", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let sync = syncer(&source, &destination, StopKind::Promote).await;
    // The destination says that every log is replicated up to 10.
    for cell in sync.progress.topic("t", 2) {
        cell.update(|progress| progress.log_end_offset = 12);
    }
    let troubles = sync.final_sync("dr", "t").await.unwrap();
    let [trouble] = troubles.as_slice() else { panic!("{troubles:?}") };
    assert!(trouble.passes);
    assert!(trouble.error.message.contains("partition 0 (and 1 more) of topic 't' are synced only up to 10"));
    assert_eq!(*here.commits.lock().unwrap(), [("t".to_owned(), 10)]);
}
