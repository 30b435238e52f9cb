//! How often the judge is wrong, how fast it is, and what it costs.
//!
//! `cargo bench --bench judge` prints figures and asserts only that the bench judges as the operator does. With
//! `-- --boundary`, `-- --detection`, `-- --estimates`, `-- --rules`, `-- --cost` or `-- --cluster` it measures one thing
//! alone.

mod boundary;
mod cluster;
mod cost;
mod detection;
mod estimates;
mod rules;
mod runs;
mod stage;
mod traffic;

use std::{env, time::Instant};

use anyhow::Result;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    println!("seed {}", runs::SEED);
    let wanted = |part: &str| {
        let parts = ["--boundary", "--detection", "--estimates", "--rules", "--cost", "--cluster"];
        env::args().any(|given| given == part) || !env::args().any(|given| parts.contains(&given.as_str()))
    };
    let mut figures = Vec::new();
    let began = Instant::now();
    if wanted("--boundary") {
        let wrong = boundary::measure()?;
        figures.push(format!("false_fail={:.2}% false_pass={:.2}%", wrong.fail * 100.0, wrong.pass * 100.0));
    }
    if wanted("--detection") {
        let found = detection::measure()?;
        let [five, two] = [found.at_five_percent, found.at_two_percent];
        figures.push(format!("detect_5pct={five:.0} detect_2pct={two:.0} late_blocks={:.1}", found.late_blocks));
    }
    if wanted("--estimates") {
        figures.push(format!("estimates_off={:.2}", estimates::measure()?));
    }
    if wanted("--rules") {
        rules::measure()?;
    }
    if wanted("--cost") {
        cost::measure()?;
    }
    if wanted("--cluster") {
        cluster::measure()?;
    }
    println!("all of it took {:.0?}", began.elapsed());
    println!("judge: {}", figures.join(" "));
    Ok(())
}
