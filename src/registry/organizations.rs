//! Organisations: create, look up, new keys, delete.

use super::{Registry, RegistryError};
use crate::{
    model::{Name, Organization, OrganizationId, SecretKind, SecretText},
    store::{Audit, DeleteOrganization, NewOrganization, Page, PageOf, StoreError},
};

/// The most organisations from a root down to one of its descendants, both counted: each look-up of one reads all of
/// them.
const MOST_DEEP: usize = 32;

/// A new organisation, or one with a new key: the only time that the key's text is known.
#[derive(Debug)]
pub struct NewOrganizationKey {
    /// The organisation.
    pub organization: Organization,
    /// Its key.
    pub key: SecretText,
}

impl Registry {
    /// Creates an organisation, below `parent` if one is given.
    ///
    /// # Errors
    /// [`RegistryError::Absent`] if there is no such parent, [`RegistryError::TooDeep`]; else what the store says.
    pub async fn create_organization(
        &self,
        name: Name,
        parent: Option<OrganizationId>,
        audit: Audit,
    ) -> Result<NewOrganizationKey, RegistryError> {
        if let Some(parent) = parent {
            // Nothing moves in a tree, so what is read here holds for good.
            let above = self.find_organization(parent).await?.ok_or(RegistryError::Absent)?;
            if above.lineage.len() >= MOST_DEEP {
                return Err(RegistryError::TooDeep(MOST_DEEP));
            }
        }
        let id = OrganizationId::random()?;
        let (text, digest) = self.key.mint(SecretKind::OrganizationKey)?;
        let key = self.passwords.hash(text.clone(), digest).await?;
        let created = self.store.create_organization(NewOrganization { id, parent, name, key }, audit).await?;
        let organization = created.ok_or(RegistryError::Absent)?;
        Ok(NewOrganizationKey { organization, key: text })
    }

    /// Gives an organisation a new key; the old one dies.
    ///
    /// # Errors
    /// [`RegistryError::Absent`] if there is no such organisation; else what the store says.
    pub async fn rotate_organization_key(
        &self,
        id: OrganizationId,
        audit: Audit,
    ) -> Result<NewOrganizationKey, RegistryError> {
        let (text, digest) = self.key.mint(SecretKind::OrganizationKey)?;
        let key = self.passwords.hash(text.clone(), digest).await?;
        let organization = self.store.replace_organization_key(id, key, audit).await?;
        self.forget_organization(id);
        let organization = organization.ok_or(RegistryError::Absent)?;
        Ok(NewOrganizationKey { organization, key: text })
    }

    /// Deletes an organisation without others below it, with its clients; their tokens die at once.
    ///
    /// # Errors
    /// [`RegistryError::Absent`], [`RegistryError::HasChildren`]; else what the store says.
    pub async fn delete_organization(&self, id: OrganizationId, audit: Audit) -> Result<(), RegistryError> {
        let outcome = self.store.delete_organization(id, audit).await?;
        self.forget_organization(id);
        match outcome {
            DeleteOrganization::Deleted(clients) => {
                for client in clients {
                    self.forget_client(client);
                }
                Ok(())
            }
            DeleteOrganization::Absent => Err(RegistryError::Absent),
            DeleteOrganization::HasChildren => Err(RegistryError::HasChildren),
        }
    }

    /// One organisation, as the store has it.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        Ok(self.store.organization(id).await?.map(|found| found.organization))
    }

    /// All organisations, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn list_organizations(&self, page: Page) -> Result<PageOf<Organization>, StoreError> {
        self.store.organizations(page).await
    }

    /// The ids of all organisations below one.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn descendants(&self, id: OrganizationId) -> Result<Vec<OrganizationId>, StoreError> {
        self.store.descendants(id).await
    }
}
