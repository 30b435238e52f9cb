//! What becomes of good and of bad releases in all kinds of weather: by Tidegate, and by the decision rules of Flagger and
//! of Argo Rollouts on the same traffic.
//!
//! `cargo bench --bench weather` plays every scenario of `examples/weather` with each of its releases and `SEEDS` seeds
//! (50), from `FIRST` (1) on, and prints figures. With `-- NAME...` it plays only scenarios whose names contain one of
//! them. It asserts none of the figures.

mod incumbent;
mod library;
mod measure;
mod played;
mod rules;
mod table;

use std::{env, time::Instant};

use anyhow::{Context, Result};

use crate::{library::Library, played::Seeds};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let names: Vec<_> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let seeds = Seeds { first: number("FIRST", 1)?, count: number("SEEDS", 50)? };
    let library = Library::load(&names)?;
    let began = Instant::now();
    println!("{} scenarios, each with a good and a bad release, {seeds}", library.scenarios.len());
    let played = played::play(&library, seeds)?;
    table::print(&library, &played);
    println!("all of it took {:.0?}", began.elapsed());
    println!("{}", table::figures(&library, &played));
    Ok(())
}

/// A number in the environment.
fn number(name: &str, default: u64) -> Result<u64> {
    match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text} is no number")),
        Err(_) => Ok(default),
    }
}
