//! `ds`: the records for the parent zone, from the key itself, once they may be published; and whether
//! what the parent publishes is right.

use std::path::PathBuf;

use anyhow::bail;

use super::session::Session;
use super::{Digest, DsFormat, Exit, Global, output, stack};
use crate::ds::check::{self, Verdict};
use crate::ds::form::{self, EppCommand, EppData, Request};
use crate::ds::{DigestType, DnsKey, Ds};
use crate::kind::hosted_zone::Records;
use crate::kind::{kms_key, ksk, zone_signing};
use crate::observe::Purpose;
use crate::render;
use crate::snapshot::{Delegated, Observation, ParentView, ServerView, Snapshot};

/// The key of a stack, and whether its DS may be published.
pub struct KeyState {
    /// The DNSKEY.
    pub key: DnsKey,
    /// Why not, if it may not.
    pub not_yet: Option<String>,
}

/// Computes the stack's key and judges whether signing is in sync.
///
/// # Errors
/// When there is no key yet, or when Route 53 shows other records than the key gives.
pub async fn key_state(session: &Session, snapshot: &Snapshot) -> anyhow::Result<KeyState> {
    let live = match &snapshot.kms_key {
        Observation::Present(live) if !live.arn.is_empty() => live,
        Observation::Unreadable(why) | Observation::Foreign(why) => bail!("the key: {why}"),
        Observation::Present(_) | Observation::Absent => {
            bail!("there is no usable key yet; run `spore-infra apply` first")
        }
    };
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
    state_of(session, snapshot, dnssec, ksk).await
}

/// Computes one of the zone's keys and judges whether signing with it is in sync.
///
/// # Errors
/// When the KMS key cannot be read, or when Route 53 shows other records than it gives.
pub async fn state_of(
    session: &Session,
    snapshot: &Snapshot,
    dnssec: &ksk::Live,
    ksk: &ksk::Key,
) -> anyhow::Result<KeyState> {
    let desired = &session.desired;
    let spki = kms_key::public_key(&session.read, &ksk.kms_arn).await?;
    if spki.is_empty() {
        bail!(
            "{} gives no public key; run `spore-infra plan` first",
            ksk.kms_arn
        );
    }
    let key = DnsKey::from_spki(&spki)?;
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
    } else if let Some(why) = zone_signing::unsigned(snapshot).why() {
        Some(why)
    } else {
        let servers = snapshot
            .hosted_zone
            .present()
            .map(|zone| zone.name_servers(&desired.domain))
            .unwrap_or_default();
        session
            .dns
            .serves_key(&desired.domain, &servers, &key, snapshot.taken_at)
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
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Apply).await?;
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
pub async fn ds(
    global: &Global,
    named: Option<PathBuf>,
    format: DsFormat,
    digest: Option<Digest>,
    check: bool,
) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Apply).await?;
    let state = key_state(&session, &snapshot).await?;
    if check {
        return check_parent(&session, &snapshot, &state.key, format);
    }
    let desired = &session.desired;
    if let Some(why) = state.not_yet {
        output::error(&format!(
            "{}: signing is not in sync: {why}; a DS record published now could make the zone bogus. \
             Run `spore-infra ds` again in a minute",
            desired.domain
        ));
        return Ok(Exit::Waiting);
    }
    // Parents need one; programs and people who look are shown both.
    let digests: &[DigestType] = match (digest, format) {
        (Some(Digest::Sha256), _) => &[DigestType::Sha256],
        (Some(Digest::Sha384), _) => &[DigestType::Sha384],
        (Some(Digest::Both), _) | (None, DsFormat::Json | DsFormat::Bind) => &form::BOTH,
        (None, _) => &[DigestType::Sha256],
    };
    let remove = foreign_ds(&desired.domain, &state.key, &snapshot);
    let parent = match &snapshot.parent {
        ParentView::Seen { zone, .. } => Some(zone.as_str()),
        ParentView::Unknown(_) => None,
    };
    let request = Request {
        domain: &desired.domain,
        key: &state.key,
        digests,
        remove: &remove,
        parent,
    };
    if matches!(format, DsFormat::Nsupdate) && parent.is_none() {
        output::note(
            "the parent zone could not be asked: nsupdate has to find out which zone it is",
        );
    }
    match format {
        DsFormat::Text => output::text(&form::text(&desired.domain, &state.key)),
        DsFormat::Bind => output::text(&form::bind(&request)),
        DsFormat::Dsset => output::text(&form::dsset(&request)),
        DsFormat::Fields => output::text(&form::fields(&request)),
        DsFormat::Dnskey => output::text(&form::dnskey(&request)),
        DsFormat::Nsupdate => output::text(&form::nsupdate(&request)),
        DsFormat::Epp => epp(&request, EppData::Ds, EppCommand::Update),
        DsFormat::EppCreate => epp(&request, EppData::Ds, EppCommand::Create),
        DsFormat::EppKey => epp(&request, EppData::Key, EppCommand::Update),
        DsFormat::EppKeyCreate => epp(&request, EppData::Key, EppCommand::Create),
        DsFormat::Route53domains => output::line(&form::route53_domains(&request).to_string()),
        DsFormat::Json => output::line(&serde_json::to_string_pretty(&form::json(&request))?),
    }
    Ok(Exit::Done)
}

