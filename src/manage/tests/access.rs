//! Who may call, and what about: credentials, the tree, methods.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Face, by, draft};
use crate::{
    registry::NewOrganizationKey,
    web::testing::{Answer, request, send},
};

#[tokio::test]
async fn an_organisation_shows_itself_by_one_pair_of_headers() {
    let face = Face::new().await;
    let (id, key) = (face.root.organization.id.to_string(), face.root.key.expose().to_owned());
    let other = face.world.organization(None).await;
    let other_key = other.key.expose();
    for (name, headers, status) in [
        ("ours", &[("X-Org-Id", id.as_str()), ("X-API-Key", &key)][..], 200),
        ("theirs", &[("SlashID-OrgID", &id), ("SlashID-API-Key", &key)], 200),
        (
            "both alike",
            &[("SlashID-OrgID", &id), ("SlashID-API-Key", &key), ("X-Org-Id", &id), ("X-API-Key", &key)],
            200,
        ),
        ("two ids", &[("SlashID-OrgID", &id), ("X-Org-Id", "other"), ("X-API-Key", &key)], 400),
        ("two keys", &[("X-Org-Id", &id), ("X-API-Key", &key), ("SlashID-API-Key", "other")], 400),
        ("one key twice", &[("X-Org-Id", &id), ("X-API-Key", &key), ("X-API-Key", &key)], 200),
        ("one name twice", &[("X-Org-Id", &id), ("X-API-Key", &key), ("X-API-Key", "other")], 400),
        ("none", &[], 401),
        ("no key", &[("X-Org-Id", &id)], 401),
        ("no id", &[("X-API-Key", &key)], 401),
        ("a guessed key", &[("X-Org-Id", &id), ("X-API-Key", "guess")], 401),
        ("another's key", &[("X-Org-Id", &id), ("X-API-Key", other_key)], 401),
        ("an unknown id", &[("X-Org-Id", "org_aaaaaaaaaaaaa"), ("X-API-Key", &key)], 401),
        ("a malformed id", &[("X-Org-Id", "../x"), ("X-API-Key", &key)], 401),
    ] {
        let call =
            headers.iter().fold(request("GET /oauth2/clients"), |call, (name, value)| call.header(*name, *value));
        let answer = send(&face.routes, call, "").await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.outcome().1, "unauthorized", "{name}");
            assert_eq!(answer.header("www-authenticate"), r#"ApiKey realm="portcullis""#, "{name}");
        }
    }
}

/// Who calls, seen from the organisation that owns the client a route is about; the columns of [`TABLE`].
const CALLERS: [&str; 8] = [
    "its own organisation",
    "parent",
    "grandparent",
    "sibling",
    "child",
    "stranger",
    "own id, another's key",
    "nobody",
];

/// What a client's routes answer to [`CALLERS`]: insiders do it, outsiders find nothing, the unknown are not heard.
const fn by_insiders(status: u16) -> [u16; 8] {
    [status, status, status, 404, 404, 404, 401, 401]
}

/// What the routes about the caller itself answer.
const fn by_anybody(status: u16) -> [u16; 8] {
    [status, status, status, status, status, status, 401, 401]
}

