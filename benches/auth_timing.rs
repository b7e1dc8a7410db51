//! Whether time tells why a client was refused: unknown, wrong secret and disabled must not be told apart, neither at
//! the registry nor at the token endpoint; nor may a guessed secret tell which ids exist.
//!
//! The cases are called in turn, in an order that rotates, until the time is over, so that whatever slows the machine
//! slows all of them. Two cases are told apart by how often one takes longer than the other (the effect size of Mann
//! and Whitney: 0.5 is a coin's toss) and by the ratio of their medians. These have bounds that many calls do not
//! lower, as they lower a p-value below any bound.
//!
//! `cargo bench --bench auth_timing` takes under a minute, prints the figures, and fails when cases are told apart.

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

use std::{
    error::Error,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use data_encoding::BASE64;
use http::{Request, header};
use portcullis::{
    model::{ClientId, ManualClock, OrganizationId, SecretText, Timestamp},
    oauth::{self, Oauth},
    observe::Metrics,
    registry::{ClientCredentials, ClientDraft, NewClient, Passwords, Registry, RegistryParts, RegistrySettings},
    store::{Actor, Audit, ClientUpdate, SqliteStore, Store, Uses},
    tokens::Tokens,
    web::desk,
};
use tower::ServiceExt;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long the cases of one comparison are called.
const TIME: Duration = Duration::from_secs(20);
/// Guesses are a thousand times faster.
const TIME_OF_GUESSES: Duration = Duration::from_secs(3);
/// The fewest calls of each case from which anything can be said.
const FEWEST: usize = 100;
/// How far from a coin's toss the comparison of two cases may always be.
const BOUND: f64 = 0.05;
/// With few calls chance goes further: that many standard errors are left to it.
const ERRORS_OF_CHANCE: f64 = 5.0;
/// How far the medians may lie apart.
const BOUND_OF_MEDIANS: f64 = 0.03;

/// The services over a store in a temporary folder.
struct World {
    registry: Arc<Registry>,
    endpoints: Router,
    owner: OrganizationId,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("timing.db"))?);
        let (uses, _) = Uses::new();
        let day = Duration::from_hours(24);
        let settings = RegistrySettings {
            token_duration: day,
            max_token_duration: day,
            secret_overlap: day,
            max_live_per_client: 1000,
            token_cache: 1 << 20,
        };
        let parts = RegistryParts {
            passwords: Passwords::start(1)?,
            uses: uses.clone(),
            clock: Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000))),
            metrics: Arc::new(Metrics::new()?),
        };
        let registry = Arc::new(Registry::new(store, settings, parts));
        let tokens = Arc::new(Tokens::new(registry.clone(), uses));
        let public_url = "https://api.example.com".into();
        let oauth = Oauth {
            registry: registry.clone(),
            tokens,
            public_url,
            token_requests: None,
            organizations_introspect: false,
        };
        let owner = registry.create_organization("Acme".parse()?, None, audit(&registry)).await?.organization.id;
        Ok(Self { registry, endpoints: desk(oauth::router(oauth)), owner, _folder: folder })
    }

    async fn client(&self) -> Outcome<NewClient> {
        let draft = ClientDraft {
            name: "Partner".parse()?,
            scopes: "a".parse()?,
            default_scopes: None,
            audiences: "".parse()?,
            enabled: true,
            token_duration: None,
            refresh_token_duration: None,
            redirect_uris: None,
        };
        Ok(self.registry.create_client(self.owner, draft, audit(&self.registry)).await?)
    }

    async fn disabled(&self) -> Outcome<NewClient> {
        let client = self.client().await?;
        let update = ClientUpdate { enabled: Some(false), ..ClientUpdate::default() };
        self.registry.update_client(client.client.id, update, audit(&self.registry)).await?;
        Ok(client)
    }
}

fn audit(registry: &Registry) -> Audit {
    Audit { actor: Actor::CommandLine, at: registry.clock().now(), request_id: None }
}

/// Credentials that must be refused, and how long that took each time, in seconds.
struct Case {
    name: &'static str,
    id: String,
    secret: SecretText,
    times: Vec<f64>,
}

impl Case {
    fn new(name: &'static str, id: ClientId, secret: &SecretText) -> Self {
        Self { name, id: id.to_string(), secret: secret.clone(), times: Vec::new() }
    }

