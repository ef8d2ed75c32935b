//! `ds`: the records for the parent zone, from the key itself, once they may be published; and whether
//! what the parent publishes is right.

use std::path::PathBuf;

use anyhow::bail;

use super::session::Session;
use super::{Digest, DsFormat, Exit, Global, output, stack};
use crate::desired::Desired;
use crate::ds::check::{self, Verdict};
use crate::ds::form::{self, EppCommand, EppData, Request};
use crate::ds::judgement::{Keys, Published};
use crate::ds::keys::own_turn;
use crate::ds::not_yet::{NotYet, not_yet};
use crate::ds::wanted::{self, Now, Part, State};
use crate::ds::{DigestType, DnsKey, Ds};
use crate::handover::pick;
use crate::kind::delegation::Parent;
use crate::kind::hosted_zone::Records;
use crate::kind::{kms_key, ksk, zone_signing};
use crate::observe::Purpose;
use crate::plan::Plan;
use crate::render;
use crate::rotation::ABORT_WAYS;
use crate::snapshot::{Observation, ParentView, ServerView, Snapshot};
use crate::teardown;

/// The zone's keys and what the parent is to vouch for.
pub struct Found {
    /// All keys, by what a DS record of each is worth.
    pub keys: Keys,
    /// The stack's key that a DS record may name; in a rotation the new one.
    pub key: State,
    /// The old key of a rotation.
    pub old: Option<State>,
    /// What the parent is to vouch for now, or why for nothing yet.
    pub now: Result<Now, NotYet>,
}

/// Nothing is said of a zone that could not be read, or that is not this stack's.
fn own_zone(snapshot: &Snapshot) -> anyhow::Result<()> {
    match &snapshot.hosted_zone {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => bail!("the zone: {why}"),
        Observation::Present(_) | Observation::Absent => Ok(()),
    }
}

impl Found {
    /// The old key of a rotation, where its record is the one to be added now.
    pub fn old_to_add(&self) -> Option<&State> {
        let comes = |state: &&State| part(self, state) == Some(Part::Comes);
        self.old.as_ref().filter(comes)
    }
}

/// Computes the stack's keys, asks the zone's servers for them, and judges what may be published.
///
/// # Errors
/// When there is no key yet, or when Route 53 shows other records than a key gives.
pub async fn find(session: &Session, snapshot: &Snapshot) -> anyhow::Result<Found> {
    let desired = &session.desired;
    own_zone(snapshot)?;
    // What is missing may be what a destroy took down.
    let first = match teardown::since(snapshot) {
        Some(since) => format!("{}: {}", teardown::told(since), teardown::ways()),
        None => "run `spore-infra apply` first".to_owned(),
    };
    let live = match &snapshot.kms_key {
        Observation::Present(live) if !live.arn.is_empty() => live,
        Observation::Unreadable(why) | Observation::Foreign(why, _) => bail!("the key: {why}"),
        Observation::Present(_) | Observation::Absent => match kms_key::lost(desired, snapshot) {
            Some(why) => bail!(why),
            None if !desired.dnssec => {
                bail!(
                    "the document says `[dnssec] enabled = false`: the zone has no key and no DS record"
                )
            }
            None => bail!("there is no usable key; {first}"),
        },
    };
    let dnssec = match &snapshot.dnssec {
        Observation::Present(dnssec) => dnssec,
        Observation::Unreadable(why) | Observation::Foreign(why, _) => bail!("the zone: {why}"),
        Observation::Absent => bail!("there is no zone; {first}"),
    };
    let Some(ksk) = dnssec.keys.iter().find(|ksk| ksk.kms_arn == live.arn) else {
        bail!("no key-signing key of the zone uses {}; {first}", live.arn)
    };
    let mut keys = Keys::of(desired, snapshot);
    let all = snapshot.parent.all();
    let turn = own_turn(desired, snapshot, all.as_deref().unwrap_or_default());
    let Some(turn) = turn else {
        let key = state_of(session, snapshot, ksk, &mut keys).await?;
        let now = wanted::one(&key);
        return Ok(Found {
            keys,
            key,
            old: None,
            now,
        });
    };
    let old = state_of(session, snapshot, turn.old, &mut keys).await?;
    let mut new = state_of(session, snapshot, turn.new, &mut keys).await?;
    if let Some(why) = turn.told_given_up() {
        new.not_yet = Some(NotYet::Leaving {
            why,
            ways: ABORT_WAYS.to_owned(),
            signs: new.not_yet.as_ref().is_none_or(NotYet::signs),
        });
    }
    let published = seen(&desired.domain, &keys, snapshot);
    let published = all.as_ref().map(|_| &published).map_err(String::as_str);
    let now = wanted::in_turn((&old, &new), &turn, published, snapshot.taken_at);
    Ok(Found {
        keys,
        key: new,
        old: Some(old),
        now,
    })
}

