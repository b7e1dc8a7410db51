//! `client`: the programs that ask for tokens.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{
    Context, Format,
    apply::{self, Apply},
    context::audit,
    output::{Failure, fields, say, show},
};
use crate::{
    manage::{ClientView, NewClientView, NewSecretView},
    model::{Audience, AudienceSet, Client, ClientId, Name, OrganizationId, Scope, ScopeSet, parse_duration},
    registry::{ClientDraft, Registry},
    store::{ClientUpdate, Page},
};

#[derive(Debug, Subcommand)]
pub(super) enum ClientVerb {
    /// Create a client; its secret is shown this once
    Create {
        /// The organisation that owns it
        #[arg(long, value_name = "ID")]
        org: OrganizationId,
        #[command(flatten)]
        fields: Fields,
    },
    /// Bring the clients of an organisation to what a file says
    Apply(Apply),
    /// List the clients of an organisation
    List {
        /// The organisation
        #[arg(long, value_name = "ID")]
        org: OrganizationId,
    },
    /// Show one client
    Show {
        /// Its id
        id: ClientId,
    },
    /// Change a client; what is not named stays
    Update {
        /// Its id
        id: ClientId,
        #[command(flatten)]
        fields: Fields,
    },
    /// Refuse a client and its tokens until it is enabled again
    Disable {
        /// Its id
        id: ClientId,
    },
    /// Take a disabled client and its unexpired tokens back
    Enable {
        /// Its id
        id: ClientId,
    },
    /// Give a client a new secret, shown this once
    Rotate {
        /// Its id
        id: ClientId,
        /// How long the old secrets live on, such as 7d; without it they die at once
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        overlap: Option<Duration>,
    },
    /// Delete a client; its tokens die at once
    Delete {
        /// Its id
        id: ClientId,
    },
}

/// What a client is to be.
#[derive(Debug, Args)]
pub(super) struct Fields {
    /// Its name
    #[arg(long)]
    name: Option<Name>,
    /// A scope that its tokens may have; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// A scope that a token has when none is asked for [default: all of them]; may be repeated
    #[arg(long = "default-scope", value_name = "SCOPE")]
    default_scopes: Vec<Scope>,
    /// An audience that its tokens may have; may be repeated
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<Audience>,
    /// How long its tokens live, such as 1h [default: tokens.duration]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    token_duration: Option<Duration>,
}

/// The fields that are named, in the types of the registry.
struct Named {
    name: Option<Name>,
    scopes: Option<ScopeSet>,
    default_scopes: Option<ScopeSet>,
    audiences: Option<AudienceSet>,
    token_duration: Option<Duration>,
}

impl Fields {
    fn named(self) -> Result<Named, Failure> {
        let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
        let scopes = |scopes: Vec<Scope>| {
            let set = (!scopes.is_empty()).then(|| ScopeSet::new(scopes));
            set.transpose().map_err(|error| usage(&error))
        };
        let texts: Vec<&str> = self.audiences.iter().map(Audience::as_str).collect();
        let audiences = (!texts.is_empty()).then(|| AudienceSet::from_texts(texts)).transpose();
        Ok(Named {
            name: self.name,
            scopes: scopes(self.scopes)?,
            default_scopes: scopes(self.default_scopes)?,
            audiences: audiences.map_err(|error| usage(&error))?,
            token_duration: self.token_duration,
        })
    }

    fn draft(self) -> Result<ClientDraft, Failure> {
        let named = self.named()?;
        let missing = |flag: &str| Failure::Usage(format!("a client needs {flag}"));
        Ok(ClientDraft {
            name: named.name.ok_or_else(|| missing("--name NAME"))?,
            scopes: named.scopes.ok_or_else(|| missing("at least one --scope SCOPE"))?,
            default_scopes: named.default_scopes,
            audiences: named.audiences.unwrap_or_default(),
            token_duration: named.token_duration,
            enabled: true,
            refresh_token_duration: None,
            redirect_uris: None,
        })
    }

    fn update(self) -> Result<ClientUpdate, Failure> {
        let named = self.named()?;
        Ok(ClientUpdate {
            name: named.name,
            scopes: named.scopes,
            default_scopes: named.default_scopes.map(Some),
            audiences: named.audiences,
            token_duration: named.token_duration,
            ..ClientUpdate::default()
        })
    }
}

