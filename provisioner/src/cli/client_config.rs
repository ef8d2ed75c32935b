//! `client-config`: what an instance needs, in the form in which it gets there.

use std::path::PathBuf;

use super::session::Session;
use super::{ClientForm, Code, Exit, Global, output, stack, updater};
use crate::client_config::{self, Door};
use crate::kind::function;
use crate::kind::hosted_zone::Records;
use crate::observe::Purpose;
use crate::stack::Proof;
use crate::target::Target;

/// Where `sandbox serve` listens unless told otherwise.
const SERVED: &str = "http://127.0.0.1:4566";

/// `client-config`.
pub async fn client_config(
    global: &Global,
    named: Option<PathBuf>,
    form: ClientForm,
    code: &Code,
) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let mut session = Session::open(global, &document).await?;
    session.find_code(&updater::source(&document, code)?);
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Plan).await?;
    let (desired, door) = (&session.desired, door(&session.target));
    let config = client_config::of(desired, &snapshot, &door).map_err(anyhow::Error::msg)?;
    match form {
        ClientForm::Toml => output::text(&config.toml()),
        ClientForm::CloudInit => output::text(&config.cloud_init()),
        ClientForm::Terraform => output::text(&config.terraform()),
        ClientForm::Ssm => output::line(&serde_json::to_string_pretty(&config.ssm())?),
    }
    let updater = &desired.stack.updater;
    if function::has_document(desired, &snapshot) == Some(false) {
        output::note(
            "note: the updater in AWS was not made from this document and this version: lease and families \
             may be others until the next `spore-infra apply`",
        );
    }
    if !updater.proofs.contains(&Proof::InstanceRole) {
        output::note(
            "note: [updater] proofs lacks \"instance-role\", which is the proof that spore-register gives",
        );
    }
    if !updater.private_cidrs.is_empty() {
        output::note(
            "note: for instances that register a private address, replace \"ipv4\" by \"private-ipv4\"",
        );
    }
    if let Door::Emulator(_) = door {
        output::note(
            "note: this is the simulated AWS; on a simulated instance the URL begins with the instance's own \
             (`spore-infra sandbox instance list`)",
        );
    }
    Ok(Exit::Done)
}

fn door(target: &Target) -> Door {
    match target {
        Target::Aws {
            simulated: None, ..
        }
        | Target::Aws { endpoint: None, .. } => Door::Aws,
        Target::Aws {
            endpoint: Some(url),
            simulated: Some(_),
        }
        | Target::Served { url, .. } => Door::Emulator(url.clone()),
        Target::Local(_) => Door::Emulator(SERVED.to_owned()),
    }
}
