//! `tidegate demo`: the main job on any machine, with nothing installed.

mod front;
mod kubeconfig;
mod pace;
mod screen;
mod story;
mod timeline;

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::runtime::Builder;

use self::{front::Front, kubeconfig::Kubeconfig, screen::Screen, story::Story};

/// Where the API server listens unless told otherwise: T-I-D-E on the keys of a telephone.
const PORT: u16 = 8433;

/// The flags of `tidegate demo`.
#[derive(Debug, Args)]
pub struct Options {
    /// How many times as fast as life everything goes
    #[arg(long, value_name = "FACTOR", default_value = "45", value_parser = speed)]
    speed: f64,

    /// End with the story: with 0 if the good release was promoted and the bad one reverted
    #[arg(long)]
    exit_when_done: bool,

    /// The port of the cluster's API server on this machine; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
}

/// Runs the demo until its end, or until it is asked to end.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    let listener = front::listen(options.port)?;
    let kubeconfig = Kubeconfig::write(listener.local_addr()?.port())?;
    // One thread, on which time passes only when it is let: everything that the simulation does happens here.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let mut story = Story::begin(Screen::new())?;
        let (front, ended) = Front::open(story.api(), listener)?;
        story.greet(kubeconfig.path(), &front.dashboard, options.speed)?;
        let told = async {
            let as_expected = story.tell(options.speed).await?;
            if options.exit_when_done {
                return Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            story.go_on(kubeconfig.path(), options.speed).await
        };
        tokio::select! {
            biased;
            _ = ended => Ok(if options.exit_when_done { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
            code = told => code,
            never = pace::hold_back(options.speed) => match never {},
        }
    })
}

fn speed(text: &str) -> anyhow::Result<f64> {
    let speed = text.parse::<f64>().ok().filter(|speed| (0.1..=100_000.0).contains(speed));
    speed.context("a factor between 0.1 and 100000, such as 45, is needed")
}
