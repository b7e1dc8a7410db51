//! Clients.

use super::*;

#[tokio::test]
async fn a_client_is_created_and_read_back_to_the_letter() {
    for Engine { store, other, .. } in engines() {
        let owner = organization(&*store, None).await;
        let (full, secret) = (a_client(owner), a_secret());
        let created = vec![(Action::ClientCreated, Subject::Client(full.id), owner)];
        let create = store.create_client(full.clone(), secret.clone(), false, audit(21));
        changes_to!(store, audit(21), create, CreateClient::Created, created);
        let found = other.client(full.id, at(22)).await.unwrap().unwrap();
        assert_eq!((&found.client, &found.secrets), (&full, &vec![secret]));
        assert_eq!((found.owner.id, &found.owner.lineage), (owner, &vec![owner]));

        let bare = Client {
            id: ClientId::random().unwrap(),
            scopes: "".parse().unwrap(),
            default_scopes: Some("".parse().unwrap()),
            audiences: "".parse().unwrap(),
            refresh_token_duration: None,
            redirect_uris: None,
            enabled: false,
            name: "Bare".parse().unwrap(),
            ..full.clone()
        };
        assert_eq!(store.create_client(bare.clone(), a_secret(), true, audit(21)).await, Ok(CreateClient::Created));
        assert_eq!(store.client(bare.id, at(22)).await.unwrap().unwrap().client, bare);

        let orphan = a_client(OrganizationId::random().unwrap());
        let create = store.create_client(orphan.clone(), a_secret(), false, audit(21));
        changes_nothing!(store, create, CreateClient::Absent);
        assert!(store.client(orphan.id, at(22)).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_may_be_several_clients_unless_it_is_to_be_one_clients_alone() {
    for Engine { store, other, .. } in engines() {
        let (owner, stranger) = (organization(&*store, None).await, organization(&*store, None).await);
        let create = |store: &Arc<dyn Store>, owner, unless_named| {
            let store = Arc::clone(store);
            async move { store.create_client(a_client(owner), a_secret(), unless_named, audit(21)).await.unwrap() }
        };
        assert_eq!(create(&store, stranger, true).await, CreateClient::Created);
        let at_once = (0..20).flat_map(|_| [&store, &other]).map(|store| tokio::spawn(create(store, owner, true)));
        let outcomes: Vec<_> = join_all(at_once).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == CreateClient::Created).count(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == CreateClient::NameTaken).count(), 39);
        assert_eq!(create(&other, owner, false).await, CreateClient::Created);
        let again = store.create_client(a_client(owner), a_secret(), true, audit(21));
        changes_nothing!(store, again, CreateClient::NameTaken);
        assert_eq!(store.clients(owner, ALL).await.unwrap().total, 2);
    }
}

#[tokio::test]
async fn a_client_is_updated_field_by_field() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let mut expected = client(&*store, owner).await;
        let id = expected.id;
        expected.enabled = false;
        let disable = ClientUpdate { enabled: Some(false), ..ClientUpdate::default() };
        let updated = vec![(Action::ClientUpdated, Subject::Client(id), owner)];
        let update = store.update_client(id, disable.clone(), audit(40));
        changes_to!(store, audit(40), update, Some(expected.clone()), updated);

        let all = ClientUpdate {
            name: Some("New".parse().unwrap()),
            scopes: Some("c".parse().unwrap()),
            default_scopes: Some(None),
            audiences: Some("x".parse().unwrap()),
            token_duration: Some(Duration::from_secs(7)),
            enabled: Some(true),
            refresh_token_duration: Some(Duration::from_secs(8)),
            redirect_uris: Some(vec![]),
        };
        let expected = Client {
            name: "New".parse().unwrap(),
            scopes: "c".parse().unwrap(),
            default_scopes: None,
            audiences: "x".parse().unwrap(),
            token_duration: Duration::from_secs(7),
            enabled: true,
            refresh_token_duration: Some(Duration::from_secs(8)),
            redirect_uris: Some(vec![]),
            ..expected
        };
        assert_eq!(store.update_client(id, all, audit(41)).await, Ok(Some(expected.clone())));
        assert_eq!(store.client(id, at(42)).await.unwrap().unwrap().client, expected);
        let stranger = ClientId::random().unwrap();
        changes_nothing!(store, store.update_client(stranger, disable, audit(42)), None);
    }
}

#[tokio::test]
async fn a_deleted_client_is_gone_with_its_secrets_and_tokens() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let doomed = client(&*store, owner).await;
        let issued = token(&*store, &doomed, 0, 1000).await;
        let secret = secrets(&*store, doomed.id, 30).await[0].id;
        let deleted = vec![(Action::ClientDeleted, Subject::Client(doomed.id), owner)];
        changes_to!(store, audit(40), store.delete_client(doomed.id, audit(40)), true, deleted);

        assert!(store.client(doomed.id, at(40)).await.unwrap().is_none());
        assert_eq!(store.clients(owner, ALL).await.unwrap().total, 0);
        assert_eq!(store.tokens(doomed.id, at(40), ALL).await.unwrap().total, 0);
        assert_eq!(store.count_tokens(at(40)).await, Ok(0));
        assert_eq!(store.insert_token(a_token(&doomed, 0, 1000), MANY).await, Ok(InsertToken::Refused));
        changes_nothing!(store, store.delete_client(doomed.id, audit(41)), false);
        changes_nothing!(store, store.revoke_tokens(doomed.id, audit(41)), false);
        changes_nothing!(store, store.revoke_token(issued.id, audit(41)), false);
        let delete = store.delete_secret(doomed.id, secret, None, audit(41));
        changes_nothing!(store, delete, DeleteSecret::Absent);
    }
}
