//! `sandbox serve`, `reset`, `advance`, `registrar`, `dns` and `instance`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use spore_sandbox::Profile;
use spore_sandbox::dns::RegistrarAction;
use spore_sandbox::door::{Options, Sandbox};
use spore_sandbox::instance::{InstanceAction, Launch, MetadataOptions};
use spore_sandbox::serve::{self, Command, CommandAnswer, Server};
use spore_sandbox::store::Store;

use super::{
    DEFAULT_SANDBOX, DnsCommand, Exit, Global, InstanceCommand, ProfileArg, RegistrarCommand,
    SandboxCommand, output, variable,
};
use crate::target::{self, Target};

/// Runs a sandbox command.
pub async fn run(global: &Global, command: SandboxCommand) -> anyhow::Result<Exit> {
    let dir = global
        .sandbox
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_SANDBOX));
    match command {
        SandboxCommand::Serve {
            listen,
            dns,
            latency,
            profile,
        } => {
            let mut options = Options::default().from_environment(variable)?;
            options.profile = Some(match profile {
                ProfileArg::Aws => Profile::Aws,
                ProfileArg::Fast => Profile::Fast,
                ProfileArg::Instant => Profile::Instant,
            });
            let sandbox = Sandbox::open(Some(dir), options)?;
            serve_until_stopped(
                sandbox,
                serve::Options {
                    listen,
                    dns,
                    latency,
                },
            )
            .await
        }
        SandboxCommand::Reset => reset(&dir).await,
        SandboxCommand::Advance { duration } => {
            carry_out(
                dir,
                Command::Advance {
                    seconds: duration.as_secs(),
                },
            )
            .await
        }
        SandboxCommand::Registrar { action } => {
            carry_out(dir, Command::Registrar(registrar(action))).await
        }
        SandboxCommand::Dns { action } => carry_out(dir, trouble(action)).await,
        SandboxCommand::Instance { action } => {
            carry_out(dir, Command::Instance(instance(action))).await
        }
    }
}

fn instance(command: InstanceCommand) -> InstanceAction {
    match command {
        InstanceCommand::Start { id: Some(id), .. } => InstanceAction::Start { id },
        InstanceCommand::Start {
            id: None,
            tag,
            account,
            region,
            no_public,
            ipv6,
            metadata_tags,
            no_metadata,
            hop_limit,
            role,
        } => InstanceAction::Launch(Launch {
            account,
            region,
            tags: tag.into_iter().collect(),
            public: !no_public,
            ipv6,
            options: MetadataOptions {
                endpoint: !no_metadata,
                tokens_required: true,
                hop_limit,
                tags: metadata_tags,
            },
            role,
        }),
        InstanceCommand::Stop { id } => InstanceAction::Stop { id },
        InstanceCommand::Terminate { id } => InstanceAction::Terminate { id },
        InstanceCommand::List => InstanceAction::List,
    }
}

fn trouble(command: DnsCommand) -> Command {
    match command {
        DnsCommand::Server { name, fault } => Command::ServerFault {
            server: name,
            fault,
        },
        DnsCommand::Tamper {
            name,
            record_type,
            stop,
        } => Command::Tamper {
            name,
            record_type,
            tampered: !stop,
        },
    }
}

fn registrar(command: RegistrarCommand) -> RegistrarAction {
    match command {
        RegistrarCommand::Delegate { zone, name_servers } => RegistrarAction::Delegate {
            zone,
            name_servers: if name_servers.is_empty() {
                None
            } else {
                Some(name_servers)
            },
        },
        RegistrarCommand::Ds { zone, records } => RegistrarAction::Ds { zone, records },
        RegistrarCommand::Withdraw { zone, ds_only } => RegistrarAction::Withdraw { zone, ds_only },
        RegistrarCommand::Sign { zone } => RegistrarAction::Signing { zone, signed: true },
        RegistrarCommand::Unsign { zone } => RegistrarAction::Signing {
            zone,
            signed: false,
        },
    }
}

/// Also a world that cannot be read can be thrown away, so it is not opened first.
async fn reset(dir: &Path) -> anyhow::Result<Exit> {
    if let Ok(store) = Store::open(dir) {
        store.clear()?;
        output::line(&format!(
            "{}: the next command starts with a new world",
            dir.display()
        ));
        return Ok(Exit::Done);
    }
    carry_out(dir.to_path_buf(), Command::Reset).await
}

async fn carry_out(dir: PathBuf, command: Command) -> anyhow::Result<Exit> {
    let answer = match target::sandbox(&dir, Options::default()).await? {
        Target::Local(sandbox) => command.carry_out(&sandbox)?,
        Target::Served { url, .. } => {
            let body = serde_json::to_vec(&command)?;
            let url = format!("{url}/_spore/command");
            match target::request("POST", &url, "application/json", body.into()).await {
                Ok(answer) => Ok(serde_json::from_slice::<CommandAnswer>(&answer)?.message),
                Err(refused) => Err(refused),
            }
        }
        Target::Aws { .. } => bail!("invariant: a sandbox folder is never AWS"),
    };
    match answer {
        Ok(message) => {
            output::line(&message);
            Ok(Exit::Done)
        }
        Err(refused) => bail!(refused),
    }
}

async fn serve_until_stopped(sandbox: Sandbox, options: serve::Options) -> anyhow::Result<Exit> {
    let server = Server::listen(sandbox, options).await?;
    let url = server.info().url.clone();
    // boto3 knows AWS_DEFAULT_REGION only, newer SDKs AWS_REGION only.
    output::text(&format!(
        "export AWS_ENDPOINT_URL={url}\n\
         export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 \
         AWS_DEFAULT_REGION=us-east-1\n"
    ));
    output::note(&format!(
        "serving a simulated AWS at {url}; stop with Ctrl-C or SIGTERM"
    ));
    if let Some(resolver) = server.info().resolver {
        output::note(&format!(
            "its DNS, as a resolver that does not validate, is at {resolver}; the root's trust \
             anchor is root.key in the sandbox's folder"
        ));
    }
    server.run(stopped()).await;
    Ok(Exit::Done)
}

/// Resolves when the user or the system asks to stop.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