/// Does one of them.
pub(super) fn run(verb: ClientVerb, context: &Context) -> Result<(), Failure> {
    match verb {
        ClientVerb::Create { org, fields } => create(org, fields.draft()?, context),
        ClientVerb::Apply(verb) => apply::run(&verb, context),
        ClientVerb::List { org } => list(org, context),
        ClientVerb::Show { id } => context.with_services(async |services, _| {
            let found = services.registry.find_client(id).await?;
            let found = found.ok_or_else(|| Failure::Failed(format!("there is no client {id}")))?;
            show_client(context.format, &found.client)
        }),
        ClientVerb::Update { id, fields } => update(id, fields.update()?, context),
        ClientVerb::Disable { id } => update(id, enabled(false), context),
        ClientVerb::Enable { id } => update(id, enabled(true), context),
        ClientVerb::Rotate { id, overlap } => rotate(id, overlap.unwrap_or_default(), context),
        ClientVerb::Delete { id } => context.with_services(async |services, _| {
            services.registry.delete_client(id, audit()).await?;
            say(format_args!("{id} is deleted, and its tokens are dead"));
            Ok(())
        }),
    }
}

fn enabled(enabled: bool) -> ClientUpdate {
    ClientUpdate { enabled: Some(enabled), ..ClientUpdate::default() }
}

fn create(organization: OrganizationId, draft: ClientDraft, context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, _| {
        let new = services.registry.create_client(organization, draft, audit()).await?;
        show(context.format, &NewClientView::from(&new), |view| {
            say("The client's secret is shown this once; keep it safe.");
            in_words(&view.client) + "\n" + &fields(&[("client secret", Some(view.client_secret.to_string()))])
        })
    })
}

fn list(organization: OrganizationId, context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, _| {
        let all = all_of(organization, &services.registry).await?;
        let views: Vec<ClientView<'_>> = all.iter().map(ClientView::from).collect();
        show(context.format, &views, |views| {
            let state = |view: &ClientView<'_>| if view.enabled { "" } else { "  (disabled)" };
            let line = |view: &ClientView<'_>| format!("{}  {}{}\n", view.client_id, view.client_name, state(view));
            views.iter().map(line).collect()
        })
    })
}

/// The clients of an organisation, which must be there.
pub(super) async fn all_of(organization: OrganizationId, registry: &Registry) -> Result<Vec<Client>, Failure> {
    if registry.find_organization(organization).await?.is_none() {
        return Err(Failure::Failed(format!("there is no organisation {organization}")));
    }
    let mut all = Vec::new();
    let mut page = Page { after: None, limit: 1000 };
    loop {
        let found = registry.list_clients(organization, page).await?;
        all.extend(found.items);
        let Some(next) = found.next else { return Ok(all) };
        page.after = Some(next);
    }
}

fn update(id: ClientId, update: ClientUpdate, context: &Context) -> Result<(), Failure> {
    if update == ClientUpdate::default() {
        return Err(Failure::Usage("nothing to change: name at least one of the client's fields".to_owned()));
    }
    context.with_services(async |services, _| {
        let updated = services.registry.update_client(id, update, audit()).await?;
        show_client(context.format, &updated)
    })
}

fn rotate(id: ClientId, overlap: Duration, context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, _| {
        let new = services.registry.rotate_secret(id, overlap, audit()).await?;
        show(context.format, &NewSecretView::from(&new), |view| {
            let old = if overlap.is_zero() { "dead" } else { "good until the overlap ends" };
            say(format_args!("The new secret is shown this once; keep it safe. The old ones are {old}."));
            fields(&[("id", Some(view.secret.id.to_string())), ("client secret", Some(view.client_secret.to_string()))])
        })
    })
}

fn show_client(format: Format, client: &Client) -> Result<(), Failure> {
    show(format, &ClientView::from(client), in_words)
}

fn in_words(view: &ClientView<'_>) -> String {
    fields(&[
        ("client id", Some(view.client_id.to_string())),
        ("name", Some(view.client_name.to_string())),
        ("scopes", Some(view.scopes.to_string())),
        ("default scopes", view.default_scopes.map(ToString::to_string)),
        ("audiences", (!view.audiences.is_empty()).then(|| view.audiences.to_string())),
        ("token duration", Some(format!("{} s", view.access_token_duration))),
        ("state", Some(if view.enabled { "enabled" } else { "disabled" }.to_owned())),
        ("created", Some(view.created_at.to_string())),
        ("last used", view.last_used.map(|at| at.to_string())),
    ])
}
