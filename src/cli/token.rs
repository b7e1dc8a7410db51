//! `token`: issue, look at, revoke, list. A token's text comes in by standard input or a file, never as an argument.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use clap::{Args, Subcommand};

use super::{
    Context,
    context::audit,
    output::{Failure, fields, say, show},
};
use crate::{
    manage::TokenView,
    model::{Audience, AudienceSet, ClientId, Scope, ScopeSet, SecretText},
    oauth::{Introspection, TokenReply},
    store::Page,
    tokens::{IssueRequest, Unresolved},
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenVerb {
    /// Issue a token for a client; it is shown this once
    Issue {
        /// The client
        #[arg(long, value_name = "ID")]
        client: ClientId,
        /// A scope of the client [default: its default scopes]; may be repeated
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// An audience of the client [default: all of them]; may be repeated
        #[arg(long = "audience", value_name = "AUDIENCE")]
        audiences: Vec<Audience>,
    },
    /// Show what tokens grant, read one a line from standard input
    Introspect(Texts),
    /// Revoke tokens, read one a line from standard input
    Revoke(Texts),
    /// List the living tokens of a client
    List {
        /// The client
        #[arg(long, value_name = "ID")]
        client: ClientId,
    },
}

/// Where texts of tokens come from.
#[derive(Debug, Args)]
pub(super) struct Texts {
    /// Read the tokens from this file instead
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Taken only to be refused in words that do not repeat it
    #[arg(hide = true)]
    arguments: Vec<String>,
}

impl Texts {
    fn read(self) -> Result<Vec<SecretText>, Failure> {
        if !self.arguments.is_empty() {
            return Err(Failure::Usage(
                "a token is not an argument, which every user of this machine can see\n\
                 Give it at standard input, one a line, or in a file: --token-file FILE"
                    .to_owned(),
            ));
        }
        let source: Box<dyn Read> = match &self.token_file {
            Some(file) => Box::new(
                std::fs::File::open(file)
                    .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", file.display())))?,
            ),
            None => Box::new(io::stdin()),
        };
        let mut texts = Vec::new();
        for line in BufReader::new(source).lines() {
            let line = line.map_err(|error| Failure::Failed(format!("cannot read the tokens: {error}")))?;
            if !line.trim().is_empty() {
                texts.push(SecretText::new(line.trim().to_owned()));
            }
        }
        if texts.is_empty() {
            return Err(Failure::Usage("no token: give it at standard input, one a line".to_owned()));
        }
        Ok(texts)
    }
}

/// Does one of them.
pub(super) fn run(verb: TokenVerb, context: &Context) -> Result<(), Failure> {
    match verb {
        TokenVerb::Issue { client, scopes, audiences } => issue(client, scopes, &audiences, context),
        TokenVerb::Introspect(texts) => introspect(&texts.read()?, context),
        TokenVerb::Revoke(texts) => revoke(&texts.read()?, context),
        TokenVerb::List { client } => list(client, context),
    }
}

fn issue(id: ClientId, scopes: Vec<Scope>, audiences: &[Audience], context: &Context) -> Result<(), Failure> {
    let scopes = (!scopes.is_empty()).then(|| ScopeSet::new(scopes)).transpose();
    let texts = audiences.iter().map(Audience::as_str);
    let audiences = (!audiences.is_empty()).then(|| AudienceSet::from_texts(texts)).transpose();
    let request = IssueRequest {
        scopes: scopes.map_err(|error| Failure::Usage(error.to_string()))?,
        audiences: audiences.map_err(|error| Failure::Usage(error.to_string()))?,
    };
    context.with_services(async |services, _| {
        if services.registry.client(id).await?.is_none() {
            return Err(Failure::Failed(format!("there is no client {id}")));
        }
        let client = services.registry.vouch_for(id).await.map_err(|_| disabled(id))?;
        let issued = services.tokens.issue(&client, &request).await?;
        show(context.format, &TokenReply::from(&issued), |reply| {
            say(format_args!("The token is shown this once. It expires in {} s.", reply.expires_in));
            reply.access_token.to_string()
        })
    })
}

fn disabled(id: ClientId) -> Failure {
    Failure::Failed(format!("{id} is disabled: enable it first"))
}

fn introspect(texts: &[SecretText], context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, loaded| {
        for text in texts {
            let grant = match services.tokens.resolve(text.expose()).await {
                Ok(grant) => Some(grant),
                Err(Unresolved::Invalid) => None,
                Err(Unresolved::Unavailable(error)) => return Err(error.into()),
            };
            let reply = Introspection::of(grant.as_ref().map(|grant| &***grant), &loaded.settings.public_url);
            show(context.format, &reply, |reply| {
                let Some(token) = &reply.token else { return "not active".to_owned() };
                fields(&[
                    ("active", Some("yes".to_owned())),
                    ("client id", Some(token.client_id.to_string())),
                    ("owner", Some(token.sub.to_string())),
                    ("scopes", Some(token.scope.clone())),
                    ("audiences", (!token.aud.is_empty()).then(|| token.aud.to_string())),
                    ("token id", Some(token.jti.to_string())),
                ])
            })?;
        }
        Ok(())
    })
}

fn revoke(texts: &[SecretText], context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, _| {
        for text in texts {
            let was_alive = services.tokens.revoke_any(text.expose(), audit()).await?;
            say(if was_alive { "revoked" } else { "nothing to revoke: no living token has this text" });
        }
        Ok(())
    })
}

fn list(id: ClientId, context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, _| {
        if services.registry.client(id).await?.is_none() {
            return Err(Failure::Failed(format!("there is no client {id}")));
        }
        let mut all = Vec::new();
        let mut page = Page { after: None, limit: 1000 };
        loop {
            let found = services.tokens.list(id, page).await?;
            all.extend(found.items);
            let Some(next) = found.next else { break };
            page.after = Some(next);
        }
        let views: Vec<TokenView<'_>> = all.iter().map(TokenView::from).collect();
        show(context.format, &views, |views| {
            let line = |view: &TokenView<'_>| format!("{}  until {}  {}\n", view.jti, view.exp, view.scopes);
            views.iter().map(line).collect()
        })
    })
}