/// Computes one of the stack's keys, and judges whether signing with it is in sync. A key that some name
/// server does not serve rests; of one that some server does not tell about, nobody knows.
async fn state_of(
    session: &Session,
    snapshot: &Snapshot,
    ksk: &ksk::Key,
    keys: &mut Keys,
) -> anyhow::Result<State> {
    let desired = &session.desired;
    let mut not_yet = not_yet(desired, snapshot, ksk);
    let key = match key_of(session, ksk).await {
        Ok(key) => key,
        // A key that KMS keeps to itself is compared with and never published.
        Err(_) if not_yet.as_ref().is_some_and(|why| !why.signs()) => DnsKey::parse(&ksk.dnskey)?,
        Err(error) => return Err(error),
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
    if not_yet.as_ref().is_none_or(NotYet::signs) {
        let servers = snapshot
            .hosted_zone
            .present()
            .map(|zone| zone.name_servers(&desired.domain))
            .unwrap_or_default();
        let served = session
            .dns
            .serves_key(&desired.domain, &servers, &key, snapshot.taken_at);
        if let Err(why) = served.await {
            keys.unserved(&key, &why);
            not_yet = Some(NotYet::Unserved(why.to_string()));
        }
    }
    // Which it may still serve, for those who remember its DS record.
    if let Some(since) = teardown::since(snapshot) {
        not_yet = Some(NotYet::Leaving {
            why: teardown::told(since),
            ways: teardown::ways(),
            signs: not_yet.as_ref().is_none_or(NotYet::signs),
        });
    }
    Ok(State {
        name: ksk.name.clone(),
        key,
        not_yet,
    })
}

/// The DNSKEY, from KMS.
async fn key_of(session: &Session, ksk: &ksk::Key) -> anyhow::Result<DnsKey> {
    let spki = kms_key::public_key(&session.read, &ksk.kms_arn).await?;
    if spki.is_empty() {
        bail!(
            "{} gives no public key; run `spore-infra plan` first",
            ksk.kms_arn
        );
    }
    Ok(DnsKey::from_spki(&spki)?)
}

/// `ksk list`.
pub async fn keys(global: &Global, named: Option<PathBuf>) -> anyhow::Result<Exit> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Apply).await?;
    own_zone(&snapshot)?;
    match &snapshot.dnssec {
        Observation::Present(dnssec) => {
            output::text(&render::keys(&session.desired, &snapshot, dnssec));
            Ok(Exit::Done)
        }
        Observation::Absent => bail!("there is no zone yet; run `spore-infra apply` first"),
        Observation::Unreadable(why) | Observation::Foreign(why, _) => bail!("the zone: {why}"),
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
    if check && !matches!(format, DsFormat::Text | DsFormat::Json) {
        bail!("--check says what is published, as text or with --format json");
    }
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(Exit::Error);
    };
    let session = Session::open(global, &document).await?;
    let snapshot = session.snapshot(Records::FirstPage, Purpose::Apply).await?;
    let found = find(&session, &snapshot).await?;
    if check {
        return check_parent(&session, &snapshot, &found, format);
    }
    let desired = &session.desired;
    if !desired.dnssec {
        bail!(
            "the document says `[dnssec] enabled = false`, so that no DS record is to be published; `spore-infra dnssec \
             disable` turns signing off, and `spore-infra ds --check` says what the parent has"
        );
    }
    let now = match &found.now {
        Ok(now) => now,
        Err(why) => {
            output::error(&format!(
                "{}: {why}; a DS record published now could make the zone bogus: {}",
                desired.domain,
                why.remedy()
            ));
            let published = seen(&desired.domain, &found.keys, &snapshot);
            if let Some(at_once) = pick::at_once(&published, None, is_elsewhere(desired, &snapshot))
            {
                output::error(&at_once);
            }
            tell_whose(&snapshot, found.old.is_some());
            return Ok(Exit::Waiting);
        }
    };
    let published = seen(&desired.domain, &found.keys, &snapshot);
    // Parents need one; programs and people who look are shown both.
    let parents = [published.digest()];
    let digests: &[DigestType] = match (digest, format) {
        (Some(Digest::Sha256), _) => &[DigestType::Sha256],
        (Some(Digest::Sha384), _) => &[DigestType::Sha384],
        (Some(Digest::Both), _) | (None, DsFormat::Json | DsFormat::Bind) => &form::BOTH,
        (None, _) => &parents,
    };
    let remove = wanted::to_take_out(&desired.domain, &published, &now.wanted);
    let parent = match &snapshot.parent {
        ParentView::Seen { zone, .. } => Some(zone.as_str()),
        ParentView::Unknown(_) => None,
    };
    let request = Request {
        domain: &desired.domain,
        keys: &now.wanted,
        digests,
        remove: &remove,
        parent,
    };
    if matches!(format, DsFormat::Nsupdate) && parent.is_none() {
        output::note(
            "the parent zone could not be asked: nsupdate has to find out which zone it is",
        );
    }
    let epp = |data, command| form::epp(&request, data, command);
    let text = match format {
        DsFormat::Text => {
            let line = match digest {
                Some(Digest::Sha384) => DigestType::Sha384,
                Some(Digest::Sha256 | Digest::Both) | None => DigestType::Sha256,
            };
            form::text(&desired.domain, &now.wanted, line)
        }
        DsFormat::Bind => form::bind(&request),
        DsFormat::Dsset => form::dsset(&request),
        DsFormat::Fields => form::fields(&request),
        DsFormat::Dnskey => form::dnskey(&request),
        DsFormat::Nsupdate => form::nsupdate(&request),
        DsFormat::Epp => epp(EppData::Ds, EppCommand::Update),
        DsFormat::EppCreate => epp(EppData::Ds, EppCommand::Create),
        DsFormat::EppKey => epp(EppData::Key, EppCommand::Update),
        DsFormat::EppKeyCreate => epp(EppData::Key, EppCommand::Create),
        DsFormat::Route53domains => form::route53_domains(&request),
        DsFormat::Json => serde_json::to_string_pretty(&form::json(&request))? + "\n",
    };
    output::text(&text);
    if text.is_empty() {
        output::note("in this form there is nothing to be sent to the parent now");
    }
    if let Some(later) = &now.later {
        output::note(later);
    }
    tell_whose(&snapshot, found.old.is_some());
    Ok(Exit::Done)
}

