//! Serves a world for trying clients against: `cargo run --release -p spore-sandbox --example serve`.
//!
//! The command for users is `spore-infra sandbox serve`. Arguments: DIR (`-` for a world in memory),
//! address, profile.

use spore_sandbox::{Profile, door, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let dir = argument(0).filter(|dir| *dir != "-").map(Into::into);
    let listen = argument(1).unwrap_or("127.0.0.1:4566").parse()?;
    let profile = match argument(2) {
        None | Some("fast") => Profile::Fast,
        Some("aws") => Profile::Aws,
        Some("instant") => Profile::Instant,
        Some(other) => return Err(format!("no profile {other}").into()),
    };
    let options = door::Options {
        profile: Some(profile),
        ..door::Options::default()
    };
    let options = options.from_environment(|name| std::env::var(name).ok())?;
    let sandbox = door::Sandbox::open(dir, options)?;
    let options = serve::Options {
        listen,
        ..serve::Options::default()
    };
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve::serve(sandbox, options, stop).await?;
    Ok(())
}
