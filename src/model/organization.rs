//! Organisations: they own clients, and form trees.

use super::{Name, OrganizationId, Timestamp};

/// An organisation as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its identifier, the `sub` of the tokens of its clients.
    pub id: OrganizationId,
    /// Its name.
    pub name: Name,
    /// The organisation itself, its parent, its parent's parent, …, the root.
    pub lineage: Vec<OrganizationId>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Organization {
    /// The organisation above, none for a root.
    #[must_use]
    pub fn parent(&self) -> Option<OrganizationId> {
        self.lineage.get(1).copied()
    }

    /// Whether it is `other` or a descendant of it.
    #[must_use]
    pub fn is_within(&self, other: OrganizationId) -> bool {
        self.lineage.contains(&other)
    }
}
