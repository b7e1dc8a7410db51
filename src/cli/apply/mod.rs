//! `client apply`: an organisation's clients brought to what a file says.
//!
//! File and store are read and compared (`plan`) and everything is checked before the first change; then the steps are
//! taken one by one (`work`) and told (`entry`). A second run finds nothing left to do.

mod entry;
mod interrupt;
mod plan;
mod secrets;
mod tell;
mod work;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Context, Format, client,
    context::with_services_of,
    output::{Failure, print, say},
};
use crate::{
    app::{AppError, Services},
    config::{DeclaredClient, Loaded, Purpose, load_clients},
    model::OrganizationId,
    registry::Registry,
    store::OpenError,
};
use entry::{Tense, as_json, in_a_line, in_words, summary};
use interrupt::Interrupt;
use plan::{Action, Step, plan};
use secrets::SecretsDir;
use tell::Teller;
use work::{Done, NewSecret, Outcome, Work};

/// Why there is no dry run on a store of an older schema.
const AS_IT_IS: &str = "A dry run leaves the store as it is. Any other verb brings it to the newest schema, such as \
                        `portcullis client list`.";

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The list of clients; config/clients.toml shows its form
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The organisation that owns the clients
    #[arg(long, value_name = "ID")]
    org: OrganizationId,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete the organisation's clients that are not in the file; their tokens die at once
    #[arg(long)]
    prune: bool,
    /// Write each new secret into a file of this folder, named by the client's id, instead of showing it
    #[arg(long, value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
}

/// Does it.
pub(super) fn run(verb: &Apply, context: &Context) -> Result<(), Failure> {
    let loaded = context.load(Purpose::Check)?;
    let declared = load_clients(&verb.file, &loaded.settings.tokens).map_err(|report| {
        say(report.render(false));
        Failure::Said(2)
    })?;
    look_for_store(&loaded, verb.org)?;
    if verb.dry_run {
        // Opening it would bring it to the newest schema.
        Services::check_schema(&loaded.settings).map_err(|error| match &error {
            AppError::Store(OpenError::Older { .. }) => Failure::Failed(format!("{error}\n{AS_IT_IS}")),
            _ => Failure::failed(error),
        })?;
    }
    with_services_of(&loaded, async |services, _| {
        let registry = &services.registry;
        let steps = steps(verb, declared, registry).await?;
        if verb.dry_run {
            show_plan(&steps, context.format)
        } else {
            take(&steps, verb, context.format, registry).await
        }
    })
}

/// Refuses to go on without a store: there would be no organisation in it, and opening it would make it.
fn look_for_store(loaded: &Loaded, organization: OrganizationId) -> Result<(), Failure> {
    let store: &Path = &loaded.settings.store;
    let is_absent = match fs::metadata(store) {
        Ok(found) => found.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_absent {
        return Ok(());
    }
    let path = store.display();
    Err(Failure::Failed(format!(
        "there is no organisation {organization}: there is no store at {path} yet\n`portcullis org create NAME` makes both"
    )))
}

async fn steps(verb: &Apply, declared: Vec<DeclaredClient>, registry: &Registry) -> Result<Vec<Step>, Failure> {
    let existing = client::all_of(verb.org, registry).await?;
    plan(declared, existing, verb.prune).map_err(|ambiguous| {
        let lines: Vec<String> = ambiguous.iter().map(ToString::to_string).collect();
        let lines = lines.join("\n");
        Failure::Failed(format!(
            "{lines}\nNothing was changed. A client is known by its name here: give the others another one with \
             `portcullis client update ID --name NAME`, or delete them."
        ))
    })
}

fn show_plan(steps: &[Step], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => print(steps.iter().map(|step| as_json(step, None)).collect::<serde_json::Value>())?,
        Format::Text => steps.iter().try_for_each(|step| print(in_words(step, None, Tense::Planned)))?,
    }
    say(format_args!("A dry run, nothing was changed: {}", summary(steps, Tense::Planned)));
    Ok(())
}

/// Takes the steps and tells of each one that is taken, whatever becomes of the others.
async fn take(steps: &[Step], verb: &Apply, format: Format, registry: &Registry) -> Result<(), Failure> {
    let makes_secrets = steps.iter().any(|step| step.action() == Action::Create);
    let secrets = verb.secrets_dir.as_deref().filter(|_| makes_secrets).map(SecretsDir::open).transpose();
    let secrets = secrets.map_err(|reason| Failure::Failed(format!("{reason}\nNothing was changed.")))?;
    let interrupt = Interrupt::watch().map_err(Failure::failed)?;
    if makes_secrets && secrets.is_none() {
        say("New secrets are shown this once; keep them safe.");
    }
    let mut teller = Teller::begin(format)?;
    let work = Work { registry, organization: verb.org, secrets, interrupt };
    let Outcome { done, trouble } = work.carry_out(steps, |done| teller.tell(done)).await;
    let Err(failure) = trouble.and(teller.end()) else {
        say(summary(steps, Tense::Done));
        return Ok(());
    };
    say_how_far(steps, &done);
    Err(failure)
}

/// What was changed and what was not.
fn say_how_far(steps: &[Step], done: &[Done<'_>]) {
    let line = |step, done, tense| format!("  {}\n", in_a_line(step, done, tense));
    let taken = done.iter().filter(|done| done.step.action().is_change());
    let taken: String = taken.map(|done| line(done.step, Some(done), Tense::Done)).collect();
    let left = steps.iter().skip(done.len()).filter(|step| step.action().is_change());
    let left: String = left.map(|step| line(step, None, Tense::Planned)).collect();
    let shown = |lines: String| if lines.is_empty() { "  nothing\n".to_owned() } else { lines };
    say(format_args!("Changed:\n{}Not changed:\n{}The same command goes on from here.", shown(taken), shown(left)));
    if done.iter().any(|done| matches!(done.secret, NewSecret::Shown(_))) {
        say("A secret that you did not get to see is replaced by `portcullis client rotate ID`.");
    }
}
