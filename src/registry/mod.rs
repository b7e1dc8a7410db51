//! Floor 2, the registry: organisations, clients, their secrets and keys, and who is who.
//!
//! [`Registry`] has the verbs. [`AuthenticatedClient`] and [`AuthenticatedOrganization`] are proofs: only the registry
//! makes them, and only from a credential that was right.

mod authenticate;
mod clients;
mod error;
mod organizations;
mod passwords;
mod service;
mod settings;
mod throttle;

pub use authenticate::{AuthenticatedClient, AuthenticatedOrganization, AuthenticationError, ClientCredentials};
pub use clients::{ClientDraft, NewClient, NewSecret};
pub use error::RegistryError;
pub use organizations::NewOrganizationKey;
pub use passwords::{Passwords, PasswordsBusy};
pub use service::{ClientEntry, Registry, RegistryParts};
pub use settings::RegistrySettings;
