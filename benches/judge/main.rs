//! How often the judge is wrong, how fast it is, and what it costs.
//!
//! `cargo bench --bench judge` prints figures and asserts none.

mod boundary;
mod cluster;
mod cost;
mod detection;
mod incumbents;
mod runs;
mod stage;
mod traffic;

use std::env;

use anyhow::Result;

fn main() -> Result<()> {
    println!("seed {}", runs::SEED);
    let wanted = |part: &str| env::args().any(|given| given == part) || !env::args().any(|given| given.starts_with("--") && given != "--bench");
    let clock = std::time::Instant::now();
    let mut line = String::new();
    if wanted("--boundary") {
        let wrong = boundary::measure()?;
        line += &format!(" false_fail={:.2}% false_pass={:.2}%", wrong.fail * 100.0, wrong.pass * 100.0);
        println!("({:.1?})", clock.elapsed());
    }
    if wanted("--detection") {
        let found = detection::measure()?;
        line += &format!(" detect_5pct={:.0} detect_2pct={:.0} late_blocks={:.1}", found.five_percent, found.two_percent, found.late_blocks);
        println!("({:.1?})", clock.elapsed());
    }
    if wanted("--incumbents") {
        incumbents::measure()?;
        println!("({:.1?})", clock.elapsed());
    }
    if wanted("--cost") {
        cost::measure()?;
        println!("({:.1?})", clock.elapsed());
    }
    if wanted("--cluster") {
        cluster::measure()?;
        println!("({:.1?})", clock.elapsed());
    }
    println!("judge:{line}");
    Ok(())
}
