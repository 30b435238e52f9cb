//! `tidegate wait`: for pipelines, until the version that a Deployment asks for serves, or does not.

mod answer;

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use kube::Api;
use tidegate_api::{Causes, Span, one_line};
use tidegate_operator::controller::CallError;
use tidegate_planner::workload::Deployment;
use tokio::time::{Instant, sleep};

use self::answer::{Answer, answer};
use super::{
    print,
    rollout_file::wait,
    target::{Reached, Target},
};

/// How often the two objects are read.
const PERIOD: Duration = Duration::from_secs(2);

/// For how long the cluster may be out of reach before it counts.
const PATIENCE: Duration = Duration::from_mins(1);

/// The arguments of `tidegate wait`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// The image that the Deployment will ask for: waits for that, too, where somebody else applies it
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,

    /// How the version is to end: the code is 0 when it does
    #[arg(long = "for", value_name = "END", default_value = "promoted")]
    end: End,

    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "1h")]
    timeout: Span,
}

/// How a version ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum End {
    /// It serves.
    Promoted,
    /// It failed, and the version before it serves.
    Reverted,
    /// Nothing goes on until somebody acts.
    Held,
}

/// Waits, and says each time where the Rollout stands. The code is 0 when the version ends as it was waited for, 1 when it
/// serves or failed and something else was waited for, 2 where the cluster cannot be asked, 3 when nothing goes on until
/// somebody acts, and 4 when the time is over.
pub fn main(options: &Options) -> ExitCode {
    wait(awaited(options)).and_then(std::convert::identity).unwrap_or_else(|error| {
        eprintln!("tidegate: {}", Causes(&*error));
        ExitCode::from(2)
    })
}

async fn awaited(options: &Options) -> anyhow::Result<ExitCode> {
    let (name, reached) = (&options.target.name, options.target.reach().await?);
    let end = Instant::now() + options.timeout.duration();
    let mut said = None;
    let mut asked = Instant::now();
    loop {
        let unreached = match ask(&reached, options).await {
            Ok(answer) => {
                asked = Instant::now();
                if said.as_ref() != Some(&answer) {
                    print(&line(name, &answer))?;
                }
                if let Some(code) = code(&answer, options.end) {
                    return Ok(code);
                }
                said = Some(answer);
                None
            }
            Err(error) if is_final(&error) || asked.elapsed() >= PATIENCE => return Err(error),
            Err(error) => Some(error),
        };
        if Instant::now() >= end {
            print(&over(name, options.timeout, said.is_some(), unreached)?)?;
            return Ok(ExitCode::from(4));
        }
        sleep(PERIOD).await;
    }
}

/// What is said when the time is over; `unreached` is why the cluster did not answer when it was asked last.
///
/// # Errors
/// It never answered.
fn over(name: &str, time: Span, was_reached: bool, unreached: Option<anyhow::Error>) -> anyhow::Result<String> {
    match unreached {
        None => Ok(format!("Rollout {name}: {time} are over\n")),
        Some(error) if was_reached => {
            let why = Causes(&*error).to_string();
            Ok(format!("Rollout {name}: {time} are over, and the cluster no longer answers: {}\n", one_line(&why)))
        }
        Some(error) => Err(error.context(format!("{time} are over, and the cluster never answered"))),
    }
}

async fn ask(reached: &Reached, options: &Options) -> anyhow::Result<Answer> {
    let rollout = reached.read(&options.target.name).await?;
    let (workload, namespace) = (&rollout.spec.workload.name, &reached.namespace);
    let deployments: Api<Deployment> = Api::namespaced(reached.client.clone(), namespace);
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

/// The code to end with; nothing where it is not over yet.
fn code(answer: &Answer, awaited: End) -> Option<ExitCode> {
    let end = match answer {
        Answer::Waits(_) => return None,
        Answer::Serves(_) => End::Promoted,
        Answer::Failed(_) => End::Reverted,
        Answer::Stalled(_) => End::Held,
    };
    Some(match end {
        _ if end == awaited => ExitCode::SUCCESS,
        End::Held => ExitCode::from(3),
        End::Promoted | End::Reverted => ExitCode::FAILURE,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_time_is_over_it_says_why_the_cluster_did_not_answer() {
        let told = |was_reached, unreached: Option<&'static str>| {
            let error = unreached.map(|why| anyhow::anyhow!(why).context("Rollout shop/a cannot be read"));
            over("a", Span::seconds(5), was_reached, error).map_err(|error| Causes(&*error).to_string())
        };
        assert_eq!(told(true, None), Ok("Rollout a: 5s are over\n".to_owned()));
        let last =
            "Rollout a: 5s are over, and the cluster no longer answers: Rollout shop/a cannot be read: refused\n";
        assert_eq!(told(true, Some("refused")), Ok(last.to_owned()));
        let never = "5s are over, and the cluster never answered: Rollout shop/a cannot be read: refused";
        assert_eq!(told(false, Some("refused")), Err(never.to_owned()), "an error ends with code 2");
    }
}
