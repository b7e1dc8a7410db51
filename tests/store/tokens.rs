//! Tokens, their uses and the sweep.

use super::*;

#[tokio::test]
async fn a_token_is_kept_read_and_revoked() {
    for Engine { store, other, .. } in engines() {
        let owner = organization(&*store, None).await;
        let client = client(&*store, owner).await;
        let before = store.last_change().await.unwrap();
        let issued = token(&*store, &client, 0, 1000).await;
        assert_eq!(store.last_change().await, Ok(before), "issuing is no change");
        assert_eq!(other.token(issued.id).await, Ok(Some(issued.clone())));
        assert_eq!(store.tokens(client.id, at(999), ALL).await.unwrap().items, std::slice::from_ref(&issued));
        assert_eq!(store.tokens(client.id, at(1000), ALL).await.unwrap().items, [], "dead from its end on");
        assert_eq!((store.count_tokens(at(999)).await, store.count_tokens(at(1000)).await), (Ok(1), Ok(0)));

        let revoked = vec![(Action::TokenRevoked, Subject::Token(issued.id), owner)];
        changes_to!(other, audit(40), other.revoke_token(issued.id, audit(40)), true, revoked);
        assert_eq!(store.token(issued.id).await, Ok(None));
        changes_nothing!(store, store.revoke_token(issued.id, audit(41)), false);
    }
}

#[tokio::test]
async fn a_token_is_issued_only_to_an_enabled_client_of_its_epoch() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let client = client(&*store, owner).await;
        assert_eq!(store.insert_token(a_token(&client, 1, 1000), MANY).await, Ok(InsertToken::Refused));
        assert_eq!(store.insert_token(a_token(&a_client(owner), 0, 1000), MANY).await, Ok(InsertToken::Refused));
        let enable = |enabled| ClientUpdate { enabled: Some(enabled), ..ClientUpdate::default() };
        store.update_client(client.id, enable(false), audit(40)).await.unwrap();
        let refused = a_token(&client, 0, 1000);
        assert_eq!(store.insert_token(refused.clone(), MANY).await, Ok(InsertToken::Refused));
        assert_eq!(store.token(refused.id).await, Ok(None));
        store.update_client(client.id, enable(true), audit(41)).await.unwrap();
        token(&*store, &client, 0, 1000).await;
    }
}

#[tokio::test]
async fn all_tokens_of_a_client_are_revoked_by_its_epoch() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let (client, bystander) = (client(&*store, owner).await, client(&*store, owner).await);
        token(&*store, &client, 0, 1000).await;
        token(&*store, &bystander, 0, 1000).await;
        let revoked = vec![(Action::TokensRevoked, Subject::Client(client.id), owner)];
        changes_to!(store, audit(40), store.revoke_tokens(client.id, audit(40)), true, revoked);
        assert_eq!(store.client(client.id, at(40)).await.unwrap().unwrap().client.token_epoch, 1);
        assert_eq!(store.tokens(client.id, at(40), ALL).await.unwrap().items, []);
        assert_eq!(store.insert_token(a_token(&client, 0, 1000), MANY).await, Ok(InsertToken::Refused));
        let fresh = token(&*store, &client, 1, 1000).await;
        assert_eq!(store.tokens(client.id, at(40), ALL).await.unwrap().items, [fresh]);
        assert_eq!(store.count_tokens(at(40)).await, Ok(2));
        changes_nothing!(store, store.revoke_tokens(ClientId::random().unwrap(), audit(41)), false);
    }
}

#[tokio::test]
async fn uses_are_written_down_and_never_go_back() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let client = client(&*store, owner).await;
        let (issued, bystander) = (token(&*store, &client, 0, 1000).await, token(&*store, &client, 0, 1000).await);
        let secret = secrets(&*store, client.id, 30).await[0].id;
        let before = store.last_change().await.unwrap();
        for (now, expected) in [(100, 100), (160, 160), (130, 160)] {
            let uses = vec![
                Use::Client(client.id, at(now)),
                Use::Secret(secret, at(now)),
                Use::Token(issued.id, at(now)),
                Use::Token(TokenId::from_bytes([0; 20]), at(now)),
            ];
            store.record_uses(uses).await.unwrap();
            let found = store.client(client.id, at(now)).await.unwrap().unwrap();
            assert_eq!(found.client.last_used, Some(at(expected)));
            assert_eq!(found.secrets[0].last_used, Some(at(expected)));
            assert_eq!(store.token(issued.id).await.unwrap().unwrap().last_used, Some(at(expected)));
        }
        assert_eq!(store.token(bystander.id).await.unwrap().unwrap().last_used, None);
        assert_eq!(store.last_change().await, Ok(before), "a use is no change");
        store.record_uses(vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn the_sweep_removes_the_useless_in_steps_and_nothing_else() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let (kept, raised, deleted) =
            (client(&*store, owner).await, client(&*store, owner).await, client(&*store, owner).await);
        let mut useless = Vec::new();
        for _ in 0..5 {
            useless.push(token(&*store, &kept, 0, 100).await.id);
            useless.push(token(&*store, &raised, 0, 1000).await.id);
            useless.push(token(&*store, &deleted, 0, 1000).await.id);
        }
        let mut living = vec![token(&*store, &kept, 0, 101).await.id];
        store.insert_secret(kept.id, a_secret(), at(100), 5, audit(50)).await.unwrap();
        store.revoke_tokens(raised.id, audit(50)).await.unwrap();
        living.push(token(&*store, &raised, 1, 1000).await.id);
        store.delete_client(deleted.id, audit(50)).await.unwrap();

        let before = store.last_change().await.unwrap();
        let (mut removed, mut steps) = (0, 0);
        loop {
            let step = store.sweep(at(100), 4).await.unwrap();
            assert!(step <= 4);
            (removed, steps) = (removed + step, steps + 1);
            if step < 4 {
                break;
            }
        }
        assert_eq!((removed, steps), (16, 5), "15 tokens and a secret, then a step that finds none");
        for id in useless {
            assert_eq!(store.token(id).await, Ok(None));
        }
        for id in living {
            assert!(store.token(id).await.unwrap().is_some());
        }
        assert_eq!(secrets(&*store, kept.id, 0).await.len(), 1);
        assert_eq!(store.sweep(at(100), 4).await, Ok(0));
        assert_eq!(store.last_change().await, Ok(before), "a sweep is no change");
    }
}

