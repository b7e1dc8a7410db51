//! Pages of lists.

use super::*;

/// Walks pages of two to the end; gives the items and checks what each page says.
macro_rules! walk {
    ($total:expr, |$page:ident| $list:expr) => {{
        let mut items = Vec::new();
        let mut $page = Page { after: None, limit: 2 };
        loop {
            let found = $list.await.unwrap();
            assert!(found.items.len() <= 2);
            assert_eq!(found.total, $total);
            items.extend(found.items.into_iter().map(|item| item.id));
            match found.next {
                Some(next) => $page.after = Some(next),
                None => break items,
            }
        }
    }};
}

#[tokio::test]
async fn lists_are_walked_in_pages_oldest_first() {
    for Engine { store, .. } in engines() {
        assert_eq!(walk!(0, |page| store.organizations(page)), []);
        let mut organizations = Vec::new();
        for _ in 0..5 {
            organizations.push(organization(&*store, None).await);
        }
        assert_eq!(walk!(5, |page| store.organizations(page)), organizations);

        let owner = organizations[0];
        let (mut clients, mut tokens) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            clients.push(client(&*store, owner).await);
            client(&*store, organizations[1]).await;
        }
        let ids: Vec<_> = clients.iter().map(|client| client.id).collect();
        assert_eq!(walk!(4, |page| store.clients(owner, page)), ids);
        assert_eq!(walk!(0, |page| store.clients(OrganizationId::from_bytes([0; 8]), page)), []);

        for _ in 0..3 {
            tokens.push(token(&*store, &clients[0], 0, 1000).await.id);
            token(&*store, &clients[0], 0, 40).await;
            token(&*store, &clients[1], 0, 1000).await;
        }
        assert_eq!(walk!(3, |page| store.tokens(clients[0].id, at(40), page)), tokens);
        assert_eq!(walk!(0, |page| store.tokens(ClientId::from_bytes([0; 8]), at(40), page)), []);
    }
}

#[tokio::test]
async fn what_is_new_or_gone_between_two_pages_shifts_nothing() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(client(&*store, owner).await.id);
        }
        let first = store.clients(owner, Page { after: None, limit: 2 }).await.unwrap();
        store.delete_client(clients[0], audit(40)).await.unwrap();
        store.delete_client(clients[3], audit(40)).await.unwrap();
        let late = client(&*store, owner).await.id;
        let rest = store.clients(owner, Page { after: first.next, limit: 2 }).await.unwrap();
        let ids: Vec<_> = rest.items.iter().map(|client| client.id).collect();
        assert_eq!((ids, rest.next, rest.total), (vec![clients[2], late], None, 3));
    }
}
