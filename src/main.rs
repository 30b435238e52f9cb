//! The `tidegate` binary: the operator and its command line.

use std::process::ExitCode;

use tidegate_api::Causes;

/// Objects are many small strings: the C library's allocator took a third of a promotion's time, and half of a long
/// simulation's. Measured by `make bench-scale` and `cargo bench --bench rollouts`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match tidegate::cli::main() {
        Ok(code) => code,
        Err(error) => {
            // One line with all causes; a backtrace says nothing to the person who has to act.
            eprintln!("tidegate: {}", Causes(&*error));
            ExitCode::FAILURE
        }
    }
}
