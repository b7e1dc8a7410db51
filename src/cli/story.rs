//! The story of the demo: calls that each stand alone, printed as curl lines or made and checked.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request, Response, header};
use http_body_util::Full;

use super::{
    context::audit,
    http_client::send,
    output::{Failure, print, say},
};
use crate::{
    app::Services,
    model::{AudienceSet, Name, NameError, ScopeError, ScopeSet, SecretText},
    registry::{AuthenticatedClient, ClientDraft},
    tokens::IssueRequest,
};

/// The rules of the demo, as one would write them for an API of orders.
pub(super) const RULES: &str = r#"
[[upstreams.orders.rules]]
path    = "/orders/**"
methods = ["GET"]
scopes  = ["orders:read"]

[[upstreams.orders.rules]]
path    = "/orders"
methods = ["POST"]
scopes  = ["orders:write"]

[[upstreams.orders.rules]]
path   = "/ping"
access = "public"

[[upstreams.orders.rules]]
path   = "/admin/**"
scopes = ["admin"]
"#;

/// Where the demo listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) public: u16,
    pub(super) private: u16,
}

/// One call, and what should come of it.
struct Step {
    /// What it shows.
    title: &'static str,
    method: Method,
    /// Whether it goes to the private listener.
    private: bool,
    target: String,
    headers: Vec<(&'static str, String)>,
    credentials: Option<String>,
    form: String,
    status: u16,
    /// What the answer holds, in its body or its challenge.
    holds: Vec<String>,
}

impl Step {
    fn get(title: &'static str, target: &str, status: u16) -> Self {
        Self {
            title,
            method: Method::GET,
            private: false,
            target: target.to_owned(),
            headers: Vec::new(),
            credentials: None,
            form: String::new(),
            status,
            holds: Vec::new(),
        }
    }

    fn post(title: &'static str, target: &str, form: &str, status: u16) -> Self {
        Self { method: Method::POST, form: form.to_owned(), ..Self::get(title, target, status) }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn bearer(self, token: &SecretText) -> Self {
        let value = format!("Bearer {}", token.expose());
        self.with("Authorization", &value)
    }

    fn basic(mut self, credentials: &str) -> Self {
        self.credentials = Some(credentials.to_owned());
        self
    }

    fn holding(mut self, text: &str) -> Self {
        self.holds.push(text.to_owned());
        self
    }

    /// Whether the answer is the one that it should be.
    fn judge(&self, answer: &Response<Bytes>) -> Result<(), String> {
        let status = answer.status();
        if status.as_u16() != self.status {
            return Err(format!("expected {}, got {status}", self.status));
        }
        let challenge = answer.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let body = String::from_utf8_lossy(answer.body());
        let missing =
            self.holds.iter().find(|part| !body.contains(*part) && !challenge.is_some_and(|c| c.contains(*part)));
        missing.map_or(Ok(()), |part| Err(format!("the answer does not hold {part}")))
    }
}

/// The calls of the demo, each of which stands alone.
pub(super) struct Story {
    steps: Vec<Step>,
    public: String,
    private: String,
}

impl Story {
    /// Makes an organisation, its clients and tokens, and the calls that show what they may do.
    pub(super) async fn prepare(services: &Services, ports: Ports) -> Result<Self, Failure> {
        let registry = &services.registry;
        let organization = registry.create_organization(name("Acme")?, None, audit()).await?;
        let id = organization.organization.id;
        let client = registry.create_client(id, draft("Acme's exporter")?, audit()).await?;
        let doomed = registry.create_client(id, draft("A client to delete")?, audit()).await?;
        let credentials = format!("{}:{}", client.client.id, client.secret.expose());
        let exporter = registry.vouch_for(client.client.id).await?;
        let (reads, revoked) = (token(services, &exporter).await?, token(services, &exporter).await?);
        let orphan = token(services, &registry.vouch_for(doomed.client.id).await?).await?;
        let (client_id, owner) = (client.client.id.to_string(), id.to_string());
        let told_owner = format!("\"owner\":\"{owner}\"");
        let doomed_path = format!("/oauth2/clients/{}", doomed.client.id);
        let steps = vec![
            Step::post(
                "A token with fewer scopes than the client has",
                "/oauth2/tokens",
                "grant_type=client_credentials&scope=orders:read",
                200,
            )
            .basic(&credentials)
            .holding("\"scope\":\"orders:read\""),
            Step::get("Its scope is enough: the API is told who owns it", "/orders/7", 200)
                .bearer(&reads)
                .holding(&told_owner)
                .holding(&client_id)
                .holding("\"scopes\":\"orders:read\""),
            Step::post("Its scope is not enough: the challenge names the one that is needed", "/orders", "", 403)
                .bearer(&reads)
                .holding("scope=\"orders:write\""),
            Step::get("No token", "/orders/7", 401).holding("missing_token"),
            Step::get("A public route, and an identity of the caller's own making that never arrives", "/ping", 200)
                .with("X-Portcullis-Owner", "org_spoofed")
                .with("x_portcullis_owner", "org_spoofed")
                .holding("\"owner\":null")
                .holding("\"other_identity\":[]"),
            Step::get("No way around a rule", "/orders/../admin", 400).bearer(&reads),
            Step::get("Nor this way", "/orders/%2e%2e/admin", 400).bearer(&reads),
            Step::get("Nor this way", "//admin", 400).bearer(&reads),
            Step::post("What a token grants", "/oauth2/introspect", &form("token", &reads), 200)
                .basic(&credentials)
                .holding("\"active\":true"),
            Step::post("A token is revoked", "/oauth2/revoke", &form("token", &revoked), 200).basic(&credentials),
            Step::get("… and refused at the very next request", "/orders/7", 401)
                .bearer(&revoked)
                .holding("invalid_token"),
            Step { method: Method::DELETE, private: true, ..Step::get("A client is deleted", &doomed_path, 204) }
                .with("X-Org-Id", &owner)
                .with("X-API-Key", organization.key.expose()),
            Step::get("… and its tokens die at once", "/orders/7", 401).bearer(&orphan).holding("invalid_token"),
        ];
        let url = |port: u16| format!("127.0.0.1:{port}");
        Ok(Self { steps, public: url(ports.public), private: url(ports.private) })
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        print(format_args!(
            "Portcullis stands at http://{} before a sample API; its private listener is at http://{}.\n\
             Paste these lines into another terminal; Ctrl-C here ends the demo.\n",
            self.public, self.private
        ))?;
        for step in &self.steps {
            print(format_args!("# {} ({})\n{}\n", step.title, step.status, self.curl(step)))?;
        }
        print(format_args!(
            "# What Prometheus scrapes (200)\ncurl -s http://{}/metrics\n\nThe rules that decide:\n{}",
            self.private,
            RULES.trim()
        ))
    }

