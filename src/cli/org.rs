//! `org`: the organisations that own clients.

use clap::Subcommand;

use super::{
    Context,
    context::audit,
    output::{Failure, fields, say, show},
};
use crate::{
    manage::{NewOrganizationView, OrganizationView},
    model::{Name, OrganizationId},
    registry::NewOrganizationKey,
    store::Page,
};

#[derive(Debug, Subcommand)]
pub(super) enum Org {
    /// Create an organisation; its API key is shown this once
    Create {
        /// Its name
        name: Name,
        /// The organisation above it
        #[arg(long, value_name = "ID")]
        parent: Option<OrganizationId>,
    },
    /// List all organisations
    List,
    /// Show one organisation
    Show {
        /// Its id
        id: OrganizationId,
    },
    /// Delete an organisation that has none below it, with its clients; their tokens die at once
    Delete {
        /// Its id
        id: OrganizationId,
    },
    /// Give an organisation a new API key, shown this once; the old one dies
    RotateKey {
        /// Its id
        id: OrganizationId,
    },
}

/// Does one of them.
pub(super) fn run(verb: Org, context: &Context) -> Result<(), Failure> {
    let format = context.format;
    context.with_services(async |services, _| {
        let registry = &services.registry;
        let show_key = |new: &NewOrganizationKey| show(format, &NewOrganizationView::from(new), new_in_words);
        match verb {
            Org::Create { name, parent } => show_key(&registry.create_organization(name, parent, audit()).await?),
            Org::RotateKey { id } => show_key(&registry.rotate_organization_key(id, audit()).await?),
            Org::List => {
                let mut all = Vec::new();
                let mut page = Page { after: None, limit: 1000 };
                loop {
                    let found = registry.list_organizations(page).await?;
                    all.extend(found.items);
                    let Some(next) = found.next else { break };
                    page.after = Some(next);
                }
                let views: Vec<OrganizationView<'_>> = all.iter().map(OrganizationView::from).collect();
                show(format, &views, |views| views.iter().map(line).collect())
            }
            Org::Show { id } => {
                let found = registry.find_organization(id).await?;
                let found = found.ok_or_else(|| Failure::Failed(format!("there is no organisation {id}")))?;
                show(format, &OrganizationView::from(&found), in_words)
            }
            Org::Delete { id } => {
                registry.delete_organization(id, audit()).await?;
                say(format_args!("{id} is deleted"));
                Ok(())
            }
        }
    })
}

fn line(view: &OrganizationView<'_>) -> String {
    let parent = view.parent_id.map(|parent| format!("  (below {parent})")).unwrap_or_default();
    format!("{}  {}{parent}\n", view.id, view.org_name)
}

fn in_words(view: &OrganizationView<'_>) -> String {
    fields(&[
        ("id", Some(view.id.to_string())),
        ("name", Some(view.org_name.to_string())),
        ("parent", view.parent_id.map(|parent| parent.to_string())),
        ("created", Some(view.created_at.to_string())),
    ])
}

fn new_in_words(view: &NewOrganizationView<'_>) -> String {
    say("The API key is shown this once; keep it safe.");
    in_words(&view.organization) + "\n" + &fields(&[("api key", Some(view.api_key.to_string()))])
}
