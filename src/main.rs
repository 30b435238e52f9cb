//! The `tidegate` binary: the operator and its command line.

fn main() -> anyhow::Result<()> {
    tidegate::cli::main()
}
