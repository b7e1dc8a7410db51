//! The secrets of clients.

use super::*;

#[tokio::test]
async fn a_new_secret_lets_the_others_end_but_never_later_than_they_would() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let id = client(&*store, owner).await.id;
        let ends = async |now| -> Vec<Option<i64>> {
            let secrets = secrets(&*store, id, now).await;
            secrets.into_iter().map(|secret| secret.expires_at.map(Timestamp::as_seconds)).collect()
        };
        let second = a_secret();
        let created = vec![(Action::SecretCreated, Subject::Secret(id, second.id), owner)];
        let insert = store.insert_secret(id, second.clone(), at(500), 5, audit(100));
        changes_to!(store, audit(100), insert, InsertSecret::Inserted, created);
        assert_eq!(ends(100).await, [Some(500), None]);

        // An earlier end of the others is in force; a later one is not.
        let insert = store.insert_secret(id, a_secret(), at(900), 5, audit(100)).await;
        assert_eq!(insert, Ok(InsertSecret::Inserted));
        assert_eq!(ends(100).await, [Some(500), Some(900), None]);
        assert_eq!(ends(499).await.len(), 3);
        assert_eq!(ends(500).await, [Some(900), None], "a secret is refused from its end on");

        // Ended at once.
        let insert = store.insert_secret(id, a_secret(), at(200), 5, audit(200)).await;
        assert_eq!(insert, Ok(InsertSecret::Inserted));
        assert_eq!(ends(200).await, [None]);

        let stranger = ClientId::random().unwrap();
        let insert = store.insert_secret(stranger, a_secret(), at(900), 5, audit(200));
        changes_nothing!(store, insert, InsertSecret::Absent);
    }
}

#[tokio::test]
async fn a_client_has_so_many_live_secrets_and_no_more() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let id = client(&*store, owner).await.id;
        let insert = |end, now| store.insert_secret(id, a_secret(), at(end), 3, audit(now));
        assert_eq!(insert(500, 100).await, Ok(InsertSecret::Inserted));
        assert_eq!(insert(600, 100).await, Ok(InsertSecret::Inserted));
        let before = secrets(&*store, id, 100).await;
        assert_eq!(before.len(), 3);
        changes_nothing!(store, insert(400, 100), InsertSecret::TooMany);
        assert_eq!(secrets(&*store, id, 100).await, before, "a refusal ends nothing");
        // One has expired by then.
        assert_eq!(insert(900, 500).await, Ok(InsertSecret::Inserted));
        // All the others end at once, so there is room.
        assert_eq!(insert(500, 500).await, Ok(InsertSecret::Inserted));
        assert_eq!(secrets(&*store, id, 500).await.len(), 1);
    }
}

#[tokio::test]
async fn a_secret_is_deleted_unless_it_was_used_lately() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let id = client(&*store, owner).await.id;
        let other = client(&*store, owner).await.id;
        let secret = secrets(&*store, id, 30).await[0].id;
        store.record_uses(vec![Use::Secret(secret, at(100))]).await.unwrap();
        let delete = |client, since: Option<i64>| store.delete_secret(client, secret, since.map(at), audit(110));
        changes_nothing!(store, delete(id, Some(100)), DeleteSecret::RecentlyUsed);
        changes_nothing!(store, delete(other, None), DeleteSecret::Absent);
        assert_eq!(secrets(&*store, id, 110).await.len(), 1);
        let deleted = vec![(Action::SecretDeleted, Subject::Secret(id, secret), owner)];
        changes_to!(store, audit(110), delete(id, Some(101)), DeleteSecret::Deleted, deleted);
        assert_eq!(secrets(&*store, id, 110).await, []);
        changes_nothing!(store, delete(id, None), DeleteSecret::Absent);

        // Never used, or no matter when.
        let fresh = secrets(&*store, other, 30).await[0].id;
        assert_eq!(store.delete_secret(other, fresh, Some(at(0)), audit(111)).await, Ok(DeleteSecret::Deleted));
    }
}
