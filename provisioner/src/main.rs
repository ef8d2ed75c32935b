//! The `spore-infra` command.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    spore_infra::cli::run(std::env::args_os()).await
}