#[tokio::test]
async fn a_client_has_no_more_living_tokens_than_it_may() {
    for Engine { store, other, .. } in engines() {
        let owner = organization(&*store, None).await;
        let (client, bystander) = (client(&*store, owner).await, client(&*store, owner).await);
        let issue = async |store: &dyn Store, token: Token, most| store.insert_token(token, most).await.unwrap();
        let full = |expires_at| InsertToken::TooMany { room_at: at(expires_at) };
        let living = [token(&*store, &client, 0, 200).await, token(&*store, &client, 0, 100).await];
        token(&*store, &client, 0, 300).await;

        let refused = a_token(&client, 0, 1000);
        for store in [&store, &other] {
            assert_eq!(issue(&**store, refused.clone(), 3).await, full(100));
        }
        assert_eq!(store.token(refused.id).await, Ok(None));
        assert_eq!(issue(&*store, a_token(&bystander, 0, 1000), 3).await, InsertToken::Inserted);
        assert_eq!(issue(&*store, a_token(&client, 1, 1000), 3).await, InsertToken::Refused, "of another epoch");
        assert_eq!(issue(&*store, refused.clone(), 4).await, InsertToken::Inserted, "the limit was raised");
        for (lowered, room_at) in [(4, 100), (3, 200), (2, 300), (1, 1000)] {
            assert_eq!(issue(&*store, a_token(&client, 0, 1000), lowered).await, full(room_at), "lowered to {lowered}");
        }
        let some_expired = Token { issued_at: at(150), ..a_token(&client, 0, 1000) };
        assert_eq!(issue(&*other, some_expired, 2).await, full(300), "what expired meanwhile has ended");
        token(&*store, &client, 0, 100).await;

        assert!(store.revoke_token(living[0].id, audit(40)).await.unwrap());
        assert_eq!(issue(&*store, a_token(&client, 0, 1000), 4).await, InsertToken::Inserted, "one was revoked");
        let later = |now| Token { issued_at: at(now), ..a_token(&client, 0, 1000) };
        assert_eq!(issue(&*store, later(99), 4).await, full(100));
        assert_eq!(issue(&*store, later(100), 4).await, InsertToken::Inserted, "one expired, swept or not");
        assert_eq!(issue(&*store, later(100), 4).await, full(300));
        assert_eq!(store.tokens(client.id, at(100), ALL).await.unwrap().total, 4);

        store.revoke_tokens(client.id, audit(110)).await.unwrap();
        let fresh = || Token { epoch: 1, ..later(110) };
        assert_eq!(issue(&*store, fresh(), 1).await, InsertToken::Inserted, "all were revoked");
        assert_eq!(issue(&*store, fresh(), 1).await, full(1000));
        while store.sweep(at(500), 100).await.unwrap() > 0 {}
        assert_eq!(issue(&*store, fresh(), 1).await, full(1000), "the sweep takes none that lives");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_no_more_living_tokens_than_it_may_when_many_are_asked_for_at_once() {
    for Engine { store, other, .. } in engines() {
        let owner = organization(&*store, None).await;
        let client = client(&*store, owner).await;
        let issued = (0..200).flat_map(|_| [&store, &other]).map(|store| {
            let (store, token) = (Arc::clone(store), a_token(&client, 0, 1000));
            tokio::spawn(async move { store.insert_token(token, 50).await.unwrap() == InsertToken::Inserted })
        });
        let issued = join_all(issued).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap()).count();
        assert_eq!(issued, 50);
        assert_eq!(store.count_tokens(at(30)).await, Ok(50));
    }
}
