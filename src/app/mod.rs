//! Floor 6, assembly: builds every part from its own settings, top to bottom, then runs them until told to stop.

mod descriptors;
mod housekeeping;
mod private;
mod services;
mod signals;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{runtime::Runtime, task::JoinSet};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    api_doc::{Description, described, described_with_page},
    config::Settings,
    edge::{Gateway, GatewayParts, Live, PublicServer, ServerSettings, bind, check_health, refresh_addresses},
    guard::Guard,
    manage::{self, Manage, Observing},
    oauth::{self, Oauth},
    observe::{AccessLog, Metrics},
    ops::{self, Ops, Readiness},
    policy::TableError,
    reload::{self, Reload},
    store::OpenError,
    web::desk,
};

use descriptors::Descriptors;
pub use services::Services;
pub(crate) use signals::Signals;

/// How long the private listener and the last notes may take once the door is closed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why the gateway did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A port is taken, or an address is not this machine's.
    #[error("cannot listen on {address}: {error}\nStop what listens there, or choose another address under {key}.")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The key of the configuration.
        key: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// Rules that cannot stand together.
    #[error("the rules cannot be compiled: {}", .0.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; "))]
    Rules(Vec<TableError>),
    /// The system gave no threads, no signals, …
    #[error("cannot start: {0}")]
    System(String),
    /// A part that must run as long as the process does has ended.
    #[error("{0} has ended, which it never should; the process ends with it")]
    PartEnded(&'static str),
}

/// The gateway, built and listening, not yet serving.
#[derive(Debug)]
pub struct App {
    settings: Settings,
    access_log: Option<AccessLog>,
    descriptors: Descriptors,
    services: Services,
    live: Arc<ArcSwap<Live>>,
    runtime: Runtime,
    public: Vec<std::net::TcpListener>,
    private: std::net::TcpListener,
}

impl App {
    /// Opens the store and binds the ports: whatever cannot be had is an error before anything runs. Each request leaves
    /// a line in the `access_log`, if there is one.
    ///
    /// # Errors
    /// [`AppError`]; nothing was started then.
    pub fn build(settings: Settings, access_log: Option<AccessLog>) -> Result<Self, AppError> {
        let descriptors = Descriptors::of_process();
        let live = Live::build(settings.live.clone(), settings.server.expose_management).map_err(AppError::Rules)?;
        let listen = |key| move |(address, error)| AppError::Listen { address, key, error };
        let public = bind(&settings.server.listen).map_err(listen("server.listen"))?;
        let mut private = bind(&[settings.admin_listen]).map_err(listen("admin.listen"))?;
        let private = private.pop().ok_or_else(|| AppError::System("no private listener".to_owned()))?;
        private.set_nonblocking(true).map_err(system)?;
        // One processor is left to requests, of which some wait several times as long beside hashing on all of them.
        let password_threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1));
        let services = Services::open(&settings, password_threads)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("desk")
            .enable_all()
            .build()
            .map_err(system)?;
        let live = Arc::new(ArcSwap::from_pointee(live));
        Ok(Self { settings, access_log, descriptors, services, live, runtime, public, private })
    }

    /// The services over the store.
    #[must_use]
    pub const fn services(&self) -> &Services {
        &self.services
    }

    /// The runtime of everything that is not the door.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Serves until a signal says stop, or until `beside` is done, and gives back what that came to. With the `source`
    /// of its configuration, SIGHUP reloads it.
    ///
    /// # Errors
    /// [`AppError`] if a part fails that must not.
    pub fn run<T>(self, source: Option<PathBuf>, beside: impl Future<Output = T>) -> Result<Option<T>, AppError> {
        let Self { settings, access_log, descriptors, services, live, runtime, public, private } = self;
        let grace = settings.server.shutdown_grace;
        let served = runtime.block_on(async {
            let mut signals = Signals::new().map_err(system)?;
            let hangups = signals::hangups().map_err(system)?;
            tokio::select! {
                () = async { live.load_full().resolve().await } => {}
                _ = signals.stop() => return Ok(None),
            }
            let mut parts = Parts::start(&settings, access_log, descriptors, services, &live, private).await?;
            if let Some(source) = source {
                let reload = Reload { source, live: live.clone(), running: settings.clone(), metrics: parts.metrics() };
                parts.tasks.spawn(named("the reload", reload::on_change(reload, hangups)));
            }
            let mut door = PublicServer::start(public, parts.gateway(&settings, descriptors, &live)).map_err(system)?;
            let (listen, admin) = (&settings.server.listen, settings.admin_listen);
            tracing::info!(?listen, %admin, version = env!("CARGO_PKG_VERSION"), "ready");
            reload::warn_of_observing(&live.load());

            let came_to = tokio::select! {
                came_to = beside => Some(came_to),
                signal = signals.stop() => {
                    tracing::info!(signal, "stopping: what runs is finished first");
                    None
                }
                ended = first_ended(&mut parts.tasks) => return Err(ended),
                () = door.ended() => return Err(AppError::PartEnded("the public listener")),
            };
            parts.readiness.stop();
            tokio::select! {
                all = door.stop(grace) => if !all { tracing::warn!("the grace period is over; what still ran is cut") },
                signal = signals.stop() => tracing::warn!(signal, "stopping at once; what still ran is cut"),
            }
            parts.stop().await;
            Ok(came_to)
        });
        runtime.shutdown_timeout(LAST_WORDS);
        served
    }
}

