//! The `tidegate` binary: the operator and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    match tidegate::cli::main() {
        Ok(code) => code,
        Err(error) => {
            // One line with all causes; a backtrace says nothing to the person who has to act.
            eprintln!("tidegate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
