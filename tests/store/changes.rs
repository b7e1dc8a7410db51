//! Changes: numbered, whole, and seen by whom they concern.

use super::*;

#[tokio::test]
async fn changes_are_numbered_in_order_and_read_in_parts() {
    for Engine { store, other, .. } in engines() {
        assert_eq!((store.last_change().await, store.changes(0, 10).await), (Ok(0), Ok(vec![])));
        for _ in 0..3 {
            organization(&*store, None).await;
            organization(&*other, None).await;
        }
        let all = store.changes(0, 10).await.unwrap();
        assert_eq!(all.len(), 6);
        assert!(all.is_sorted_by(|a, b| a.seq < b.seq));
        assert_eq!(store.last_change().await, Ok(all[5].seq));
        assert_eq!(other.changes(0, 4).await.unwrap(), all[..4]);
        assert_eq!(other.changes(all[3].seq, 4).await.unwrap(), all[4..]);
        assert_eq!(store.changes(all[5].seq, 4).await.unwrap(), []);
    }
}

#[tokio::test]
async fn changes_without_a_request_are_kept_as_such() {
    for Engine { store, .. } in engines() {
        for actor in [Actor::CommandLine, Actor::System, Actor::Client(ClientId::from_bytes([4; 8]))] {
            let id = OrganizationId::random().unwrap();
            let new = NewOrganization { id, parent: None, name: "A".parse().unwrap(), key: hash("key") };
            let before = store.last_change().await.unwrap();
            let audit = Audit { actor, at: at(3), request_id: None };
            store.create_organization(new, audit.clone()).await.unwrap();
            assert_eq!(
                changes(&*store, before, &audit).await,
                [(Action::OrganizationCreated, Subject::Organization(id), id)]
            );
        }
    }
}

#[tokio::test]
async fn an_organization_sees_the_changes_of_its_own_tree_also_of_what_was_deleted() {
    for Engine { store, .. } in engines() {
        let top = organization(&*store, None).await;
        let stranger = organization(&*store, None).await;
        let middle = organization(&*store, Some(top)).await;
        let leaf = organization(&*store, Some(middle)).await;
        let robot = client(&*store, leaf).await.id;
        client(&*store, stranger).await;
        store.delete_organization(leaf, audit(50)).await.unwrap();
        store.delete_organization(middle, audit(51)).await.unwrap();

        let words = |changes: Vec<Change>| -> Vec<_> {
            changes.into_iter().map(|change| (change.action, change.subject)).collect()
        };
        let seen = words(store.changes_within(top, 0, 100).await.unwrap());
        let expected = [
            (Action::OrganizationCreated, Subject::Organization(top)),
            (Action::OrganizationCreated, Subject::Organization(middle)),
            (Action::OrganizationCreated, Subject::Organization(leaf)),
            (Action::ClientCreated, Subject::Client(robot)),
            (Action::ClientDeleted, Subject::Client(robot)),
            (Action::OrganizationDeleted, Subject::Organization(leaf)),
            (Action::OrganizationDeleted, Subject::Organization(middle)),
        ];
        assert_eq!(seen, expected);
        let third = store.changes_within(top, 0, 3).await.unwrap()[2].seq;
        assert_eq!(words(store.changes_within(top, third, 2).await.unwrap()), expected[3..5]);
        assert_eq!(store.changes_within(stranger, 0, 100).await.unwrap().len(), 2);
        assert_eq!(store.changes_within(OrganizationId::random().unwrap(), 0, 100).await, Ok(vec![]));
    }
}