/// Where the parent zone is this stack's to write, nobody has to be given what is printed.
fn tell_whose(snapshot: &Snapshot, is_turning: bool) {
    if let Some(live) = snapshot.parent_zone.zone() {
        let command = if is_turning {
            "spore-infra ksk rotate"
        } else {
            "spore-infra apply"
        };
        output::note(&format!(
            "nobody has to be asked: {} is this stack's to write, and `{command}` does it when its time has \
             come; records are printed for information",
            live.words()
        ));
    }
    tell_if_unknown(snapshot);
}

/// Whether the parent zone is this stack's to write may not be known: then people may be asked for nothing.
pub(super) fn tell_if_unknown(snapshot: &Snapshot) {
    if let Parent::Unknown(why) = &snapshot.parent_zone {
        output::note(&format!(
            "{why}; where it can be, nobody has to be asked: `spore-infra apply` writes it"
        ));
    }
}

/// What those servers of the parent have that answered.
fn seen<'a>(domain: &'a str, keys: &Keys, snapshot: &Snapshot) -> Published<'a> {
    let servers = match &snapshot.parent {
        ParentView::Seen { servers, .. } => &servers[..],
        ParentView::Unknown(_) => &[],
    };
    let answers = servers
        .iter()
        .filter_map(|server| server.answer.as_ref().ok());
    Published::of(domain, keys, answers.map(|answer| answer.records()))
}

/// What to say of the DS record that nobody is to be asked for now.
pub fn not_asked_for(
    desired: &Desired,
    snapshot: &Snapshot,
    (found, why): (&Found, &NotYet),
    plan: &Plan,
) -> String {
    let parent = match &snapshot.parent {
        ParentView::Seen { zone, .. } => zone,
        ParentView::Unknown(_) => "the parent",
    };
    let published = seen(&desired.domain, &found.keys, snapshot);
    let key = &found.key.key;
    let has = if published.is_everywhere(key) && snapshot.parent.all().is_ok() {
        Some(format!("{parent} has"))
    } else if published.is_somewhere(key) {
        Some(format!("a server of {parent} has"))
    } else {
        None
    };
    let is_told = (plan.notices.iter()).any(|notice| notice.contains(&why.remedy()));
    if let Some(has) = has {
        let way = (!is_told).then(|| why.remedy());
        return why.beside(&format!("{has} DS {}", key.key_tag()), way.as_deref());
    }
    // The notice tells it in full.
    if is_told {
        let why = why.in_short();
        return format!("the DS record may not be published yet: {why}");
    }
    format!(
        "the DS record may not be published yet: {why}; {}, and `spore-infra {} it then",
        why.remedy(),
        match snapshot.parent_zone.zone() {
            Some(_) => "apply` publishes",
            None => "ds` prints",
        }
    )
}

/// What one server's answer means, with the records it published; or why there is none.
type Judged = Result<(Verdict, Vec<Ds>), String>;

