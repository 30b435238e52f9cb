//! The types and reasons of conditions: one list, so that none is spelled twice.

/// Condition types.
///
/// `Reconciling` and `Stalled` follow kstatus: they are present and `True` only while they hold.
/// <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>
pub mod kind {
    use crate::described::described;

    described! {
        /// The version that the Deployment asks for is the one that serves.
        READY = "Ready";
        /// A new version is on its way and moving.
        PROGRESSING = "Progressing";
        /// The pods that are meant to serve do.
        HEALTHY = "Healthy";
        /// Nothing will happen until somebody acts. Present only while it holds.
        STALLED = "Stalled";
        /// The cluster is being brought to what the spec says. Present only while it holds.
        RECONCILING = "Reconciling";
        /// It works, but hardly as somebody wants it: nothing waits for it, and somebody should look. Present only while
        /// it holds.
        WARNING = "Warning";
    }
}

/// Reasons of conditions, transitions and events.
pub mod reason {
    use crate::reason::reasons;

    reasons! {
        /// The spec breaks a rule that the API server could not refuse, or cannot be decoded.
        INVALID_SPEC = "InvalidSpec", Warning =>
            "Mend the field that the message names. `tidegate lint` finds it without a cluster.";
        /// The Deployment does not exist.
        WORKLOAD_NOT_FOUND = "WorkloadNotFound", Warning =>
            "Create it. A Rollout keeps its Deployment: to use another one, delete the Rollout, which hands the pods \
             back, and make a new one.";
        /// `spec.workload` names another Deployment than the one whose pods the Rollout has, which an API server without CEL
        /// lets through.
        WORKLOAD_CHANGED = "WorkloadChanged", Warning =>
            "Name the former one again, or delete the Rollout, which hands the pods back, and make one for the other \
             Deployment.";
        /// The Service does not exist.
        SERVICE_NOT_FOUND = "ServiceNotFound", Warning =>
            "Create it. A Rollout keeps its Service: to use another one, delete the Rollout, which hands the pods back, \
             and make a new one.";
        /// The Service has no selector, or does not select the pods that serve or those of the Deployment; or the name of
        /// one of the two Services that a rollout needs is taken.
        SERVICE_UNUSABLE = "ServiceUnusable", Warning =>
            "Let the selector of the Service match labels that all versions have; rename a Service that is called as \
             those of the rollout, `<service>-stable` and `<service>-canary`.";
        /// The route does not exist.
        ROUTE_NOT_FOUND = "RouteNotFound", Warning =>
            "Create it, or name another under `spec.traffic`.";
        /// The route does not mention the Service, cannot carry weights, or cannot say what a stage asks for; or the
        /// operator may not read it, or not point it at the Services of a rollout.
        ROUTE_UNUSABLE = "RouteUnusable", Warning =>
            "Do what the message says: it names the route and what is missing. [traffic.md](../traffic.md) says what \
             each kind of route can do.";
        /// The gateway refuses the route as a rollout needs it. The route is taken back to what it said before, and the
        /// version waits, unjudged.
        ROUTE_REFUSED = "RouteRefused", Warning =>
            "Look at the status of the route for what the gateway does not take, and mend that. Then change the spec of \
             the Rollout or the pod template of the Deployment: a refused write is not tried again by itself.";
        /// The gateway has not said within the progress deadline that the route is in force.
        ROUTE_NOT_CONFIRMED = "RouteNotConfirmed", Warning =>
            "Look at the gateway and its controller. The rollout goes on when it speaks; where it never reports, set \
             `spec.traffic.gatewayAPI.acceptance` to `Ignored`.";
        /// Requests stopped, or failed for both versions, right after the route was written. It is taken back to what it
        /// said before, and the version waits, unjudged.
        ROUTE_BROKEN = "RouteBroken", Warning =>
            "Find out what the gateway makes of the route: the version is not to blame. Then change the spec of the \
             Rollout or the pod template of the Deployment: the write is not tried again by itself.";
        /// A route points at the Service, and the Rollout does not name it: its requests pass the weights by.
        ROUTE_NOT_NAMED = "RouteNotNamed", Warning =>
            "Name the route under `spec.traffic`, or point it elsewhere ([traffic.md](../traffic.md)).";
        /// The new version is certainly given another share of the requests than its weight promises, and has been for two
        /// minutes.
        SHARE_OFF = "ShareOff", Warning =>
            "Look for requests that go around the route or are counted twice, and for connections that stay open \
             ([traffic.md](../traffic.md)). `spec.traffic.onShareOff` says whether stages wait for it.";
        /// A check is past its `warn`. Nothing waits for it, and nothing goes back by it.
        CHECK_WARNS = "CheckWarns", Warning =>
            "Look at what the check asks for: the event has the numbers of the moment when it began, `status.checks` those \
             of now ([checks.md](../checks.md)).";
        /// A policy is attached to the Service, and to neither of those that a rollout adds: during a rollout, requests go
        /// without it.
        POLICY_NOT_ATTACHED = "PolicyNotAttached", Warning =>
            "Attach the same policy to `<service>-stable` and `<service>-canary` ([traffic.md](../traffic.md)).";
        /// The Gateway API, or the CRD of another kind of route, is not installed.
        ROUTE_KIND_MISSING = "GatewayAPINotInstalled", Warning =>
            "Install the CRDs, name another kind of route, or leave out `spec.traffic`.";
        /// No Prometheus endpoint of that name is configured.
        ENDPOINT_NOT_FOUND = "PrometheusEndpointNotFound", Warning =>
            "Name one that is, in `spec.analysis.prometheus`, or have it added to the configuration of the operator \
             ([install.md](../install.md)).";
        /// A check cannot be asked: its preset cannot tell the versions apart, its template is missing, or parameters do
        /// not fit.
        CHECK_UNUSABLE = "CheckUnusable", Warning =>
            "Mend the check that the message names; nothing is released before ([checks.md](../checks.md)).";
        /// A ConfigMap or a Secret that the Rollout tracks does not exist.
        CONFIGURATION_NOT_FOUND = "ConfigurationNotFound", Warning =>
            "Create it, or leave it out of `spec.track`. Until then no version starts, and no stage is left.";
        /// A ConfigMap or a Secret that the Rollout tracks cannot be read, or a copy of it cannot have the name that it
        /// needs.
        CONFIGURATION_UNUSABLE = "ConfigurationUnusable", Warning =>
            "Do what the message says: mostly a right that the operator lacks ([install.md](../install.md)).";
        /// Somebody deleted the copy of tracked configuration that the stable version reads, and it cannot be made again,
        /// since the object has another content by now.
        CONFIGURATION_LOST = "ConfigurationLost", Warning =>
            "Put the content back into the object: then the copy is made again. Or release another version.";
        /// The pod template does not refer to an object that the Rollout tracks: a change of it makes no version.
        CONFIGURATION_NOT_USED = "ConfigurationNotUsed", Warning =>
            "Leave it out of `spec.track`, or refer to it in `volumes`, `envFrom` or `env` of the pod template.";
        /// Another Rollout has the Deployment, the Service or the route already.
        CONFLICT = "Conflict", Warning =>
            "Delete one of the two Rollouts; where it is a route that both name, let one of them name another.";
        /// An autoscaler still targets the Deployment.
        AUTOSCALER_ON_WORKLOAD = "AutoscalerTargetsDeployment" =>
            "Point its `scaleTargetRef` at the Rollout: `apiVersion: tidegate.dev/v1alpha1`, `kind: Rollout`.";
        /// The Deployment has not finished its own rollout yet, is paused, or has pods of others behind its Service: it is
        /// not taken over before.
        WORKLOAD_INCOMPLETE = "DeploymentIncomplete" =>
            "Wait; where the message names pods that do not become ready, pods of others, or a pause, see to those.";
        /// The Deployment does not ask for `spec.workload.image` yet.
        WORKLOAD_BEHIND = "DeploymentBehind" =>
            "Wait for whatever writes the Deployment. If it has, the image in `spec.workload.image` is another one.";
        /// The Deployment's pods are being taken over.
        ADOPTING = "Adopting" => "Nothing.";
        /// The Deployment's pods were taken over.
        ADOPTED = "Adopted", Normal => "Nothing.";
        /// One version serves, none is on its way.
        STABLE = "Stable" => "Nothing.";
        /// The Deployment asks for another version than the one that serves, and it has not started yet.
        VERSION_WAITS = "VersionWaits" =>
            "The message says what it waits for: mostly nothing but a moment, else a window of the schedule, that the \
             Rollout is scaled to more than 0, or that the gateway accepts the route.";
        /// A new version was found, and its pods come up.
        STARTED = "RolloutStarted", Normal => "Nothing.";
        /// The weight of a stage is in force.
        STAGE_ENTERED = "StageEntered", Normal => "Nothing.";
        /// A stage was left with enough evidence.
        STAGE_PASSED = "StagePassed", Normal => "Nothing.";
        /// A version failed in a stage, and `onFailure` says `StepBack`: the stage before has its weight again, and is judged
        /// anew.
        STEPPED_BACK = "SteppedBack", Warning =>
            "The message says why, with the check, its value and its limit. Nothing has to be done: when the same stage, \
             or the one before it, fails again, all traffic goes back. To end it now, change the pod template of the \
             Deployment.";
        /// A check failed, and what the version may do without is switched off, as `degrade` says: it is judged anew then.
        DEGRADED = "Degraded", Warning =>
            "The message says which check failed, and who is asked to switch what off. Nothing has to be done: when the \
             version fails again, or nobody answers, `onFailure` applies. What was switched off stays off until somebody \
             switches it on.";
        /// A stage with a `drill` has passed: its traffic goes back to the stage before, to see that it does.
        DRILL_STARTED = "DrillStarted", Normal => "Nothing.";
        /// The traffic was back in time: the version goes on.
        DRILL_PASSED = "DrillPassed", Normal => "Nothing.";
        /// The traffic was not back in time: all of it goes back, as far as that is possible, and the version fails.
        DRILL_FAILED = "DrillFailed", Warning =>
            "Look at the routes and at who implements them: what took too long in the drill takes as long when it counts. \
             `kubectl describe` of the route shows what the gateway says.";
        /// The new version's pods are gone from behind the Service: its traffic goes back to stable until they are ready
        /// again.
        CANARY_LOST = "CanaryLost", Warning =>
            "Look at the pods of the new version: why they are not ready any more, or who deleted them.";
        /// A pod that answers the bad requests of a check, alone, is deleted, as `spec.analysis.suspectPod` says.
        SUSPECT_POD_REPLACED = "SuspectPodReplaced", Warning =>
            "Look at the node that the pod was on. A second one is not replaced.";
        /// `spec.paused` is set.
        PAUSED = "Paused" => "Set `spec.paused` to `false` to go on. A version that fails goes back nevertheless.";
        /// A check failed, and `onFailure` says to hold: the version keeps the traffic that it has.
        CHECK_FAILED = "CheckFailed", Warning =>
            "The message has the check, its value and its limit. Change the pod template of the Deployment, back to \
             the version that works or on to one that does.";
        /// The deadline of the stage passed without enough evidence, and the rollout is held.
        INCONCLUSIVE = "Inconclusive", Warning =>
            "The message says which check lacks what. More requests, a larger weight or a wider limit decide sooner; \
             `tidegate plan` says how long it takes. `spec.onInconclusive` says what happens then.";
        /// The new version passed its last stage, and is the stable one.
        PROMOTED = "Promoted", Normal => "Nothing.";
        /// A version that was stable before is stable again: after `RolledBack`, or after a `WatchFailed`.
        CAME_BACK = "CameBack", Normal => "Nothing.";
        /// The new version failed by a check, by a deadline, or since its pods did not become ready: all traffic goes back
        /// to the stable version, and this one is not tried again.
        REVERTED = "Reverted", Warning =>
            "The message says why, with the check, its value and its limit. Change the pod template of the Deployment: \
             anything in it that differs is a new version, and starts anew.";
        /// The new pods did not become ready in time, and `onFailure` says to hold.
        PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded", Warning =>
            "Look at the pods of the new version. Where they need longer, raise `spec.progressDeadline`.";
        /// Somebody asked for it: all traffic goes back to the stable version, and this one is not tried again.
        ABORTED = "Aborted", Warning =>
            "Nothing, if it was meant. To try the same version once more, ask for a retry ([commands.md](../commands.md)).";
        /// Somebody asked for it: the stage is left without waiting for its bake, for evidence or for the schedule.
        STAGE_SKIPPED = "StageSkipped", Normal => "Nothing.";
        /// Somebody asked for it: a version that failed is tried again.
        RETRIED = "Retried", Normal => "Nothing.";
        /// Somebody asked for it: the pods of the stable version are replaced by others of the same version.
        RESTARTING = "Restarting", Normal => "Nothing.";
        /// All of the pods that were to be replaced are gone, and as many as are wanted are ready.
        RESTARTED = "Restarted", Normal => "Nothing.";
        /// A restart ended before all pods were replaced: a rollout began, somebody aborted it, or the new pods did not become
        /// ready within `spec.progressDeadline`. The pods that are left stay.
        RESTART_STOPPED = "RestartStopped", Warning =>
            "The message says why. Ask again when what it names is over ([commands.md](../commands.md)).";
        /// A command was not done: it names another revision or stage than the one that is on its way, or what it asks for
        /// cannot be.
        COMMAND_IGNORED = "CommandIgnored", Warning =>
            "The message says why. Look where the rollout stands, and ask again if it is still meant \
             ([commands.md](../commands.md)).";
        /// The Deployment asks for a version that was stable before, within `spec.rollbackWindow`: it comes back at once,
        /// unjudged.
        ROLLED_BACK = "RolledBack", Normal =>
            "Nothing. Find out what was wrong with the version that it takes the place of.";
        /// A version was watched after its promotion, as long as `spec.watch` says, and nothing spoke against it.
        WATCHED = "Watched", Normal => "Nothing.";
        /// A version failed after its promotion. With `watch.onFailure: Revert` the version before it comes back.
        WATCH_FAILED = "WatchFailed", Warning =>
            "The message says why, with the check, its value and its limit. Where the version stays, `tidegate undo` or \
             another pod template of the Deployment takes it off.";
        /// A version waits for a gate of its plan.
        GATE_WAITS = "GateWaits", Normal =>
            "The message says which, and for whom or what. `status.gates` has all that were asked \
             ([plans.md](../plans.md#gates)).";
        /// Somebody approved at a gate that takes more people than one.
        APPROVED = "Approved", Normal => "Nothing, until others approve as well.";
        /// A gate said yes.
        GATE_PASSED = "GatePassed", Normal => "Nothing.";
        /// A gate said no before the version had started; later it is `Reverted`, with the same message.
        GATE_STOPPED = "GateStopped", Warning =>
            "The message says why. Change the pod template of the Deployment, or ask for a retry of the same version \
             ([commands.md](../commands.md)).";
        /// A gate has waited for longer than its `timeout`.
        GATE_TIMED_OUT = "GateTimedOut", Warning =>
            "Give it its answer, which still counts, or abort the rollout. Where `onTimeout` is `Revert`, it is over.";
        /// A gate names an endpoint that is not configured on the operator.
        GATE_UNUSABLE = "GateUnusable", Warning =>
            "Ask the platform team, or name another endpoint.";
        /// Another version came while one was on its way: traffic goes back to stable before it starts.
        SUPERSEDED = "Superseded", Normal => "Nothing.";
        /// The Deployment asks for the stable version again.
        BACK_TO_STABLE = "BackToStable", Normal => "Nothing.";
        /// Somebody else keeps changing the weights of a route. They are written back; where that was done too often, the
        /// rollout is held while theirs are in force.
        CONTENTION = "Contention", Warning =>
            "Let the writer that the message names leave the weights alone while a rollout lasts \
             ([gitops.md](../gitops.md)).";
        /// Somebody else scaled the Deployment; it is scaled back to 0, since its pods belong to the Rollout.
        FOREIGN_PODS = "ForeignPods", Warning =>
            "Leave out `spec.replicas` where the Deployment is written, and scale the Rollout \
             ([gitops.md](../gitops.md)).";
        /// Somebody else sets `spec.replicas` of the Deployment: with a new image in the same write, pods start that nobody
        /// has judged.
        REPLICAS_IN_WORKLOAD = "ReplicasInDeployment" =>
            "Leave out `spec.replicas` where the Deployment is written ([gitops.md](../gitops.md)).";
        /// No pod of the stable version is ready, or too few of them for its traffic to go back to them.
        STABLE_NOT_READY = "StableNotReady", Warning => "Look at the pods of the stable version first.";
        /// The stable version fails itself, or is far worse than it was: the stage waits. Also a reason of checks.
        STABLE_UNWELL = "StableUnwell", Warning =>
            "Look at what both versions depend on. The stage goes on by itself when stable is well again, or at once \
             with `spec.analysis.onStableUnwell: Ignore` ([judging.md](../judging.md)).";
        /// The stage does not wait for the stable version any more.
        STABLE_UNWELL_OVER = "StableUnwellOver", Normal => "Nothing.";
        /// The stable version is down, or its ReplicaSet is gone, and another one takes its place, unjudged.
        STABLE_LOST = "StableLost", Warning =>
            "Look at the version that serves now, and find out what became of the former pods.";
        /// The Rollout is being deleted: the Deployment gets its pods back.
        HANDING_BACK = "HandingBack", Normal => "Nothing.";
        /// The cluster refused to let the ReplicaSet change its owner: a second one comes up with the same pods first.
        ADOPTION_REFUSED = "AdoptionRefused", Warning =>
            "Nothing, unless the policy that refused is not meant to: the message has its words.";
        /// The cluster refused a write.
        WRITE_REFUSED = "WriteRefused" =>
            "The message has the words of the API server: mostly a right that the operator lacks, a quota or a policy.";
        /// As many pods of the stable version are ready as are meant to be.
        PODS_READY = "PodsReady" => "Nothing.";
        /// Fewer pods of the stable version are ready than are meant to be.
        PODS_NOT_READY = "PodsNotReady" => "Look at the pods of the stable version.";
        /// A receiver of notifications does not take them. It is tried again, and no Rollout waits for it. About the ConfigMap
        /// with the record of what was sent, in the namespace of the operator.
        RECEIVER_FAILS = "ReceiverFails", Warning =>
            "The message says which receiver, and what it answers: mend its address, its credentials, or itself. What waits \
             is sent then ([notifications.md](../notifications.md)).";
        /// A receiver of notifications takes them again.
        RECEIVER_RECOVERED = "ReceiverRecovered", Normal => "Nothing.";
        /// A receiver of notifications refused one for what stands in it. That one is not sent again.
        NOTIFICATION_REFUSED = "NotificationRefused", Warning =>
            "The message says what it answers. Look at the template of the receiver with `tidegate notify preview`.";
    }
}
