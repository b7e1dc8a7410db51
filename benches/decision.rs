//! What the decision costs, step by step and whole: finding a request's rule, resolving its token, admitting it.
//!
//! - `find_rule`: `RouteTable::find`, for a path of each rule in turn.
//! - `resolve`: `Tokens::resolve`. `known` tokens are in the cache; with a million living ones, half of what the cache
//!   holds are asked for in turn. `looked_up` are forgotten before each question, so that each is a look-up in the
//!   store, a file of `SQLite` in a temporary folder; all that live are asked for in turn.
//! - `admit`: `Guard::admit`, rule, bearer, token and scopes, for a path of each rule in turn and a known token.
//!
//! What is known is decided without waiting: the bench fails if a future is not ready at once, or says no.
//!
//! `cargo bench --bench decision` runs all of it; `cargo bench --bench decision -- find_rule` a part. The million
//! tokens are issued only if something asks for them, which takes some minutes.

#![expect(clippy::unwrap_used, reason = "what cannot be measured has failed")]

use std::{cell::OnceCell, error::Error, hint::black_box, iter, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion};
use futures_util::{FutureExt, future::try_join_all};
use http::{HeaderMap, HeaderValue, Method, header};
use portcullis::{
    guard::{CallerLimits, Guard, Incoming},
    model::{CheckKey, Clock, OrganizationId, SecretKind, SecretText, SystemClock, TokenId},
    observe::Metrics,
    policy::{Access, Host, MethodSet, NormalPath, RouteTable, Rule, UpstreamPolicy, UpstreamRules},
    registry::{AuthenticatedClient, ClientDraft, Passwords, Registry, RegistryParts, RegistrySettings},
    store::{Action, Actor, Audit, Change, SqliteStore, Store, Subject, Uses},
    tokens::{IssueRequest, Tokens},
};
use tokio::runtime::{Builder, Runtime};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The sizes of route tables: upstreams, and rules of each.
const TABLES: [(usize, usize); 3] = [(1, 10), (10, 100), (1_000, 10)];
/// The many tokens that live.
const MANY: usize = 1_000_000;
/// Of those, the ones that are kept known: half of what the cache holds.
const KNOWN: usize = 50_000;
/// Tokens that are issued at once, so that the store commits them together.
const AT_ONCE: usize = 2_048;
/// The scope of every rule and token.
const SCOPE: &str = "orders:read";

/// A compiled table, and a path that each of its rules covers.
struct Rules {
    table: RouteTable,
    paths: Vec<NormalPath>,
    host: Host,
}

impl Rules {
    fn new(upstreams: usize, rules: usize) -> Outcome<Self> {
        let configured = (0..upstreams).map(|upstream| configured(upstream, rules)).collect::<Outcome<Vec<_>>>()?;
        let table = RouteTable::compile(configured, false).map_err(|errors| format!("{errors:?}"))?;
        let places = (0..upstreams).flat_map(|upstream| (0..rules).map(move |rule| (upstream, rule)));
        let path = |(upstream, rule)| NormalPath::parse(format!("/api{upstream}/orders{rule}/4711").as_bytes());
        Ok(Self { table, paths: places.map(path).collect::<Result<_, _>>()?, host: "api.example.com".parse()? })
    }

    fn name(&self) -> String {
        format!("{} rules", self.paths.len())
    }
}

fn configured(upstream: usize, rules: usize) -> Outcome<UpstreamRules> {
    let rule = |rule| -> Outcome<Rule> {
        Ok(Rule {
            methods: Some(MethodSet::new([Method::GET])),
            index: rule,
            ..Rule::new(format!("/api{upstream}/orders{rule}/{{id}}").parse()?, Access::AllScopes(SCOPE.parse()?))
        })
    };
    let policy = UpstreamPolicy { index: upstream, ..UpstreamPolicy::new(&format!("api{upstream}")) };
    Ok(UpstreamRules::new(policy, format!("/api{upstream}").parse()?, (0..rules).map(rule).collect::<Outcome<_>>()?))
}

/// The services over a store in a temporary folder, and the tokens that live in it.
struct World {
    tokens: Arc<Tokens>,
    key: CheckKey,
    owner: OrganizationId,
    living: Vec<SecretText>,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    /// With so many living tokens of one client, of which none is known yet.
    fn new(living: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("decision.db"))?);
        let key = CheckKey::new(store.check_key());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let day = Duration::from_hours(24);
        let settings = RegistrySettings {
            token_duration: day,
            max_token_duration: day,
            secret_overlap: day,
            max_live_per_client: u32::MAX,
            token_cache: 1 << 30,
        };
        // Nobody reads what is noted of uses: it is dropped as if the queue were full.
        let (uses, _) = Uses::new();
        let parts = RegistryParts {
            passwords: Passwords::start(1)?,
            uses: uses.clone(),
            clock: Arc::new(SystemClock),
            metrics: Arc::new(Metrics::new()?),
        };
        let registry = Arc::new(Registry::new(store, settings, parts));
        let tokens = Arc::new(Tokens::new(registry.clone(), uses));
        let client = runtime.block_on(client(&registry))?;
        let owner = client.owner().id;
        let living = runtime.block_on(issue(&tokens, &client, living))?;
        Ok(Self { tokens, key, owner, living, runtime, _folder: folder })
    }

    /// Makes the first `count` of the living tokens known, and gives them back in turn, for ever.
    fn known(&self, count: usize) -> impl Iterator<Item = &str> {
        for text in self.living.iter().take(count) {
            self.runtime.block_on(self.tokens.resolve(text.expose())).unwrap();
        }
        self.in_turn(count)
    }

    /// The first `count` of the living tokens in turn, for ever.
    fn in_turn(&self, count: usize) -> impl Iterator<Item = &str> {
        self.living.iter().take(count).cycle().map(SecretText::expose)
    }

    /// Forgets a token, as at a change in the store.
    fn forget(&self, text: &str) {
        if let Some(digest) = self.key.examine(SecretKind::AccessToken, text) {
            let id = TokenId::from_bytes(*digest.as_bytes());
            self.tokens.on_change(&Change {
                seq: 0,
                at: SystemClock.now(),
                actor: Actor::System,
                action: Action::TokenRevoked,
                subject: Subject::Token(id),
                organization: self.owner,
                request_id: None,
            });
        }
    }
}

