//! Floor 1, durable truth: what an engine must do ([`Store`]), and the feed of changes that caches follow.
//!
//! A second engine is one more folder beside `sqlite/`: it implements [`Store`] and passes the conformance suite in
//! `tests/store/`. No SQL and no driver's type crosses this border.

mod api;
mod change;
mod feed;
mod observed;
mod sqlite;
mod uses;

pub use api::{
    ClientUpdate, ClientWithSecrets, CreateClient, DeleteOrganization, DeleteSecret, InsertSecret, InsertToken,
    NewOrganization, OpenError, OrganizationWithKey, Page, PageOf, Store, StoreError, Use,
};
pub use change::{Action, Actor, Audit, Change, Subject};
pub use feed::follow;
pub use observed::{
    Missing, OBSERVED_KEPT, Observations, Observed, ObservedCount, ObservedDetails, ObservedKind, write_observations,
};
pub use sqlite::SqliteStore;
pub use uses::{UseMark, Uses, write_uses};
