//! The steps are taken, one by one, until all are or one cannot be.

use std::path::PathBuf;

use super::{
    super::{context::audit, output::Failure},
    interrupt::Interrupt,
    plan::Step,
    secrets::SecretsDir,
};
use crate::{
    config::DeclaredClient,
    model::{ClientId, OrganizationId, SecretText},
    registry::{ClientDraft, Registry, RegistryError},
    store::ClientUpdate,
};

/// What the steps are taken with.
#[derive(Debug)]
pub(super) struct Work<'w> {
    pub(super) registry: &'w Registry,
    pub(super) organization: OrganizationId,
    /// Where new secrets go; without one they are shown.
    pub(super) secrets: Option<SecretsDir>,
    /// What ends the work before the next change.
    pub(super) interrupt: Interrupt,
}

/// A step that is taken.
#[derive(Debug)]
pub(super) struct Done<'s> {
    pub(super) step: &'s Step,
    /// The client that it was about.
    pub(super) id: Option<ClientId>,
    pub(super) secret: NewSecret,
}

/// Where the secret is that a step made.
#[derive(Debug)]
pub(super) enum NewSecret {
    /// It made none.
    None,
    /// It has to be shown.
    Shown(SecretText),
    /// It is in this file.
    Kept(PathBuf),
}

/// How far the steps were taken: all of them, or those before the trouble.
#[derive(Debug)]
pub(super) struct Outcome<'s> {
    pub(super) done: Vec<Done<'s>>,
    pub(super) trouble: Result<(), Failure>,
}

impl Work<'_> {
    /// Takes the steps in order and `tell`s of each. Stops at the first that fails, whose secret cannot be kept, or
    /// that cannot be told, and before the first change after an interrupt.
    pub(super) async fn carry_out<'s>(
        &self,
        steps: &'s [Step],
        mut tell: impl FnMut(&Done<'s>) -> Result<(), Failure>,
    ) -> Outcome<'s> {
        let mut done = Vec::new();
        for step in steps {
            if let Some(signal) = self.interrupt.signal().filter(|_| step.action().is_change()) {
                return Outcome { done, trouble: Err(Failure::Failed(format!("interrupted by {signal}"))) };
            }
            let mut taken = match self.take(step).await {
                Ok(taken) => taken,
                Err(error) => {
                    let trouble =
                        Err(Failure::Failed(format!("cannot {} {}: {error}", step.action().name(), step.name())));
                    return Outcome { done, trouble };
                }
            };
            // A secret that cannot be kept is shown: it is nowhere else.
            let kept = self.keep_secret(&mut taken);
            let told = tell(&taken);
            done.push(taken);
            let trouble = kept.and(told);
            if trouble.is_err() {
                return Outcome { done, trouble };
            }
        }
        Outcome { done, trouble: Ok(()) }
    }

    async fn take<'s>(&self, step: &'s Step) -> Result<Done<'s>, RegistryError> {
        let mut done = Done { step, id: step.id(), secret: NewSecret::None };
        match step {
            Step::Create(declared) => {
                let new = self.registry.create_client_unless_named(self.organization, draft(declared), audit()).await?;
                done.id = Some(new.client.id);
                done.secret = NewSecret::Shown(new.secret);
            }
            Step::Update(client, declared) => {
                self.registry.update_client(client.id, update(declared), audit()).await?;
            }
            Step::Delete(client) => self.registry.delete_client(client.id, audit()).await?,
            Step::Keep(_) | Step::Leave(_) => {}
        }
        Ok(done)
    }

    fn keep_secret(&self, done: &mut Done<'_>) -> Result<(), Failure> {
        let (Some(secrets), Some(id), NewSecret::Shown(secret)) = (&self.secrets, done.id, &done.secret) else {
            return Ok(());
        };
        let place = secrets.place(id);
        secrets.keep(id, secret).map_err(|error| {
            let name = done.step.name();
            Failure::Failed(format!(
                "the secret of {name} ({id}) cannot be written to {}: {error}\nIt was shown instead, this once; keep it \
                 safe.",
                place.display()
            ))
        })?;
        done.secret = NewSecret::Kept(place);
        Ok(())
    }
}

fn draft(declared: &DeclaredClient) -> ClientDraft {
    let declared = declared.clone();
    ClientDraft {
        name: declared.name,
        scopes: declared.scopes,
        default_scopes: declared.default_scopes,
        audiences: declared.audiences,
        token_duration: Some(declared.token_duration),
        enabled: declared.enabled,
        refresh_token_duration: None,
        redirect_uris: None,
    }
}