async fn client(registry: &Registry) -> Outcome<AuthenticatedClient> {
    let audit = || Audit { actor: Actor::CommandLine, at: registry.clock().now(), request_id: None };
    let owner = registry.create_organization("Acme".parse()?, None, audit()).await?.organization.id;
    let draft = ClientDraft {
        name: "Partner".parse()?,
        scopes: SCOPE.parse()?,
        default_scopes: None,
        audiences: "".parse()?,
        enabled: true,
        token_duration: None,
        refresh_token_duration: None,
        redirect_uris: None,
    };
    let client = registry.create_client(owner, draft, audit()).await?.client.id;
    Ok(registry.vouch_for(client).await?)
}

async fn issue(tokens: &Tokens, client: &AuthenticatedClient, count: usize) -> Outcome<Vec<SecretText>> {
    let (mut issued, request) = (Vec::with_capacity(count), IssueRequest::default());
    while issued.len() < count {
        let batch = iter::repeat_with(|| tokens.issue(client, &request)).take(AT_ONCE.min(count - issued.len()));
        issued.extend(try_join_all(batch).await?.into_iter().map(|issued| issued.text));
    }
    Ok(issued)
}

/// A store that is filled when it is first asked for.
#[derive(Default)]
struct Worlds {
    one: OnceCell<World>,
    many: OnceCell<World>,
}

impl Worlds {
    fn of(&self, living: usize) -> &World {
        let cell = if living == 1 { &self.one } else { &self.many };
        cell.get_or_init(|| World::new(living).unwrap())
    }
}

// Criterion calls a bench once for each sample: what goes on from one to the next stands outside of it.

fn find_rule(criterion: &mut Criterion, rules: &[Rules]) {
    let mut group = criterion.benchmark_group("find_rule");
    for rules in rules {
        let mut paths = rules.paths.iter().cycle();
        group.bench_function(rules.name(), |bencher| {
            bencher.iter(|| {
                let path = paths.next().unwrap();
                rules.table.find(black_box(&rules.host), path, &Method::GET).unwrap()
            });
        });
    }
}

fn resolve(criterion: &mut Criterion, worlds: &Worlds) {
    let mut group = criterion.benchmark_group("resolve");
    for (living, known) in [(1, 1), (MANY, KNOWN)] {
        let mut texts = None;
        group.bench_function(BenchmarkId::new("known", format!("{living} living")), |bencher| {
            let world = worlds.of(living);
            let texts = texts.get_or_insert_with(|| world.known(known));
            bencher.iter(|| world.tokens.resolve(texts.next().unwrap()).now_or_never().unwrap().unwrap());
        });
    }
    for living in [1, MANY] {
        let mut texts = None;
        group.bench_function(BenchmarkId::new("looked_up", format!("{living} living")), |bencher| {
            let world = worlds.of(living);
            let texts = texts.get_or_insert_with(|| world.in_turn(living));
            bencher.iter(|| {
                let text = texts.next().unwrap();
                world.forget(text);
                world.runtime.block_on(world.tokens.resolve(text)).unwrap()
            });
        });
    }
}

fn admit(criterion: &mut Criterion, rules: &[Rules], worlds: &Worlds) {
    let mut group = criterion.benchmark_group("admit");
    for rules in rules {
        let mut paths = rules.paths.iter().cycle();
        group.bench_function(rules.name(), |bencher| {
            let world = worlds.of(1);
            let headers = headers(world.known(1).next().unwrap());
            let guard = Guard::new(world.tokens.clone());
            let limits = CallerLimits::new(None, &[], Arc::new(SystemClock));
            bencher.iter(|| {
                let path = paths.next().unwrap();
                let (host, method) = (&rules.host, &Method::GET);
                let incoming = Incoming { host, path, query: Some("page=2"), method, headers: &headers, from: None };
                guard.admit(&rules.table, &limits, &incoming).now_or_never().unwrap().unwrap()
            });
        });
    }
}

/// What a program sends.
fn headers(token: &str) -> HeaderMap {
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let fixed = [
        (header::HOST, HeaderValue::from_static("api.example.com")),
        (header::USER_AGENT, HeaderValue::from_static("exporter/1.0")),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ];
    fixed.into_iter().chain([(header::AUTHORIZATION, bearer)]).collect()
}

fn main() -> Outcome<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let rules =
        TABLES.map(|(upstreams, rules)| Rules::new(upstreams, rules)).into_iter().collect::<Outcome<Vec<_>>>()?;
    let worlds = Worlds::default();
    find_rule(&mut criterion, &rules);
    resolve(&mut criterion, &worlds);
    admit(&mut criterion, &rules, &worlds);
    criterion.final_summary();
    Ok(())
}
