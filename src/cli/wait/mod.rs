//! `tidegate wait`: for pipelines, until the version that a Deployment asks for serves, or does not.

mod answer;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use kube::{Api, Client};
use tidegate_api::{Causes, Rollout, Span};
use tidegate_operator::{controller::CallError, serve::Metrics};
use tidegate_planner::workload::Deployment;
use tokio::time::{Instant, sleep};

use self::answer::{Answer, answer};
use super::{connect, print, rollout_file::wait};

/// How often the two objects are read.
const PERIOD: Duration = Duration::from_secs(2);

/// For how long the cluster may be out of reach before it counts.
const PATIENCE: Duration = Duration::from_mins(1);

/// The arguments of `tidegate wait`.
#[derive(Debug, Args)]
pub struct Options {
    /// The Rollout
    #[arg(value_name = "NAME")]
    name: String,

    /// Its namespace; the one of the kubeconfig, where it is left out
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,

    /// The image that the Deployment will ask for: waits for that, too, where somebody else applies it
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,

    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "1h")]
    timeout: Span,
}

/// Waits, and says each time where the Rollout stands. The code is 0 when the version serves, 1 when it failed and the one
/// before it serves, 2 where the cluster cannot be asked, 3 when nothing goes on until somebody acts, and 4 when the time
/// is over.
pub fn main(options: &Options) -> ExitCode {
    wait(awaited(options)).and_then(std::convert::identity).unwrap_or_else(|error| {
        eprintln!("tidegate: {}", Causes(&*error));
        ExitCode::from(2)
    })
}

async fn awaited(options: &Options) -> anyhow::Result<ExitCode> {
    // One that is there already is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = connect::client(Arc::new(Metrics::default())).await?;
    let namespace = options.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let end = Instant::now() + options.timeout.duration();
    let mut said = None;
    let mut asked = Instant::now();
    loop {
        match ask(&client, &namespace, options).await {
            Ok(answer) => {
                asked = Instant::now();
                if said.as_ref() != Some(&answer) {
                    print(&line(&options.name, &answer))?;
                }
                if let Some(code) = code(&answer) {
                    return Ok(code);
                }
                said = Some(answer);
            }
            Err(error) if is_final(&error) || asked.elapsed() >= PATIENCE => return Err(error),
            Err(_) => {}
        }
        if Instant::now() >= end {
            print(&format!("Rollout {}: {} are over\n", options.name, options.timeout))?;
            return Ok(ExitCode::from(4));
        }
        sleep(PERIOD).await;
    }
}

async fn ask(client: &Client, namespace: &str, options: &Options) -> anyhow::Result<Answer> {
    let name = &options.name;
    let rollouts: Api<Rollout> = Api::namespaced(client.clone(), namespace);
    let rollout = rollouts
        .get(name)
        .await
        .map_err(CallError::from)
        .with_context(|| format!("Rollout {namespace}/{name} cannot be read"))?;
    let workload = &rollout.spec.workload.name;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployment = deployments
        .get(workload)
        .await
        .map_err(CallError::from)
        .with_context(|| format!("Deployment {namespace}/{workload} cannot be read"))?;
    Ok(answer(&rollout, &deployment, options.image.as_deref()))
}

/// Whether asking again is of no use: the object is not there, or may not be read.
fn is_final(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<CallError>().and_then(CallError::code);
    matches!(code, Some(401 | 403 | 404))
}

fn code(answer: &Answer) -> Option<ExitCode> {
    match answer {
        Answer::Waits(_) => None,
        Answer::Serves(_) => Some(ExitCode::SUCCESS),
        Answer::Failed(_) => Some(ExitCode::FAILURE),
        Answer::Stalled(_) => Some(ExitCode::from(3)),
    }
}

fn line(name: &str, answer: &Answer) -> String {
    let (word, why) = match answer {
        Answer::Waits(why) => ("waits", why),
        Answer::Serves(why) => ("serves", why),
        Answer::Failed(why) => ("failed", why),
        Answer::Stalled(why) => ("stands still until somebody acts", why),
    };
    format!("Rollout {name} {word}: {why}\n")
}
