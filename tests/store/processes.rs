//! What two processes, and many callers, see of one store.

use super::*;

#[tokio::test]
async fn the_check_key_is_the_stores_own() {
    for Engine { store, other, .. } in engines() {
        assert_eq!(store.check_key(), other.check_key());
        assert_ne!(store.check_key(), engines().pop().unwrap().store.check_key());
        store.ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tokens_at_once_are_all_there_when_they_are_answered() {
    for Engine { store, other, .. } in engines() {
        let owner = organization(&*store, None).await;
        let client = client(&*store, owner).await;
        let tokens: Vec<_> = (0..1000).map(|_| a_token(&client, 0, 1000)).collect();
        let issue = |token: Token| {
            let (store, other) = (Arc::clone(&store), Arc::clone(&other));
            tokio::spawn(async move {
                assert_eq!(store.insert_token(token.clone(), MANY).await, Ok(InsertToken::Inserted));
                assert_eq!(store.token(token.id).await, Ok(Some(token.clone())), "a read sees what was answered");
                assert_eq!(other.token(token.id).await, Ok(Some(token)), "in another process too");
            })
        };
        for outcome in join_all(tokens.into_iter().map(issue)).await {
            outcome.unwrap();
        }
        assert_eq!(other.count_tokens(at(30)).await, Ok(1000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_may_write_at_once() {
    for Engine { store, other, .. } in engines() {
        let owner = organization(&*store, None).await;
        let writes = (0..50).flat_map(|_| [&store, &other]).map(|store| client(&**store, owner));
        join_all(writes).await;
        assert_eq!(store.clients(owner, ALL).await.unwrap().total, 100);
        assert_eq!(store.changes(0, 1000).await.unwrap().len(), 101);
    }
}
