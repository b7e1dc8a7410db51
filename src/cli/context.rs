//! What verbs share: the configuration, and the store it names with the services over it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Format,
    output::{Failure, say},
};
use crate::{
    app::Services,
    config::{Environment, Loaded, Purpose, load},
    model::{Clock, SystemClock},
    registry::{AuthenticationError, RegistryError},
    store::{Actor, Audit, StoreError},
    tokens::IssueError,
};

/// Where a configuration is looked for when none is named.
const PLACES: [&str; 2] = ["portcullis.toml", "/etc/portcullis/portcullis.toml"];

/// What the command line says beside the verb.
#[derive(Debug)]
pub(super) struct Context {
    config: Option<PathBuf>,
    pub(super) format: Format,
}

impl Context {
    pub(super) const fn new(config: Option<PathBuf>, format: Format) -> Self {
        Self { config, format }
    }

    /// Whether there is a configuration, named or in one of its places.
    pub(super) fn has_source(&self) -> bool {
        self.config.is_some() || PLACES.iter().any(|place| Path::new(place).exists())
    }

    /// The file of the configuration.
    pub(super) fn source(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = &self.config {
            return Ok(named.clone());
        }
        let found = PLACES.iter().map(Path::new).find(|place| place.exists());
        found.map(Path::to_owned).ok_or_else(|| {
            let [here, system] = PLACES;
            Failure::Usage(format!(
                "no configuration: there is neither ./{here} nor {system}\nName one with -c FILE, or see \
                 config/minimal.toml for a start; `portcullis demo` needs none."
            ))
        })
    }

    /// The configuration, its warnings said.
    pub(super) fn load(&self, purpose: Purpose) -> Result<Loaded, Failure> {
        match load(&self.source()?, &Environment::of_process(), purpose) {
            Ok(loaded) => Ok(loaded),
            Err(report) => {
                say(report.render(false));
                Err(Failure::Said(2))
            }
        }
    }

    /// Runs `work` on the services over the configured store, whether the gateway runs or not.
    pub(super) fn with_services<T>(
        &self,
        work: impl AsyncFnOnce(&Services, &Loaded) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        with_services_of(&self.load(Purpose::Check)?, work)
    }
}

/// Runs `work` on the services over the store of `loaded`.
pub(super) fn with_services_of<T>(
    loaded: &Loaded,
    work: impl AsyncFnOnce(&Services, &Loaded) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let services = Services::open(&loaded.settings, 1).map_err(Failure::failed)?;
    runtime.block_on(work(&services, loaded))
}

/// Who acts, when, at the command line.
pub(super) fn audit() -> Audit {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Audit { actor: Actor::CommandLine, at: clock.now(), request_id: None }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::TokenDuration { .. } | RegistryError::Overlap { .. } | RegistryError::DefaultScopes => {
                Self::Usage(error.to_string())
            }
            _ => Self::failed(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<AuthenticationError> for Failure {
    fn from(error: AuthenticationError) -> Self {
        Self::failed(error)
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        Self::failed(error)
    }
}
