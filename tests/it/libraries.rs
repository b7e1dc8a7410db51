//! Programs written with a standard library work unchanged: the `oauth2` crate walks the whole journey, from endpoints
//! that it is told and from endpoints that it discovers. Python's and Node's libraries do the same in
//! `tests/libraries`.

use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IntrospectionUrl, RequestTokenError, RevocationUrl, Scope, StandardRevocableToken, TokenIntrospectionResponse,
    TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponseType, BasicTokenType},
};
use serde::Deserialize;

use crate::support::{Client, Gateway, Upstream, request};

/// The `oauth2` crate revokes over https only, so the gateway stands behind a proxy that ends TLS.
const ISSUER: &str = "https://api.example.com";

type Library = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

/// Where a program finds what it calls.
#[derive(Deserialize)]
struct Endpoints {
    #[serde(rename = "token_endpoint")]
    token: TokenUrl,
    #[serde(rename = "introspection_endpoint")]
    introspection: IntrospectionUrl,
    #[serde(rename = "revocation_endpoint")]
    revocation: RevocationUrl,
}

impl Endpoints {
    /// The endpoints at these paths below `/oauth2`.
    fn told(token: &str, introspection: &str, revocation: &str) -> Self {
        let url = |path: &str| format!("{ISSUER}/oauth2/{path}");
        Self {
            token: TokenUrl::new(url(token)).unwrap(),
            introspection: IntrospectionUrl::new(url(introspection)).unwrap(),
            revocation: RevocationUrl::new(url(revocation)).unwrap(),
        }
    }
}

/// What a program reads of an authorization server (RFC 8414 section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    #[serde(flatten)]
    endpoints: Endpoints,
    grant_types_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Vec<String>,
}

fn start(upstream: &Upstream) -> Gateway {
    let rules = format!(
        r#"
        [upstreams.orders]
        servers = ["{}"]
        [[upstreams.orders.rules]]
        path = "/orders/**"
        methods = ["GET"]
        scopes = ["orders:read"]
        [[upstreams.orders.rules]]
        path = "/orders"
        methods = ["POST"]
        scopes = ["orders:write"]
        "#,
        upstream.address
    );
    Gateway::with(&format!("public_url = \"{ISSUER}\""), &rules)
}

/// The proxy that ends TLS: what is meant for the issuer goes to the gateway.
fn through(gateway: &Gateway) -> impl Fn(HttpRequest) -> Result<HttpResponse, http::Error> {
    let to = gateway.public;
    move |sent: HttpRequest| {
        let url = sent.uri().to_string();
        let path = url.strip_prefix(ISSUER).unwrap_or_else(|| panic!("{url} is not the issuer's"));
        let mut head = format!("{} {path}", sent.method());
        for (name, value) in sent.headers() {
            head = format!("{head}\n{name}: {}", value.to_str().unwrap());
        }
        let answer = request(to, &head, sent.body());
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        response.body(answer.body)
    }
}

fn library(client: &Client, endpoints: &Endpoints, how: AuthType) -> Library {
    BasicClient::new(ClientId::new(client.id.clone()))
        .set_client_secret(ClientSecret::new(client.secret.clone()))
        .set_auth_type(how)
        .set_token_uri(endpoints.token.clone())
        .set_introspection_url(endpoints.introspection.clone())
        .set_revocation_url(endpoints.revocation.clone())
}