/// Every declared field is set, so that the client is as declared whatever else happened to it meanwhile.
fn update(declared: &DeclaredClient) -> ClientUpdate {
    let declared = declared.clone();
    ClientUpdate {
        scopes: Some(declared.scopes),
        default_scopes: Some(declared.default_scopes),
        audiences: Some(declared.audiences),
        token_duration: Some(declared.token_duration),
        enabled: Some(declared.enabled),
        ..ClientUpdate::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::plan::{plan, tests::declared},
        *,
    };
    use crate::{config::DeclaredClient, model::Client, store::Page, tokens::testing::World};

    async fn clients(world: &World, organization: OrganizationId) -> Vec<Client> {
        world.registry.list_clients(organization, Page { after: None, limit: 100 }).await.unwrap().items
    }

    fn work(world: &World, organization: OrganizationId) -> Work<'_> {
        Work { registry: &world.registry, organization, secrets: None, interrupt: Interrupt::default() }
    }

    #[tokio::test]
    async fn a_list_is_carried_out_once_and_then_no_more() {
        let world = World::new();
        let organization = world.organization(None).await.organization.id;
        world.client(organization, "a", "").await;
        let off =
            DeclaredClient { enabled: false, default_scopes: Some("b".parse().unwrap()), ..declared("off", "b c") };
        let wanted = vec![off, DeclaredClient { audiences: "x".parse().unwrap(), ..declared("Partner", "a b") }];
        let steps = plan(wanted.clone(), clients(&world, organization).await, true).unwrap();
        let outcome = work(&world, organization).carry_out(&steps, |_| Ok(())).await;
        assert!(outcome.trouble.is_ok(), "{outcome:?}");
        let again = plan(wanted, clients(&world, organization).await, true).unwrap();
        assert!(again.iter().all(|step| matches!(step, Step::Keep(_))), "{again:?}");
    }

    #[tokio::test]
    async fn what_fails_midway_leaves_what_was_done_and_stops() {
        let world = World::new();
        let organization = world.organization(None).await.organization.id;
        let partner = world.client(organization, "a", "").await;
        let other = DeclaredClient { name: "Other".parse().unwrap(), ..declared("x", "a") };
        let wanted = vec![other, declared("Partner", "b")];
        let mut steps = plan(wanted, clients(&world, organization).await, true).unwrap();
        steps.push(Step::Delete(partner.client.clone()));
        world.registry.delete_client(partner.client.id, audit()).await.unwrap();
        let mut told = 0;
        let outcome = work(&world, organization)
            .carry_out(&steps, |_| {
                told += 1;
                Ok(())
            })
            .await;
        assert_eq!((outcome.done.len(), told), (1, 1));
        assert!(matches!(outcome.done[0].secret, NewSecret::Shown(_)));
        let Err(Failure::Failed(reason)) = outcome.trouble else { panic!("{outcome:?}") };
        assert_eq!(reason, "cannot update Partner: there is none of this id");
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_written_is_shown_and_ends_the_work() {
        let world = World::new();
        let organization = world.organization(None).await.organization.id;
        let folder = tempfile::tempdir().unwrap();
        let secrets = Some(SecretsDir::open(folder.path()).unwrap());
        folder.close().unwrap();
        let steps = plan(vec![declared("a", "a"), declared("b", "a")], Vec::new(), false).unwrap();
        let mut shown = Vec::new();
        let outcome = Work { secrets, ..work(&world, organization) }
            .carry_out(&steps, |done| {
                shown.extend(done.id.filter(|_| matches!(done.secret, NewSecret::Shown(_))));
                Ok(())
            })
            .await;
        assert_eq!((outcome.done.len(), shown.len()), (1, 1));
        let Err(Failure::Failed(reason)) = outcome.trouble else { panic!("{outcome:?}") };
        assert!(reason.contains(&shown[0].to_string()) && !reason.contains("prt_cs_"), "{reason}");
        assert_eq!(clients(&world, organization).await.len(), 1);
    }

    #[tokio::test]
    async fn an_interrupt_ends_the_work_before_the_next_change_and_not_after_the_last() {
        let world = World::new();
        let organization = world.organization(None).await.organization.id;
        let mut steps = plan(vec![declared("a", "a"), declared("b", "a")], Vec::new(), false).unwrap();
        let first = work(&world, organization);
        let outcome = first
            .carry_out(&steps, |done| {
                assert!(matches!(done.secret, NewSecret::Shown(_)));
                first.interrupt.raise();
                Ok(())
            })
            .await;
        let Err(Failure::Failed(reason)) = outcome.trouble else { panic!("{outcome:?}") };
        assert_eq!((outcome.done.len(), reason.as_str()), (1, "interrupted by SIGTEST"));
        assert_eq!(clients(&world, organization).await.len(), 1);

        steps.remove(0);
        steps.push(Step::Keep(clients(&world, organization).await.remove(0)));
        let last = work(&world, organization);
        let outcome = last
            .carry_out(&steps, |_| {
                let _first_time = last.interrupt.signal().is_none().then(|| last.interrupt.raise());
                Ok(())
            })
            .await;
        assert!(outcome.trouble.is_ok() && outcome.done.len() == 2, "{outcome:?}");
    }

    #[tokio::test]
    async fn a_client_that_another_run_created_meanwhile_is_not_created_twice() {
        let world = World::new();
        let organization = world.organization(None).await.organization.id;
        let steps = plan(vec![declared("a", "a")], Vec::new(), false).unwrap();
        assert!(work(&world, organization).carry_out(&steps, |_| Ok(())).await.trouble.is_ok());
        let outcome = work(&world, organization).carry_out(&steps, |_| Ok(())).await;
        let Err(Failure::Failed(reason)) = outcome.trouble else { panic!("{outcome:?}") };
        assert_eq!(reason, "cannot create a: a client of this name has been created meanwhile");
        assert_eq!(clients(&world, organization).await.len(), 1);
    }

    #[tokio::test]
    async fn what_cannot_be_told_ends_the_work() {
        let world = World::new();
        let organization = world.organization(None).await.organization.id;
        let steps = plan(vec![declared("a", "a"), declared("b", "a")], Vec::new(), false).unwrap();
        let outcome = work(&world, organization).carry_out(&steps, |_| Err(Failure::Said(1))).await;
        assert!(outcome.trouble.is_err());
        assert_eq!((outcome.done.len(), clients(&world, organization).await.len()), (1, 1));
    }
}
