//! What the Deployment asks for, as far as the status speaks of it: the version that pipelines wait for, and pods that it
//! should not ask for.

use tidegate_api::{AdoptionStep, Scaled, WorkloadStatus};

use crate::{
    plan::{Planner, configuration, contention},
    workload::{Deployment, template},
};

impl Planner<'_> {
    /// Writes down which generation of the Deployment was looked at.
    pub(super) fn note_workload(&mut self) {
        let workload = self.observed.living_workload().map(|workload| WorkloadStatus {
            observed_generation: workload.metadata.generation,
            images: template::images(&workload.spec.template),
            scaled: self.scaled(workload),
        });
        self.status.note_workload(workload);
    }

    /// Whether the stable version is the one that the Deployment asks for. One that waits, since the Rollout is paused or
    /// has no pods, is not the one that serves.
    pub(super) fn serves_what_is_asked(&self) -> bool {
        let Some(asked) = configuration::asked(self.observed) else { return false };
        let stable = self.status.stable.as_ref().and_then(|stable| self.observed.replica_set(&stable.replica_set));
        stable.is_some_and(|set| asked.is_held_by(set))
    }

    /// That the Deployment does not ask for the image of the release yet, in a sentence.
    ///
    /// What is applied together is not seen together: nothing that is known of the Deployment answers for that release.
    pub(super) fn awaited_image(&self) -> Option<String> {
        let image = self.rollout.spec.workload.image.as_ref()?;
        let asked = template::images(&self.observed.living_workload()?.spec.template);
        if asked.contains(image) {
            return None;
        }
        let name = &self.rollout.spec.workload.name;
        Some(format!("Deployment {name} does not ask for {image} yet, but for {}", asked.join(", ")))
    }

    /// Who else asked the Deployment for pods. What was asked is written back, and with that the object says no more who
    /// it was; that somebody changes it the next time without a count says that it is over.
    fn scaled(&self, workload: &Deployment) -> Option<Scaled> {
        let step = self.status.adoption.as_ref().map(|adoption| adoption.step);
        if step != Some(AdoptionStep::Adopted) {
            return None;
        }
        let generation = workload.metadata.generation.unwrap_or(0);
        let known = self.status.workload.as_ref().and_then(|workload| workload.scaled.clone());
        if workload.replicas() == 0 {
            return known.filter(|known| generation <= known.generation + 1);
        }
        let known = known.map(|known| known.manager).filter(|manager| !manager.is_empty());
        let manager =
            self.observed.editors.get(&contention::workload_name(self.rollout)).cloned().or(known).unwrap_or_default();
        Some(Scaled { manager, generation })
    }

    /// The warning about it.
    pub(super) fn warn_of_replicas(&self) -> Option<String> {
        let scaled = self.status.workload.as_ref()?.scaled.as_ref()?;
        let who = if scaled.manager.is_empty() { "somebody" } else { scaled.manager.as_str() };
        let name = &self.rollout.spec.workload.name;
        Some(format!(
            "{who} sets spec.replicas of Deployment {name}: while no operator looks, the pods that it then starts serve unjudged; leave spec.replicas out of the Deployment, the count is the Rollout's"
        ))
    }
}
