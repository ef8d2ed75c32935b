//! `ds`: the records for the parent zone, from the key itself, once they may be published.

use std::path::PathBuf;

use anyhow::bail;

use super::session::Session;
use super::{DsFormat, Exit, Global, output, stack};
use crate::ds::{DnsKey, Ds};
use crate::kind::hosted_zone::Records;
use crate::kind::kms_key;
use crate::observe::Purpose;
use crate::render;
use crate::snapshot::{Observation, Snapshot};

/// The key of a stack, and whether its DS may be published.
pub struct KeyState {
    /// The DNSKEY.
    pub key: DnsKey,
    /// Why not, if it may not.
    pub not_yet: Option<String>,
}

/// Computes the key and judges whether signing is in sync.
///
/// # Errors
/// When there is no key yet, or when Route 53 shows other records than the key gives.
pub async fn key_state(session: &Session, snapshot: &Snapshot) -> anyhow::Result<KeyState> {
    let desired = &session.desired;
    let live = match &snapshot.kms_key {
        Observation::Present(live) if !live.arn.is_empty() => live,
        Observation::Unreadable(why) | Observation::Foreign(why) => bail!("the key: {why}"),
        Observation::Present(_) | Observation::Absent => {
            bail!("there is no usable key yet; run `spore-infra apply` first")
        }
    };
    let spki = kms_key::public_key(&session.read, &live.arn).await?;
    if spki.is_empty() {
        bail!(
            "{} is {}; run `spore-infra plan` first",
            live.arn,
            live.state
        );
    }
    let key = DnsKey::from_spki(&spki)?;
    let dnssec = match &snapshot.dnssec {
        Observation::Present(dnssec) => dnssec,
        Observation::Unreadable(why) | Observation::Foreign(why) => bail!("the zone: {why}"),
        Observation::Absent => bail!("there is no zone yet; run `spore-infra apply` first"),
    };
    let Some(ksk) = dnssec.keys.iter().find(|ksk| ksk.kms_arn == live.arn) else {
        bail!(
            "no key-signing key of the zone uses {}; run `spore-infra apply` first",
            live.arn
        )
    };
    let (shown_ds, shown_key) = (Ds::parse(&ksk.ds)?, DnsKey::parse(&ksk.dnskey)?);
    if !shown_ds.matches(&desired.domain, &key) || shown_key != key {
        bail!(
            "Route 53 shows other records than the KMS key gives; publish neither before this is \
             understood\n  from the key:  DS {}\n                 DNSKEY {key}\n  from Route 53: DS {}\n                 DNSKEY {}",
            key.ds(&desired.domain, crate::ds::DigestType::Sha256),
            ksk.ds,
            ksk.dnskey
        );
    }
    let not_yet = if ksk.status != "ACTIVE" {
        Some(format!(
            "key-signing key {} is {}: {}",
            ksk.name, ksk.status, ksk.message
        ))
    } else if dnssec.signing != "SIGNING" {
        let status = format!("signing is {} {}", dnssec.signing, dnssec.signing_message);
        Some(status.trim_end().to_owned())
    } else {
        let servers = snapshot
            .hosted_zone
            .present()
            .map(|zone| zone.name_servers(&desired.domain))
            .unwrap_or_default();
        session
            .dns
            .serves_key(&desired.domain, &servers, &key)
            .await
            .err()
    };
    Ok(KeyState { key, not_yet })
}

/// `ksk list`.
pub async fn keys(global: &Global, named: Option<PathBuf>) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Plan).await?;
    match &snapshot.dnssec {
        Observation::Present(dnssec) => {
            output::text(&render::keys(&session.desired, &snapshot, dnssec));
            Ok(Exit::Done)
        }
        Observation::Absent => bail!("there is no zone yet; run `spore-infra apply` first"),
        Observation::Unreadable(why) | Observation::Foreign(why) => bail!("the zone: {why}"),
    }
}

/// `ds`.
pub async fn ds(global: &Global, named: Option<PathBuf>, format: DsFormat) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Plan).await?;
    let state = key_state(&session, &snapshot).await?;
    if let Some(why) = state.not_yet {
        output::error(&format!(
            "{}: signing is not in sync: {why}; a DS record published now could make the zone bogus. \
             Run `spore-infra ds` again in a minute",
            session.desired.domain
        ));
        return Ok(Exit::Waiting);
    }
    match format {
        DsFormat::Text => output::text(&render::ds_text(&session.desired, &state.key)),
        DsFormat::Bind => output::text(&render::ds_bind(&session.desired, &state.key)),
        DsFormat::Json => output::line(&serde_json::to_string_pretty(&render::ds_json(
            &session.desired,
            &state.key,
        ))?),
    }
    Ok(Exit::Done)
}