/// Every route with a body that it takes, and the status for each of [`CALLERS`].
const TABLE: [(&str, &str, &str, [u16; 8]); 18] = [
    ("POST", "/oauth2/clients", DRAFT, by_anybody(201)),
    ("GET", "/oauth2/clients", "", by_anybody(200)),
    ("GET", "/oauth2/clients/{id}", "", by_insiders(200)),
    ("PATCH", "/oauth2/clients/{id}", r#"{"client_name":"new"}"#, by_insiders(200)),
    ("DELETE", "/oauth2/clients/{id}", "", by_insiders(204)),
    ("PUT", "/oauth2/clients/{id}/secret", "", by_insiders(200)),
    ("GET", "/oauth2/clients/{id}/secrets", "", by_insiders(200)),
    ("POST", "/oauth2/clients/{id}/secrets", "", by_insiders(201)),
    ("DELETE", "/oauth2/clients/{id}/secrets/{secret_id}", "", by_insiders(204)),
    ("GET", "/oauth2/clients/{id}/tokens", "", by_insiders(200)),
    ("DELETE", "/oauth2/clients/{id}/tokens", "", by_insiders(204)),
    ("DELETE", "/oauth2/clients/{id}/tokens/{jti}", "", by_insiders(204)),
    // Roots and those with others below them stay.
    ("DELETE", "/organizations", "", [409, 409, 409, 204, 204, 409, 401, 401]),
    ("PUT", "/organizations/api-keys", "", by_anybody(200)),
    ("POST", "/organizations/suborganizations", r#"{"sub_org_name":"below"}"#, by_anybody(200)),
    ("GET", "/organizations/suborganizations", "", by_anybody(200)),
    ("GET", "/audit", "", by_anybody(200)),
    ("GET", "/report", "", by_anybody(200)),
];
const DRAFT: &str = r#"{"client_name":"c","scopes":["a"],"grant_types":["client_credentials"]}"#;

/// The organisations of one row of [`TABLE`].
struct Tree {
    face: Face,
    /// Those of [`CALLERS`] that have a key.
    callers: [NewOrganizationKey; 6],
}

/// A client of the tree's own organisation, with a secret and a token.
#[derive(Clone)]
struct Subject {
    id: String,
    secret_id: String,
    jti: String,
    token: String,
}

impl Subject {
    fn path(&self, route: &str) -> String {
        route.replace("{id}", &self.id).replace("{secret_id}", &self.secret_id).replace("{jti}", &self.jti)
    }
}

impl Tree {
    async fn new() -> Self {
        let face = Face::new().await;
        let parent = face.world.organization(Some(&face.root)).await;
        let own = face.world.organization(Some(&parent)).await;
        let sibling = face.world.organization(Some(&parent)).await;
        let child = face.world.organization(Some(&own)).await;
        let stranger = face.world.organization(None).await;
        let NewOrganizationKey { organization, key } = &face.root;
        let grandparent = NewOrganizationKey { organization: organization.clone(), key: key.clone() };
        Self { face, callers: [own, parent, grandparent, sibling, child, stranger] }
    }

    async fn subject(&self) -> Subject {
        let path = self.face.client(&self.callers[0]).await;
        let token = self.face.issue(&path).await;
        let grant = self.face.world.tokens.resolve(&token).await.unwrap();
        let client = self.face.world.registry.find_client(grant.client()).await.unwrap().unwrap();
        let (id, jti) = (grant.client().to_string(), grant.id().to_string());
        Subject { id, secret_id: client.secrets[0].id.to_string(), jti, token }
    }

    async fn call(&self, caller: usize, line: &str, body: &'static str) -> Answer {
        let own = &self.callers[0];
        let call = match self.callers.get(caller) {
            Some(organization) => by(line, organization),
            None if CALLERS[caller] == "nobody" => request(line),
            None => request(line)
                .header("x-org-id", own.organization.id.to_string())
                .header("x-api-key", self.callers[5].key.expose()),
        };
        send(&self.face.routes, call, body).await
    }
}

/// An answer without what differs between any two.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (answer.status.as_u16(), body)
}

#[tokio::test]
async fn each_route_answers_each_caller_as_the_table_says() {
    let shared = Tree::new().await;
    // Whoever may do nothing may do it to this one: it must stay as it is.
    let untouched = shared.subject().await;
    for (method, route, body, expected) in TABLE {
        let fresh;
        let tree = if route.starts_with("/organizations") {
            fresh = Tree::new().await;
            &fresh
        } else {
            &shared
        };
        for (caller, name) in CALLERS.into_iter().enumerate() {
            let cell = format!("{method} {route} by {name}");
            let line = |subject: &Subject| format!("{method} {}", subject.path(route));
            let changes = route.contains("{id}") && expected[caller] < 300;
            let own = if changes { Some(tree.subject().await) } else { None };
            let answer = tree.call(caller, &line(own.as_ref().unwrap_or(&untouched)), body).await;
            assert_eq!(answer.status, expected[caller], "{cell}: {answer:?}");
            for id in ["cl_aaaaaaaaaaaaa", "nonsense", "%ff", "%20"] {
                let absent = Subject { id: id.to_owned(), ..untouched.clone() };
                if expected[caller] == 404 {
                    let same = tree.call(caller, &line(&absent), body).await;
                    assert_eq!(told(&same), told(&answer), "{cell}: {id} is told apart");
                }
            }
        }
        let unharmed = shared.face.world.tokens.resolve(&untouched.token).await.is_ok();
        assert!(unharmed, "{method} {route} was refused, but done");
    }
}

#[test]
fn no_route_is_missing_in_the_table() {
    let documented = include_str!("../mod.rs").lines().filter_map(|line| line.strip_prefix("//! | `/"));
    let mut documented: Vec<String> = documented
        .flat_map(|line| {
            let (path, methods) = line.split_once("` |").unwrap();
            let methods = methods.trim_end_matches('|').split(',');
            methods.map(move |method| format!("{} /{path}", method.trim()))
        })
        .collect();
    let mut tested: Vec<String> = TABLE.iter().map(|(method, route, ..)| format!("{method} {route}")).collect();
    documented.sort_unstable();
    tested.sort_unstable();
    assert_eq!(tested, documented);
}

#[tokio::test]
async fn what_is_below_a_client_is_found_there_only() {
    let tree = Tree::new().await;
    let (one, other) = (tree.subject().await, tree.subject().await);
    let mixed = Subject { id: one.id.clone(), ..other };
    for route in ["/oauth2/clients/{id}/secrets/{secret_id}", "/oauth2/clients/{id}/tokens/{jti}"] {
        let answer = tree.call(0, &format!("DELETE {}", mixed.path(route)), "").await;
        assert_eq!(answer.outcome(), (404, "not_found".to_owned()), "{route}");
    }
}

#[tokio::test]
async fn a_list_shows_ones_own_clients_only() {
    let tree = Tree::new().await;
    let subject = tree.subject().await;
    for (caller, name) in CALLERS.into_iter().enumerate().take(tree.callers.len()) {
        let listed = tree.call(caller, "GET /oauth2/clients", "").await;
        assert_eq!(listed.text.contains(&subject.id), caller == 0, "{name}");
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_the_ones_there_are() {
    let face = Face::new().await;
    for (line, allow) in [
        ("PUT /oauth2/clients", "GET, HEAD, POST"),
        ("POST /oauth2/clients/x", "DELETE, GET, HEAD, PATCH"),
        ("GET /oauth2/clients/x/secret", "PUT"),
        ("GET /organizations", "DELETE"),
        ("POST /organizations/api-keys", "PUT"),
        ("DELETE /organizations/suborganizations", "GET, HEAD, POST"),
    ] {
        let answer = send(&face.routes, request(line), "").await;
        assert_eq!(answer.outcome(), (405, "method_not_allowed".to_owned()), "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
    }
}

#[tokio::test]
async fn wrong_keys_are_soon_refused_where_they_come_from() {
    let face = Face::new().await;
    let [here, elsewhere]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
    let id = face.root.organization.id.to_string();
    let guess = || request("GET /oauth2/clients").header("x-org-id", &id).header("x-api-key", "guess");
    for _ in 0..20 {
        let answer = send(&face.routes, guess().extension(here), "").await;
        assert_eq!(answer.outcome(), (401, "unauthorized".to_owned()));
    }
    let answer = send(&face.routes, guess().extension(here), "").await;
    assert_eq!(answer.outcome(), (429, "rate_limited".to_owned()));
    assert_eq!((answer.header("retry-after"), answer.header("www-authenticate")), ("6", ""));
    assert_eq!(answer.header("ratelimit-policy"), r#""wrong-credentials-by-caller";q=20;w=120"#);
    let right = by("GET /oauth2/clients", &face.root).extension(elsewhere);
    assert_eq!(send(&face.routes, right, "").await.status, 200);
    let without_credentials = request("GET /oauth2/clients").extension(here);
    assert_eq!(send(&face.routes, without_credentials, "").await.status, 401, "none are not wrong ones");
}

/// One node is consistent at once, whatever its clients are willing to wait for.
#[tokio::test]
async fn the_hosted_services_wishes_for_consistency_are_accepted() {
    let face = Face::new().await;
    for (consistency, timeout) in [("local_region", "30"), ("all_regions", "1"), ("", "soon")] {
        let call = by("POST /oauth2/clients", &face.root)
            .header("SlashID-Required-Consistency", consistency)
            .header("SlashID-Required-Consistency-Timeout", timeout);
        assert_eq!(send(&face.routes, call, draft(&json!({}))).await.status, 201, "{consistency}");
    }
}
