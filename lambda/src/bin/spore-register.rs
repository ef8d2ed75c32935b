//! `spore-register`: registers this instance's addresses under a name, keeps them right, or releases the
//! name. Whatever decides is in the library; here are only the command line, the streams and signals.

use std::env;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use spore_updater::name::RecordLabel;
use spore_updater::register::config::{self, Config};
use spore_updater::register::endpoint::Endpoints;
use spore_updater::register::trouble::{Exit, Trouble};
use spore_updater::register::{Client, Lines, Say, memory};
use tokio::signal::unix::{SignalKind, signal};

const EXITS: &str = "Exit codes:
  0  done, or nothing to do
  1  the command line or the configuration is wrong
  2  this is no EC2 instance, or its metadata does not show what is needed
  3  it may work later: too many requests, no answer, AWS busy
  4  the updater refused it
  5  the name is somebody else's
  6  the answer does not prove that it is the updater's";

/// Gives this EC2 instance a name in DNS, and keeps it.
#[derive(Debug, Parser)]
#[command(name = "spore-register", version, after_help = EXITS)]
struct Arguments {
    /// The configuration, as `spore-infra client-config` prints it. It must belong to root.
    #[arg(long, value_name = "FILE", default_value = config::FILE, global = true)]
    config: PathBuf,
    /// Where to remember what was answered [default: systemd's STATE_DIRECTORY, else
    /// /var/lib/spore-register].
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Registers the instance's addresses now, whatever was registered before.
    Register {
        /// The name's first label [default: `name` of the configuration, the instance's tag Name, the
        /// host name].
        name: Option<String>,
        /// An address to register in place of those that the metadata shows; once for each family.
        #[arg(long, value_name = "ADDRESS")]
        ip: Vec<IpAddr>,
    },
    /// Releases the name with all its records. A `watch` that runs registers it again: stop it first.
    Delete {
        /// The name's first label, as for `register`.
        name: Option<String>,
    },
    /// Registers the addresses, follows their changes and renews the name, until SIGTERM or SIGINT.
    Watch {
        /// The name's first label, as for `register`.
        name: Option<String>,
        /// Does what is due now, then ends: for timers.
        #[arg(long)]
        once: bool,
    },
}

/// Standard error, one line each.
struct Stderr;

impl Say for Stderr {
    fn say(&self, line: &str) {
        let _ = writeln!(io::stderr(), "spore-register: {line}");
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too.
            let exit = match error.use_stderr() {
                true => Exit::Usage,
                false => Exit::Done,
            };
            let _ = error.print();
            return code(exit);
        }
    };
    // One request at a time needs one thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            Stderr.say(&error.to_string());
            return code(Exit::Usage);
        }
    };
    let done = runtime.block_on(run(arguments)).and_then(print);
    code(match done {
        Ok(()) => Exit::Done,
        Err(trouble) => {
            Stderr.say(&trouble.to_string());
            trouble.exit()
        }
    })
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

fn print(lines: Lines) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    for line in lines {
        // Who does not read is not to be told.
        let _ = writeln!(out, "{line}");
    }
    Ok(())
}

async fn run(arguments: Arguments) -> Result<Lines, Trouble> {
    let path = arguments.config;
    let config = Config::read(&path).map_err(|bad| Trouble::Config {
        file: path.display().to_string(),
        bad,
    })?;
    let endpoints = Endpoints::new(|name| env::var(name).ok())?;
    let client = Client::new(config, endpoints, folder(arguments.state));
    match arguments.command {
        Command::Register { name, ip } => {
            let name = label(name)?;
            client.register(name.as_ref(), &ip, &Stderr).await
        }
        Command::Delete { name } => client.delete(label(name)?.as_ref(), &Stderr).await,
        Command::Watch { name, once: true } => {
            client.watch_once(label(name)?.as_ref(), &Stderr).await
        }
        Command::Watch { name, once: false } => {
            let name = label(name)?;
            client.watch(name.as_ref(), &Stderr, stopped()).await;
            Ok(Lines::new())
        }
    }
}

fn label(name: Option<String>) -> Result<Option<RecordLabel>, Trouble> {
    let label = name.map(|name| name.parse()).transpose();
    label.map_err(|refused| Trouble::Name {
        given: "NAME".to_owned(),
        refused,
    })
}

/// As systemd says it, where a unit has StateDirectory (systemd.exec, "STATE_DIRECTORY").
fn folder(given: Option<PathBuf>) -> PathBuf {
    let of_systemd = || {
        let folders = env::var("STATE_DIRECTORY").ok()?;
        let first = folders.split(':').next()?;
        (!first.is_empty()).then(|| PathBuf::from(first))
    };
    given
        .or_else(of_systemd)
        .unwrap_or_else(|| PathBuf::from(memory::FOLDER))
}

/// Resolves when the system or somebody at the terminal asks to stop.
fn stopped() -> impl Future<Output = ()> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).ok());
    async move {
        let [mut terminate, mut interrupt] = signals;
        tokio::select! {
            () = received(&mut terminate) => {}
            () = received(&mut interrupt) => {}
        }
    }
}

async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