/// What runs beside the door, all of it for as long as the process does.
struct Parts {
    services: Services,
    access_log: Option<AccessLog>,
    readiness: Arc<Readiness>,
    tasks: JoinSet<&'static str>,
    stopping: CancellationToken,
}

impl Parts {
    async fn start(
        settings: &Settings,
        access_log: Option<AccessLog>,
        descriptors: Descriptors,
        mut services: Services,
        live: &Arc<ArcSwap<Live>>,
        private: std::net::TcpListener,
    ) -> Result<Self, AppError> {
        let readiness = Arc::new(Readiness::new(services.store.clone()));
        let stopping = CancellationToken::new();
        let mut tasks = JoinSet::new();
        housekeeping::start(&mut tasks, &mut services, &stopping).await?;
        tasks.spawn(named("the resolution of upstreams' names", refresh_addresses(live.clone())));
        tasks.spawn(named("the health checks", check_health(live.clone())));
        let in_force = live.clone();
        services.registry.metrics().observe_servers(move || in_force.load().states()).map_err(system)?;

        let everything = oauth_router(settings, &services, true)
            .merge(manage_router(&services))
            .merge(report_router(&services, live.clone()))
            .merge(ops_router(&services, readiness.clone()));
        // Not all of this is behind the public URL, and where this listener is reached from is not known here.
        let everything = described_with_page(everything, "/");
        let routes = ops::recorded(desk(everything), services.registry.metrics().clone(), access_log.clone());
        let listener = tokio::net::TcpListener::from_std(private).map_err(system)?;
        let served =
            private::serve(listener, routes, settings.server.header_timeout, descriptors.private(), stopping.clone());
        tasks.spawn(named("the private listener", served));
        Ok(Self { services, access_log, readiness, tasks, stopping })
    }

    fn metrics(&self) -> Arc<Metrics> {
        self.services.registry.metrics().clone()
    }

    fn gateway(&self, settings: &Settings, descriptors: Descriptors, live: &Arc<ArcSwap<Live>>) -> Gateway {
        let expose = settings.server.expose_management;
        let oauth = oauth_router(settings, &self.services, expose);
        let router = if expose {
            described(oauth.merge(manage_router(&self.services)), settings.public_url.as_str())
        } else {
            oauth.with_state(Arc::default()).into()
        };
        Gateway::new(GatewayParts {
            settings: ServerSettings {
                max_connections: descriptors.public(settings.server.max_connections),
                ..settings.server.clone()
            },
            public_url: settings.public_url.clone(),
            live: live.clone(),
            guard: Guard::new(self.services.tokens.clone()),
            tokens: self.services.tokens.clone(),
            observations: self.services.observations.clone(),
            router: desk(router),
            metrics: self.metrics(),
            access_log: self.access_log.clone(),
        })
    }

    /// Lets the private listener answer what it has begun, and the last notes be written.
    async fn stop(mut self) {
        self.stopping.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Some parts never end by themselves.
        let _some_remain = tokio::time::timeout(LAST_WORDS / 2, all).await;
    }
}

/// Routes with their description, which wait for the document of them all.
type Routes = OpenApiRouter<Arc<Description>>;

fn oauth_router(settings: &Settings, services: &Services, organizations_introspect: bool) -> Routes {
    oauth::router(Oauth {
        registry: services.registry.clone(),
        tokens: services.tokens.clone(),
        public_url: settings.public_url.as_str().into(),
        token_requests: services.token_requests.clone(),
        organizations_introspect,
    })
}

fn manage_router(services: &Services) -> Routes {
    manage::router(manage(services))
}

fn report_router(services: &Services, live: Arc<ArcSwap<Live>>) -> Routes {
    manage::report_router(manage(services), Observing::new(move || live.load().observing()))
}

fn manage(services: &Services) -> Manage {
    Manage { registry: services.registry.clone(), tokens: services.tokens.clone() }
}

fn ops_router(services: &Services, readiness: Arc<Readiness>) -> Routes {
    let (metrics, passwords) = (services.registry.metrics().clone(), services.passwords.clone());
    ops::router(Ops { metrics, passwords, readiness })
}

/// Resolves when a part has ended: always a fault.
async fn first_ended(tasks: &mut JoinSet<&'static str>) -> AppError {
    match tasks.join_next().await {
        Some(Ok(name)) => AppError::PartEnded(name),
        // A panic's own words are in the log.
        Some(Err(_)) | None => AppError::PartEnded("a part that panicked"),
    }
}

/// A part under the name that its end is told by.
async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

fn system(error: impl std::fmt::Display) -> AppError {
    AppError::System(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_any_part_is_fatal_and_named() {
        let mut parts = JoinSet::new();
        parts.spawn(named("the sweep", std::future::pending()));
        parts.spawn(named("the feed of changes", std::future::ready(())));
        let words = first_ended(&mut parts).await.to_string();
        assert!(words.starts_with("the feed of changes has ended"), "{words}");

        parts.spawn(named("the store", async { panic!("on purpose") }));
        assert!(matches!(first_ended(&mut parts).await, AppError::PartEnded("a part that panicked")));
    }
}
