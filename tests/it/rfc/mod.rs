//! The MUSTs of the standards, each in a test that has its section in its name: RFC 6749 sections 2.3, 3.2, 4.4 and 5,
//! RFC 6750 sections 2 and 3, RFC 7009 section 2, RFC 7662 section 2, RFC 8414 sections 2 and 3, RFC 9728 sections 2 to
//! 5.
//!
//! What has no test here, and why:
//!
//! - TLS at every endpoint (RFC 6749 sections 2.3.1 and 3.2, RFC 7009 section 2, RFC 7662 section 2, RFC 8414 section
//!   3, RFC 9728 section 3): the operator's choice. Here the gateway stands behind a proxy that ends TLS.
//! - Public clients, redirects, refresh tokens and other credentials than a secret (RFC 6749 sections 2.3 and 2.3.2,
//!   RFC 7009 section 2 on refresh tokens): there are none.
//! - The form body and the query as places for a token (RFC 6750 sections 2.2 and 2.3): optional, and not taken; that
//!   they are refused is tested.
//! - JSONP (RFC 7009 section 2.3), JWT answers and `signed_metadata` (RFC 8414 section 2.1, RFC 9728 section 2.2), keys
//!   and signing algorithms, texts in several languages, `protected_resources` (RFC 9728 section 4): optional, and not
//!   offered.
//! - What a client MUST do and a server cannot see: to check certificates and issuers, to ignore unknown members.
//! - RFC 9728 section 3.3 wants `resource` to be the very URL of the request when the metadata were found by a
//!   challenge. The gateway is one resource, named by its public URL, as the resources that libraries know are.

mod answers;
mod bearer;
mod clients;
mod metadata;
mod tokens;

use std::sync::{Arc, Mutex, Weak};

use crate::support::{Client, Gateway, Response, Upstream};

/// The gateway's URL at the proxy in front of it, which takes `/gate` away; with a slash too many.
const PUBLIC_URL: &str = "https://api.example.com/gate/";
const ISSUER: &str = "https://api.example.com/gate";
const GRANT: &str = "grant_type=client_credentials";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// One gateway for all tests that run at the same time.
struct World {
    gateway: Gateway,
    /// May have `orders:read` and `orders:write`, for two audiences.
    client: Client,
    /// A client of another organisation.
    stranger: Client,
}

fn world() -> Arc<World> {
    static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let world = Arc::new(World::start());
        *shared = Arc::downgrade(&world);
        world
    })
}

impl World {
    fn start() -> Self {
        let (server, address) = (format!("public_url = \"{PUBLIC_URL}\""), Upstream::start().address);
        let mut gateway = Gateway::prepare(&server, "");
        let stranger = gateway.client(&["orders:read"]);
        let client = gateway.client(&["orders:read", "orders:write"]);
        let audiences = ["client", "update", &client.id, "--audience", "https://a", "--audience", "https://b"];
        gateway.cli_json(&audiences, "");
        let owner = &stranger.organization;
        let rules = format!(
            r#"
            [upstreams.orders]
            servers = ["{address}"]
            [[upstreams.orders.rules]]
            path = "/orders/**"
            methods = ["GET"]
            scopes = ["orders:read"]
            [[upstreams.orders.rules]]
            path = "/orders"
            methods = ["POST"]
            scopes = ["orders:write", "orders:admin"]
            [upstreams.owned]
            path = "/owned"
            servers = ["{address}"]
            owners = ["{owner}"]
            [[upstreams.owned.rules]]
            access = "token"
            [upstreams.elsewhere]
            path = "/elsewhere"
            servers = ["{address}"]
            audience = "https://elsewhere"
            [[upstreams.elsewhere.rules]]
            access = "token"
            "#
        );
        gateway.configure(&server, &rules);
        gateway.launch();
        Self { gateway, client, stranger }
    }

    /// A form of the client, authenticated by Basic.
    #[track_caller]
    fn post(&self, path: &str, form: &str) -> Response {
        self.gateway.post_form(path, &self.client.basic(), form)
    }

    /// A token request of the client with more parameters.
    #[track_caller]
    fn ask(&self, more: &str) -> Response {
        self.post("/oauth2/tokens", &format!("{GRANT}&{more}"))
    }

    /// A token of the client with `orders:read`.
    #[track_caller]
    fn token(&self) -> String {
        self.gateway.token(&self.client, Some("orders:read"))
    }

    #[track_caller]
    fn introspect(&self, token: &str) -> Response {
        self.post("/oauth2/tokens/introspect", &format!("token={token}"))
    }
}

/// Status and `error` of an answer.
#[track_caller]
fn outcome(response: &Response) -> (u16, String) {
    (response.status, response.json()["error"].as_str().unwrap_or_default().to_owned())
}

/// Checks a refusal of one of the endpoints against RFC 6749 section 5.2.
#[track_caller]
fn assert_refused(response: &Response, status: u16, error: &str) {
    assert_eq!(outcome(response), (status, error.to_owned()));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let challenge = (status == 401).then_some(r#"Basic realm="portcullis", charset="UTF-8""#);
    assert_eq!(response.header("www-authenticate"), challenge);
}

/// Whether a text keeps to the characters that RFC 6749 section 5.2 and RFC 6750 section 3 allow in `error` and
/// `error_description`.
fn keeps_to_characters(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}
