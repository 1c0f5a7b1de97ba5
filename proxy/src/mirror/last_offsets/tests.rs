use super::testing::{Says, syncer};
use super::*;
use crate::wire::error_code::ErrorCode;

#[tokio::test]
async fn a_source_topic_that_is_gone_holds_up_no_other_and_is_named() {
    let (there, here) = (Says::of([("u", Ok(5))]), Says::of([("t", Ok(3)), ("u", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let sync = syncer(&source, &destination, Stop::Promote).await;
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
async fn offsets_that_are_refused_in_one_topic_are_synced_in_the_others() {
    let refused = Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let (there, here) = (Says::of([("t", refused), ("u", Ok(5))]), Says::of([("t", Ok(3)), ("u", Ok(3))]));
    let (source, destination) = (there.start().await, here.start().await);
    let sync = syncer(&source, &destination, Stop::Promote).await;
    let (refused, synced) = tokio::join!(sync.final_sync("dr", "t"), sync.final_sync("dr", "u"));
    assert_eq!(synced, Ok(Vec::new()));
    assert_eq!(*here.commits.lock().unwrap(), [("u".to_owned(), 5)]);
    let refused = refused.unwrap();
    assert!(refused.iter().any(|trouble| trouble.error.message.contains("'g' in topic 't'")), "{refused:?}");
}
