//! Organisations.

use super::*;

#[tokio::test]
async fn an_organization_is_created_read_and_given_a_new_key() {
    for Engine { store, other, .. } in engines() {
        let id = OrganizationId::random().unwrap();
        let new = |parent| NewOrganization { id, parent, name: "Käse & Söhne".parse().unwrap(), key: hash("old") };
        let stranger = OrganizationId::random().unwrap();
        changes_nothing!(store, store.create_organization(new(Some(stranger)), audit(5)), None);
        assert!(store.organization(id).await.unwrap().is_none());

        let made = Organization { id, name: "Käse & Söhne".parse().unwrap(), lineage: vec![id], created_at: at(5) };
        let created = vec![(Action::OrganizationCreated, Subject::Organization(id), id)];
        changes_to!(store, audit(5), store.create_organization(new(None), audit(5)), Some(made.clone()), created);
        let found = other.organization(id).await.unwrap().unwrap();
        assert_eq!((found.organization.id, found.organization.created_at), (id, at(5)));
        assert_eq!(found.organization.name.as_str(), "Käse & Söhne");
        assert_eq!(found.organization.lineage, [id]);
        assert!(found.key == hash("old"));

        let rotated = vec![(Action::OrganizationKeyRotated, Subject::Organization(id), id)];
        changes_to!(store, audit(6), store.replace_organization_key(id, hash("new"), audit(6)), Some(made), rotated);
        assert!(other.organization(id).await.unwrap().unwrap().key == hash("new"));
        changes_nothing!(store, store.replace_organization_key(stranger, hash("new"), audit(6)), None);
    }
}

#[tokio::test]
async fn organizations_form_trees() {
    for Engine { store, .. } in engines() {
        let root = organization(&*store, None).await;
        let left = organization(&*store, Some(root)).await;
        let right = organization(&*store, Some(root)).await;
        let below = organization(&*store, Some(left)).await;
        let bottom = organization(&*store, Some(below)).await;
        let stranger = organization(&*store, None).await;

        let found = store.organization(bottom).await.unwrap().unwrap().organization;
        assert_eq!(found.lineage, [bottom, below, left, root]);
        assert_eq!(found.parent(), Some(below));
        assert_eq!(store.descendants(root).await.unwrap(), [left, right, below, bottom]);
        assert_eq!(store.descendants(below).await.unwrap(), [bottom]);
        assert_eq!(store.descendants(bottom).await.unwrap(), []);
        assert_eq!(store.descendants(OrganizationId::random().unwrap()).await.unwrap(), []);
        let listed = store.organizations(ALL).await.unwrap();
        let ids: Vec<_> = listed.items.iter().map(|organization| organization.id).collect();
        assert_eq!(ids, [root, left, right, below, bottom, stranger]);
        assert_eq!(listed.items[4].lineage, [bottom, below, left, root]);
    }
}

#[tokio::test]
async fn deleting_an_organization_takes_its_clients_and_their_tokens_along() {
    for Engine { store, .. } in engines() {
        let root = organization(&*store, None).await;
        let leaf = organization(&*store, Some(root)).await;
        let first = client(&*store, leaf).await;
        let second = client(&*store, leaf).await;
        let survivor = client(&*store, root).await;
        token(&*store, &first, 0, 1000).await;
        token(&*store, &survivor, 0, 1000).await;

        changes_nothing!(store, store.delete_organization(root, audit(50)), DeleteOrganization::HasChildren);
        let stranger = OrganizationId::random().unwrap();
        changes_nothing!(store, store.delete_organization(stranger, audit(50)), DeleteOrganization::Absent);
        let deleted = vec![
            (Action::ClientDeleted, Subject::Client(first.id), leaf),
            (Action::ClientDeleted, Subject::Client(second.id), leaf),
            (Action::OrganizationDeleted, Subject::Organization(leaf), leaf),
        ];
        let delete = store.delete_organization(leaf, audit(50));
        let gone = DeleteOrganization::Deleted(vec![first.id, second.id]);
        changes_to!(store, audit(50), delete, gone, deleted);

        assert!(store.organization(leaf).await.unwrap().is_none());
        assert!(store.client(first.id, at(50)).await.unwrap().is_none());
        assert!(store.client(survivor.id, at(50)).await.unwrap().is_some());
        assert_eq!(store.count_tokens(at(50)).await, Ok(1));
        assert_eq!(store.descendants(root).await.unwrap(), []);
        assert_eq!(
            store.delete_organization(root, audit(51)).await,
            Ok(DeleteOrganization::Deleted(vec![survivor.id]))
        );
    }
}