fn epp(request: &Request<'_>, data: EppData, command: EppCommand) {
    output::text(&form::epp(request, data, command));
}

/// The zone's further keys that Route 53 signs with.
pub fn other_keys(key: &DnsKey, snapshot: &Snapshot) -> Vec<DnsKey> {
    let keys = snapshot.dnssec.present().map(|dnssec| &dnssec.keys[..]);
    keys.unwrap_or_default()
        .iter()
        .filter(|ksk| ksk.status == "ACTIVE")
        .filter_map(|ksk| DnsKey::parse(&ksk.dnskey).ok())
        .filter(|other| other != key)
        .collect()
}

/// The records of one server's answer.
///
/// # Errors
/// When one of them is no DS record.
pub fn published(answer: &Delegated) -> anyhow::Result<Vec<Ds>> {
    let records = answer.ds.iter().map(|ds| Ds::parse(ds));
    Ok(records.collect::<Result<_, _>>()?)
}

/// DS records at any parent server that are of no key the zone has, whatever its state.
fn foreign_ds(domain: &str, key: &DnsKey, snapshot: &Snapshot) -> Vec<Ds> {
    let keys = snapshot.dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let keys = keys.unwrap_or_default().iter();
    let mut known: Vec<DnsKey> = keys
        .filter_map(|ksk| DnsKey::parse(&ksk.dnskey).ok())
        .collect();
    known.push(key.clone());
    let ParentView::Seen { servers, .. } = &snapshot.parent else {
        return Vec::new();
    };
    let answers = servers
        .iter()
        .filter_map(|server| server.answer.as_ref().ok());
    let mut found: Vec<Ds> = answers
        .flat_map(|answer| published(answer).unwrap_or_default())
        .filter(|ds| !known.iter().any(|key| ds.matches(domain, key)))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What one server's answer means, with the records it published; or why there is none.
type Judged = Result<(Verdict, Vec<Ds>), String>;

/// `ds --check`: what every parent server publishes, and whether it is right.
fn check_parent(
    session: &Session,
    snapshot: &Snapshot,
    key: &DnsKey,
    format: DsFormat,
) -> anyhow::Result<Exit> {
    let domain = &session.desired.domain;
    let (parent, servers) = match &snapshot.parent {
        ParentView::Unknown(why) => bail!("the parent zone of {domain} could not be asked: {why}"),
        ParentView::Seen { zone, servers } => (zone, servers),
    };
    let others = other_keys(key, snapshot);
    let judged: Vec<(&ServerView, Judged)> = servers
        .iter()
        .map(|server| {
            let verdict = server.answer.clone().and_then(|answer| {
                let records = published(&answer).map_err(|error| error.to_string())?;
                let is_delegated = !answer.name_servers.is_empty();
                let verdict = check::judge(domain, key, &others, is_delegated, &records);
                Ok((verdict, records))
            });
            (server, verdict)
        })
        .collect();
    let wanted = key.ds(domain, DigestType::Sha256);
    if format == DsFormat::Json {
        let servers: Vec<_> = judged
            .iter()
            .map(|(server, verdict)| {
                let of = |records: &[Ds]| -> Vec<String> {
                    records.iter().map(ToString::to_string).collect()
                };
                serde_json::json!({
                    "server": server.name,
                    "address": server.address,
                    "verdict": verdict.as_ref().map_or("unknown", |(verdict, _)| verdict.word()),
                    "published": verdict.as_ref().map(|(_, records)| of(records)).unwrap_or_default(),
                    "at_fault": verdict.as_ref().map(|(verdict, _)| of(verdict.records())).unwrap_or_default(),
                    "error": verdict.as_ref().err(),
                })
            })
            .collect();
        let whole = serde_json::json!({
            "domain": domain,
            "parent": parent,
            "expected": wanted.to_string(),
            "key_tag": wanted.key_tag,
            "servers": servers,
        });
        output::line(&serde_json::to_string_pretty(&whole)?);
    } else {
        output::line(&format!(
            "{domain}. IN DS {wanted}, as {parent} publishes it:"
        ));
        for (server, verdict) in &judged {
            let address = server.address.map(|address| format!(" ({address})"));
            let said = match verdict {
                Ok((verdict, _)) => format!("key tag {}: {verdict}", wanted.key_tag),
                Err(why) => format!("unknown: {why}"),
            };
            output::line(&format!(
                "  {}{}: {said}",
                server.name,
                address.unwrap_or_default()
            ));
        }
    }
    let verdicts = || {
        judged
            .iter()
            .filter_map(|(_, verdict)| verdict.as_ref().ok())
    };
    let is_wrong = verdicts().any(|(verdict, _)| matches!(verdict, Verdict::Wrong(_)));
    let is_unknown = judged.iter().any(|(_, verdict)| verdict.is_err());
    let is_left = |verdict: &Verdict| {
        matches!(
            verdict,
            Verdict::Missing | Verdict::NotDelegated | Verdict::OtherKey(_)
        )
    };
    Ok(if is_wrong || is_unknown {
        Exit::Error
    } else if verdicts().any(|(verdict, _)| is_left(verdict)) {
        Exit::Waiting
    } else {
        Exit::Done
    })
}