/// Token with a narrowed scope, call, introspection, revocation, refusal.
fn journey(gateway: &Gateway, upstream: &Upstream, client: &Client, library: &Library) {
    let http = through(gateway);
    let asked = Scope::new("orders:read".to_owned());
    let issued = library.exchange_client_credentials().add_scope(asked.clone()).request(&http).unwrap();
    assert_eq!(issued.token_type(), &BasicTokenType::Bearer);
    assert_eq!(issued.scopes(), Some(&vec![asked]));
    assert_eq!(issued.expires_in().map(|lifetime| lifetime.as_secs()), Some(24 * 3600));
    assert!(issued.refresh_token().is_none(), "RFC 6749 section 4.4.3: no refresh token");
    let token = issued.access_token();

    assert_eq!(gateway.call("GET /orders/7", token.secret()).status, 200);
    assert_eq!(upstream.one().header("x-portcullis-owner"), Some(client.organization.as_str()));
    assert_eq!(gateway.call("POST /orders", token.secret()).error(), "insufficient_scope");

    let told = library.introspect(token).request(&http).unwrap();
    assert!(told.active());
    assert_eq!(told.client_id().map(|id| id.as_str()), Some(client.id.as_str()));
    assert_eq!(told.sub(), Some(client.organization.as_str()));
    assert_eq!(told.scopes().map(Vec::as_slice), Some([Scope::new("orders:read".to_owned())].as_slice()));
    assert_eq!(told.iss(), Some(ISSUER));
    let lifetime = told.exp().unwrap() - told.iat().unwrap();
    assert_eq!(lifetime.num_hours(), 24);

    let revocable = StandardRevocableToken::AccessToken(AccessToken::new(token.secret().clone()));
    library.revoke_token(revocable).unwrap().request(&http).unwrap();
    assert!(!library.introspect(token).request(&http).unwrap().active());
    let refused = gateway.call("GET /orders/7", token.secret());
    assert_eq!((refused.status, refused.error().as_str()), (401, "invalid_token"));
    assert!(upstream.take().is_empty());
}

/// The error code that the library reads out of a refused token request.
fn refusal(gateway: &Gateway, library: &Library, scope: &str) -> BasicErrorResponseType {
    let request = library.exchange_client_credentials().add_scope(Scope::new(scope.to_owned()));
    match request.request(&through(gateway)) {
        Err(RequestTokenError::ServerResponse(answer)) => answer.error().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_oauth2_crate_walks_the_journey_with_endpoints_that_it_is_told() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let client = gateway.client(&["orders:read", "orders:write"]);
    for endpoints in [
        Endpoints::told("tokens", "tokens/introspect", "tokens/revoke"),
        Endpoints::told("token", "introspect", "revoke"),
    ] {
        for how in [AuthType::BasicAuth, AuthType::RequestBody] {
            journey(&gateway, &upstream, &client, &library(&client, &endpoints, how));
        }
    }
}

#[test]
fn the_oauth2_crate_walks_the_journey_with_endpoints_that_it_discovers() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let client = gateway.client(&["orders:read", "orders:write"]);
    // A program that knows only the API's address: the challenge leads it to the resource, this to its server.
    let challenge = gateway.send("GET /orders/7").header("www-authenticate").unwrap().to_owned();
    let (_, rest) = challenge.split_once(r#"resource_metadata=""#).unwrap();
    let http = through(&gateway);
    let get = |url: &str| {
        let answer = http(http::Request::get(url).body(Vec::new()).unwrap()).unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        assert_eq!(answer.headers()["content-type"], "application/json", "{url}");
        answer.into_body()
    };
    let resource: serde_json::Value = serde_json::from_slice(&get(rest.split('"').next().unwrap())).unwrap();
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    let found: Metadata =
        serde_json::from_slice(&get(&format!("{issuer}/.well-known/oauth-authorization-server"))).unwrap();
    assert_eq!(found.issuer, issuer);
    assert!(found.grant_types_supported.contains(&"client_credentials".to_owned()));
    for (method, how) in [("client_secret_basic", AuthType::BasicAuth), ("client_secret_post", AuthType::RequestBody)] {
        assert!(found.token_endpoint_auth_methods_supported.contains(&method.to_owned()));
        journey(&gateway, &upstream, &client, &library(&client, &found.endpoints, how));
    }
}

#[test]
fn the_oauth2_crate_reads_why_it_was_refused() {
    let upstream = Upstream::start();
    let gateway = start(&upstream);
    let client = gateway.client(&["orders:read"]);
    let endpoints = Endpoints::told("token", "introspect", "revoke");
    let known = library(&client, &endpoints, AuthType::BasicAuth);
    assert_eq!(refusal(&gateway, &known, "orders:write"), BasicErrorResponseType::InvalidScope);
    let guess = Client { secret: "guess".to_owned(), ..client };
    let guess = library(&guess, &endpoints, AuthType::BasicAuth);
    assert_eq!(refusal(&gateway, &guess, "orders:read"), BasicErrorResponseType::InvalidClient);
}