    async fn ask_registry(&self, world: &World) -> Outcome<bool> {
        let credentials = ClientCredentials { id: self.id.clone(), secret: self.secret.clone() };
        Ok(world.registry.authenticate_client(&[credentials], None).await.is_err())
    }

    async fn ask_endpoint(&self, world: &World) -> Outcome<bool> {
        let credentials = BASE64.encode(format!("{}:{}", self.id, self.secret.expose()).as_bytes());
        let request = Request::post("/oauth2/tokens")
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from("grant_type=client_credentials"))?;
        Ok(world.endpoints.clone().oneshot(request).await?.status() == 401)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.times.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Calls the cases in turn for this long. Each must be refused each time.
async fn measure(cases: &mut [Case], time: Duration, refused: impl AsyncFn(&Case) -> Outcome<bool>) -> Outcome<()> {
    let start = Instant::now();
    let mut round = 0;
    while start.elapsed() < time || round < FEWEST {
        for place in 0..cases.len() {
            let index = (place + round) % cases.len();
            let Some(case) = cases.get_mut(index) else { continue };
            let start = Instant::now();
            let refused = refused(case).await?;
            let took = start.elapsed();
            if !refused {
                return Err(format!("{} was not refused", case.name).into());
            }
            case.times.push(took.as_secs_f64());
        }
        round += 1;
    }
    Ok(())
}

/// How often a time of `one` is longer than one of `other`, from 0 to 1; equal ones count half.
#[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
fn longer(one: &[f64], other: &[f64]) -> f64 {
    let mut sorted = other.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let halves = one.iter().map(|time| {
        let below = sorted.partition_point(|known| known < time);
        let up_to = sorted.partition_point(|known| known <= time);
        below + up_to
    });
    halves.sum::<usize>() as f64 / 2.0 / (one.len() * other.len()) as f64
}

/// The bound on the effect between two cases that are alike, of this many calls each.
#[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
fn bound(calls: usize) -> f64 {
    let standard_error = (1.0 / (6.0 * calls as f64)).sqrt();
    BOUND.max(ERRORS_OF_CHANCE * standard_error)
}

/// Prints how each case compares with the first. Says whether none is told apart.
fn judge(title: &str, cases: &[Case]) -> bool {
    println!("{title}");
    let Some(first) = cases.first() else { return false };
    let mut alike = true;
    for case in cases {
        let (effect, ratio) = (longer(&case.times, &first.times), case.median() / first.median());
        let fits = (effect - 0.5).abs() < bound(case.times.len()) && (ratio - 1.0).abs() < BOUND_OF_MEDIANS;
        alike &= fits;
        println!(
            "  {:<40} {:>7} calls  median {:>9.1} us  ratio {ratio:.4}  longer in {effect:.3}  {}",
            case.name,
            case.times.len(),
            case.median() * 1e6,
            if fits { "alike" } else { "TOLD APART" }
        );
    }
    alike
}

async fn compare() -> Outcome<bool> {
    let world = World::new().await?;
    let (known, other, disabled) = (world.client().await?, world.client().await?, world.disabled().await?);
    let refusals = || -> Outcome<[Case; 3]> {
        Ok([
            Case::new("wrong secret, genuine but another's", known.client.id, &other.secret),
            Case::new("unknown client, genuine secret", ClientId::random()?, &other.secret),
            Case::new("disabled client, its right secret", disabled.client.id, &disabled.secret),
        ])
    };
    let guess = SecretText::new("prt_cs_guessguessguessguessguessgues".to_owned());
    let mut guesses = [
        Case::new("guess for a known client", known.client.id, &guess),
        Case::new("guess for an unknown client", ClientId::random()?, &guess),
        Case::new("guess for a disabled client", disabled.client.id, &guess),
    ];
    let (mut registry, mut endpoint) = (refusals()?, refusals()?);
    measure(&mut registry, TIME, async |case| case.ask_registry(&world).await).await?;
    measure(&mut endpoint, TIME, async |case| case.ask_endpoint(&world).await).await?;
    measure(&mut guesses, TIME_OF_GUESSES, async |case| case.ask_endpoint(&world).await).await?;
    let verdicts = [
        judge("at the registry", &registry),
        judge("at the token endpoint", &endpoint),
        judge("guesses at the token endpoint", &guesses),
    ];
    Ok(verdicts.into_iter().all(|alike| alike))
}

fn main() -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let alike = runtime.block_on(compare())?;
    println!("{}", if alike { "time tells nothing" } else { "TIME TELLS THEM APART" });
    Ok(if alike { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
