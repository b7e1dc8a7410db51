//! Portcullis: an OAuth 2.0 server for machine clients and the proxy that checks its tokens, in one binary.
//!
//! # The house
//!
//! Seven floors. A module imports only lower floors, never a sibling on its own; `tests/architecture.rs` proves it.
//!
//! | floor | modules | meaning | does not know |
//! |---|---|---|---|
//! | 6 assembly | [`cli`] [`config`] [`app`] `reload` [`api_doc`] | read, build, wire, run; the API described | – |
//! | 5 shell | [`edge`] | pingora's phases, sockets, bytes | TOML, SQL |
//! | 4 faces | [`guard`] [`oauth`] [`manage`] [`ops`] | the decision; RFC endpoints; REST; metrics, health | pingora |
//! | 3 tokens | [`tokens`] | issue, resolve, introspect, revoke | HTTP statuses |
//! | 2 registry | [`registry`] | organisations, clients, their secrets; who is who | HTTP statuses |
//! | 1 foundations | [`policy`] [`store`] [`cache`] [`limits`] [`observe`] [`web`] | rules; truth; memory; how often; metrics, log; answers | each other |
//! | 0 words | [`model`] | ids, scopes, secrets, records, time | everything |
//!
//! # What holds it up
//!
//! - **The decision is a value.** [`guard::Guard::admit`] gives a [`guard::Permit`] or a [`guard::Refused`]; no upstream
//!   is chosen without a permit, which can be made nowhere else.
//! - **Text becomes types once.** A target becomes a [`policy::NormalPath`], a scope a [`model::Scope`], a configuration
//!   [`config::Settings`]: from then on nobody looks at the text again. The path that matched is the path forwarded.
//! - **Observing is a decision, too.** For an upstream that only observes, the guard turns most refusals into permits
//!   that name them; [`store::Observations`] counts these for the report.
//! - **One way for every bearer.** Check bytes first, so that a guess costs nothing; then a bounded cache; then one
//!   look-up in the store, shared by all who wait. The cache holds the token's record and its client, never a verdict.
//! - **Once taken back, never served.** [`cache::LookupCache`] forgets before a change is answered, also what was being
//!   looked up meanwhile; a [`cache::Fresh`] value knows whether it still holds, and what runs under it ends with it.
//! - **Durable truth and an ordered feed.** Each mutation writes a [`store::Change`] in its own transaction. Caches
//!   follow the feed, so that other processes' changes are seen too; the same rows are the audit trail.
//! - **Plain and hashed secrets are two types**, and neither prints itself. The log masks whatever slips through.
//! - **How often is counted in bounded memory** ([`limits`]): of callers by [`guard::CallerLimits`], once all else lets
//!   a request through; of wrong credentials by the registry.
//! - **Reload is one swap** of an [`edge::Live`]: a request keeps the one that it began with.
//! - **pingora is the door, axum is the desk.** Our own endpoints are one axum router per listener: called in process at
//!   the public one, served by hyper with the same time limits at the private one. Everything that is not the door lives
//!   on one tokio runtime, and the end of any of its tasks is fatal and said aloud.
//! - **One guardian owns a connection's time.** pingora is handed one request at a time by a socket of ours, or one
//!   stream of HTTP/2; whatever it waits for, `edge::watch` cuts what does not come on in time, or outlives its token.
//!
//! # The walk of a proxied request
//!
//! | where | what |
//! |---|---|
//! | `edge::accept` | lets the connection in if one of the `places` is free, and shakes hands where there is `tls` |
//! | `edge::door` | puts a `watch` over it; gives it out by request (`socket`) or by stream (`http2`) |
//! | `edge::phases` | what pingora calls, of `gateway`, one after the other: all that follows |
//! | `edge::intake` | reads target, host, framing and sizes, or refuses |
//! | `edge::desk` | has the router answer what is ours |
//! | [`guard`] | rule, bearer, audience, owner, scopes, limits; what only observes is noted (`edge::observed`) |
//! | `edge::bearer` | from here on sees to it that the request does not outlive its token |
//! | `edge::upstream` | picks a server by balance and health |
//! | `edge::headers` | strips, then identifies; a foreign credential passes only to who observes (`foreign`) |
//! | `edge::answer` | passes the answer on, or gives ours |
//! | `edge::exchange` | leaves one record: a line of the access log and the metrics |
//!
//! # The walk of a token request
//!
//! `edge::desk` → [`oauth`]: form, exactly one client authentication → [`registry::Registry::authenticate_client`]:
//! unknown, disabled and wrong take one path and one time, and too many of them from one address are refused unseen →
//! scopes and audiences narrowed to the client's → [`tokens::Tokens::issue`]: durable first → JSON that nobody may keep.

pub mod api_doc;
pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod edge;
pub mod guard;
pub mod limits;
pub mod manage;
pub mod model;
pub mod oauth;
pub mod observe;
pub mod ops;
pub mod policy;
pub mod registry;
mod reload;
pub mod store;
pub mod tokens;
pub mod web;
