//! `tidegate status`: where a Rollout stands, on one screen, with every number that it goes by.

pub mod screen;
#[cfg(test)]
pub mod tests;

use std::process::ExitCode;

use tidegate_api::{Causes, Rollout};

use super::{plain::plain_lines, print, rollout_file::wait, standing::Standing, target::Target};

/// Prints it. The code is 0 where nobody has to do anything, 1 where the version failed, 2 where it cannot be read, and 3
/// where nothing goes on until somebody acts.
pub fn main(target: &Target) -> ExitCode {
    wait(printed(target)).and_then(std::convert::identity).unwrap_or_else(|error| {
        eprintln!("tidegate: {}", Causes(&*error));
        ExitCode::from(2)
    })
}

async fn printed(target: &Target) -> anyhow::Result<ExitCode> {
    let (rollout, now) = target.reach().await?.read_now(&target.name).await?;
    print(&plain_lines(&screen::told(&rollout, now)))?;
    Ok(code(&rollout))
}

/// The codes of `tidegate wait`, for a moment instead of an end.
fn code(rollout: &Rollout) -> ExitCode {
    match Standing::of(&rollout.status.clone().unwrap_or_default()) {
        Standing::Serves | Standing::GoesOn => ExitCode::SUCCESS,
        Standing::Failed => ExitCode::FAILURE,
        Standing::Stalled => ExitCode::from(3),
    }
}