    fn authority(&self, step: &Step) -> &str {
        if step.private { &self.private } else { &self.public }
    }

    fn curl(&self, step: &Step) -> String {
        let mut line = "curl -i --path-as-is".to_owned();
        if step.method != Method::GET {
            line = format!("{line} -X {}", step.method);
        }
        for (name, value) in &step.headers {
            line = format!("{line} -H '{name}: {value}'");
        }
        if let Some(credentials) = &step.credentials {
            line = format!("{line} -u '{credentials}'");
        }
        if !step.form.is_empty() {
            line = format!("{line} -d '{}'", step.form);
        }
        format!("{line} 'http://{}{}'", self.authority(step), step.target)
    }

    /// Makes the calls, each in turn.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let mut wrong = 0;
        for step in &self.steps {
            let answer = self.call(step).await;
            let verdict = answer.as_ref().map_err(Clone::clone).and_then(|answer| step.judge(answer));
            let status =
                answer.as_ref().map_or_else(|_| "---".to_owned(), |answer| answer.status().as_u16().to_string());
            let mark = if verdict.is_ok() { "ok  " } else { "FAIL" };
            print(format_args!("{mark} {status}  {:6} {:22}  {}", step.method, step.target, step.title))?;
            if let Err(reason) = verdict {
                say(format_args!("     {reason}"));
                wrong += 1;
            }
        }
        match wrong {
            0 => print(format_args!("all {} calls answered as they should", self.steps.len())),
            wrong => {
                Err(Failure::Failed(format!("{wrong} of {} calls did not answer as they should", self.steps.len())))
            }
        }
    }

    async fn call(&self, step: &Step) -> Result<Response<Bytes>, String> {
        let authority = self.authority(step);
        let mut request = Request::builder().method(&step.method).uri(&step.target).header(header::HOST, authority);
        for (name, value) in &step.headers {
            request = request.header(*name, value);
        }
        if let Some(credentials) = &step.credentials {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", BASE64.encode(credentials.as_bytes())));
        }
        if !step.form.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(Bytes::from(step.form.clone()))).map_err(|error| error.to_string())?;
        send(authority, request).await
    }
}

fn draft(name: &str) -> Result<ClientDraft, Failure> {
    let scopes = ScopeSet::from_texts(["orders:read", "orders:write"]);
    Ok(ClientDraft {
        name: name.parse().map_err(|error: NameError| Failure::failed(error))?,
        scopes: scopes.map_err(|error: ScopeError| Failure::failed(error))?,
        default_scopes: None,
        audiences: AudienceSet::default(),
        token_duration: None,
        enabled: true,
        refresh_token_duration: None,
        redirect_uris: None,
    })
}

fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|error: NameError| Failure::failed(error))
}

async fn token(services: &Services, client: &AuthenticatedClient) -> Result<SecretText, Failure> {
    let scopes = ScopeSet::from_texts(["orders:read"]).map_err(Failure::failed)?;
    let request = IssueRequest { scopes: Some(scopes), audiences: None };
    Ok(services.tokens.issue(client, &request).await?.text)
}

fn form(name: &str, secret: &SecretText) -> String {
    format!("{name}={}", secret.expose())
}