/// `ds --check`: what every parent server publishes, and whether it is right.
/// Whether the parent delegates to servers of another zone of this name, so that Route 53 does not sign ours.
fn is_elsewhere(desired: &Desired, snapshot: &Snapshot) -> bool {
    zone_signing::awaits_delegation(desired, snapshot).is_some()
}

fn check_parent(
    session: &Session,
    snapshot: &Snapshot,
    found: &Found,
    format: DsFormat,
) -> anyhow::Result<Exit> {
    let domain = &session.desired.domain;
    let (parent, servers) = match &snapshot.parent {
        ParentView::Unknown(why) => bail!("the parent zone of {domain} could not be asked: {why}"),
        ParentView::Seen { zone, servers } => (zone, servers),
    };
    let published = seen(domain, &found.keys, snapshot);
    let key = expected(found, &published);
    let judged: Vec<(&ServerView, Judged)> = servers
        .iter()
        .map(|server| {
            let verdict = server.answer.clone().map(|answer| {
                let records = answer.records();
                let is_delegated = !answer.name_servers.is_empty();
                let verdict = check::verdict(domain, key, &found.keys, is_delegated, &records);
                (verdict, records)
            });
            (server, verdict)
        })
        .collect();
    let verdicts = || {
        judged
            .iter()
            .filter_map(|(_, verdict)| verdict.as_ref().ok())
    };
    let not_yet = found.now.as_ref().err();
    // Resolvers may hold what a record that came too early makes bogus. One of no key is no matter of time.
    let is_early = matches!(not_yet, Some(NotYet::Remembered { .. }))
        && found.keys.all().any(|key| published.is_somewhere(key));
    let is_elsewhere = is_elsewhere(&session.desired, snapshot);
    let at_once = pick::at_once(&published, to_add(found, domain).as_ref(), is_elsewhere);
    let told = not_yet.map(|why| {
        let early = if is_early {
            "; a DS record is there too early: whoever remembers that takes the zone for bogus"
        } else {
            ""
        };
        format!("{why}{early}; {}", why.remedy())
    });
    let later = found.now.as_ref().ok().and_then(|now| now.later.as_ref());
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
        let keys: Vec<_> = [Some(&found.key), found.old.as_ref()]
            .into_iter()
            .flatten()
            .map(|state| {
                serde_json::json!({
                    "name": state.name,
                    "key_tag": state.key.key_tag(),
                    "ds": state.key.ds(domain, DigestType::Sha256).to_string(),
                    "part": part(found, state).map(Part::word),
                    "not_yet": state.not_yet.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        let whole = serde_json::json!({
            "domain": domain,
            "parent": parent,
            "expected": wanted.to_string(),
            "key_tag": wanted.key_tag,
            "keys": keys,
            "at_once": at_once,
            "not_yet": told,
            "later": later,
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
        for line in at_once.iter().chain(&told).chain(later) {
            output::line(&format!("  {line}"));
        }
    }
    let is_wrong = verdicts().any(|(verdict, _)| verdict.is_wrong());
    let is_unknown = judged.iter().any(|(_, verdict)| match verdict {
        Ok((verdict, _)) => matches!(verdict, Verdict::Unknown(_)),
        Err(_) => true,
    });
    Ok(if is_wrong || is_unknown || is_early {
        Exit::Error
    } else if verdicts().any(|(verdict, _)| !verdict.is_right()) {
        Exit::Waiting
    } else {
        Exit::Done
    })
}

/// The record that may be published now and is not known to be there.
fn to_add(found: &Found, domain: &str) -> Option<Ds> {
    let wanted = &found.now.as_ref().ok()?.wanted;
    let mut coming = wanted
        .iter()
        .filter(|wanted| matches!(wanted.part, Part::Only | Part::Comes));
    coming
        .next()
        .map(|wanted| wanted.key.ds(domain, DigestType::Sha256))
}

/// The key that the parent has to vouch for today. Of two that may not be asked for it is the old one, unless
/// the parent has let go of it.
fn expected<'a>(found: &'a Found, published: &Published<'_>) -> &'a DnsKey {
    let first = found.now.as_ref().ok().and_then(|now| now.wanted.first());
    let new = &found.key.key;
    match (first, &found.old) {
        (Some(wanted), _) => &wanted.key,
        (None, Some(old)) if !published.is_somewhere(new) => &old.key,
        (None, Some(_) | None) => new,
    }
}

/// What is to become of a key's record, if it is wanted.
fn part(found: &Found, state: &State) -> Option<Part> {
    let now = found.now.as_ref().ok()?;
    let wanted = now.wanted.iter().find(|wanted| wanted.key == state.key);
    wanted.map(|wanted| wanted.part)
}
