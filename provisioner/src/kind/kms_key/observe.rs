//! Reading the key: behind the alias, and without a usable alias among the keys that have none.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types as kms;

use super::Live;
use crate::adoption;
use crate::arg::{Output, Outputs};
use crate::aws::{Answer as _, Clients, GLOBAL_REGION};
use crate::desired::{Desired, PURPOSE_KSK, TAG_PURPOSE};
use crate::ds::{DnsKey, Ds};
use crate::kind::{Seen, hosted_zone, ksk};
use crate::retry::{Class, Failure};
use crate::snapshot::{Observation, ParentView, Stranger};
use crate::tags::{self, Tags};

/// The key behind the alias, as DescribeKey shows it.
pub type ByAlias = Result<Option<kms::KeyMetadata>, Failure>;

/// Reads the key behind the alias.
pub async fn by_alias(read: &Clients, desired: &Desired) -> ByAlias {
    describe(&read.kms, &desired.key_alias).await
}

/// A key as DescribeKey shows it; none when there is none.
pub(in crate::kind) async fn describe(kms: &aws_sdk_kms::Client, id: &str) -> ByAlias {
    let answer = kms.describe_key().key_id(id).send().await;
    let answer = answer.unless_gone("kms:DescribeKey")?;
    Ok(answer.and_then(|answer| answer.key_metadata))
}

/// Whether a key is there to stay, as far as can be read.
pub async fn stays(read: &Clients, arn: &str) -> bool {
    let client = if arn.contains(&format!(":{GLOBAL_REGION}:")) {
        &read.kms
    } else {
        &read.kms_regional
    };
    match describe(client, arn).await {
        Ok(found) => found.is_some_and(|key| state(&key) != "PendingDeletion"),
        Err(_) => true,
    }
}

/// Completes what the alias showed: policy, public key, tags; and without a usable alias, the search
/// among the keys that have none. `tagged` is the tagging API's view, used when it agrees.
pub async fn detail(
    read: &Clients,
    desired: &Desired,
    by_alias: ByAlias,
    tagged: Option<&BTreeMap<String, Tags>>,
) -> Observation<Live> {
    match read_detail(read, desired, by_alias, tagged).await {
        Ok(Some(live)) => Observation::Present(live),
        Ok(None) => Observation::Absent,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

async fn read_detail(
    read: &Clients,
    desired: &Desired,
    by_alias: ByAlias,
    tagged: Option<&BTreeMap<String, Tags>>,
) -> Result<Option<Live>, Failure> {
    // What the tagging API cannot tell, the search has to.
    let hidden = if tagged.is_some() {
        Hidden::Skipped
    } else {
        Hidden::Refused
    };
    let none = BTreeMap::new();
    let tagged = tagged.unwrap_or(&none);
    let mut live = Live::default();
    let aliased = by_alias?;
    let mut chosen = aliased
        .clone()
        .filter(|key| state(key) != "PendingDeletion");
    if let Some(key) = &aliased
        && chosen.is_none()
    {
        live.stale_alias = true;
        live.note_twin(key);
    }
    // The tagging API shows twins for free; without a key behind the alias only a search is sure.
    let mut candidates = BTreeSet::new();
    for (arn, tags) in tagged {
        let is_target = aliased.as_ref().is_some_and(|key| self::arn(key) == *arn);
        if !arn.contains(":kms:") || !desired.owns(tags) || is_target {
            continue;
        }
        let is_ksks = match tags.get(TAG_PURPOSE).map(String::as_str) {
            Some(PURPOSE_KSK) => true,
            Some(_) => false,
            // A key with an alias of its own has another purpose then.
            None => !has_alias(read, arn).await?,
        };
        if is_ksks {
            candidates.insert(arn.clone());
        }
    }
    if chosen.is_none() {
        candidates.extend(search(&read.kms, desired, None, hidden).await?);
    }
    if let Some(key) = &aliased {
        candidates.remove(&arn(key));
    }
    // Concurrently: twins must not cost a no-change plan another level of reads.
    let candidates: Vec<String> = candidates.into_iter().collect();
    let described = candidates
        .iter()
        .map(|candidate| describe(&read.kms, candidate));
    let (described, known) = tokio::join!(
        futures_util::future::try_join_all(described),
        content(read, desired, chosen.as_ref(), tagged)
    );
    let mut spare: Vec<kms::KeyMetadata> = described?.into_iter().flatten().collect();
    // So has a key that could never be a KSK's.
    spare.retain(|key| unfit(key).is_none());
    let mut known = known?;
    // Somebody may have pointed the alias at a key of theirs: ours is the one with the stack's tags.
    if chosen.is_some() && !desired.owns(&known.1) {
        for found in search(&read.kms, desired, None, hidden).await? {
            if !candidates.contains(&found) {
                spare.extend(describe(&read.kms, &found).await?);
            }
        }
        if spare.iter().any(|key| state(key) != "PendingDeletion") {
            chosen = None;
            live.stale_alias = true;
        }
    }
    // The oldest wins; the order of equal dates is the order of ARNs, so that every run agrees.
    spare.sort_by(|a, b| {
        let date =
            |key: &kms::KeyMetadata| key.creation_date().map(|d| (d.secs(), d.subsec_nanos()));
        (date(a), arn(a)).cmp(&(date(b), arn(b)))
    });
    live.has_alias = chosen.is_some();
    for key in spare {
        if chosen.is_none() && state(&key) != "PendingDeletion" {
            chosen = Some(key);
            known = content(read, desired, chosen.as_ref(), tagged).await?;
        } else {
            live.note_twin(&key);
        }
    }
    let Some(key) = chosen else {
        let nothing = live.twins.is_empty() && !live.stale_alias;
        return Ok(if nothing { None } else { Some(live) });
    };
    live.arn = arn(&key);
    live.state = state(&key);
    live.unfit = unfit(&key);
    (live.policy, live.tags, live.grants) = known;
    Ok(Some(live))
}

/// The key that a key-signing key of the zone names, where neither alias nor tags show one: somebody
/// deleted the alias, and the tags cannot be read or are gone. Without this the stack's key would be
/// taken for missing. It is the stack's if its tags say so, or if its key-signing key has the name that
/// only this stack gives; a key with other tags and another name stays somebody else's.
///
/// That other key is what `adopt` can take over, with the key-signing key that names it.
pub async fn of_ksks(
    read: &Clients,
    desired: &Desired,
    found: Observation<Live>,
    dnssec: &Observation<ksk::Live>,
    parent: &ParentView,
) -> Observation<Live> {
    let named = dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let named = named.unwrap_or_default();
    let known = match &found {
        Observation::Absent => Live::default(),
        Observation::Present(live) if live.arn.is_empty() => live.clone(),
        Observation::Present(live) => return completed(read, desired, live.clone(), named).await,
        Observation::Foreign(_, _) | Observation::Unreadable(_) => return found,
    };
    let stranger = match read_named(read, desired, known, named).await {
        Ok(Some(live)) => return completed(read, desired, live, named).await,
        Ok(None) => stranger(read, desired, named, parent).await,
        Err(failure) => Err(failure),
    };
    match stranger {
        Ok(stranger) => stranger.unwrap_or(found),
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

/// What could be taken over, unless other zones are signed with it: the stack's key has a policy by which Route 53
/// signs one zone, and taking it over would have the others' signatures end. Only who is about to decide asks, as
/// every zone of the account is looked at.
pub async fn of_this_zone_alone(
    read: &Clients,
    desired: &Desired,
    found: Observation<Live>,
    dnssec: &Observation<ksk::Live>,
) -> Observation<Live> {
    let named = dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let is_named = |arn: &str| {
        named
            .unwrap_or_default()
            .iter()
            .any(|key| key.kms_arn == arn)
    };
    match found {
        Observation::Foreign(why, Some(stranger)) => {
            match signs_others(read, desired, &stranger.id).await {
                None => Observation::Foreign(why, Some(stranger)),
                Some(unfit) => Observation::Foreign(
                    format!("KMS key {} cannot be this stack's: {unfit}", stranger.id),
                    None,
                ),
            }
        }
        Observation::Present(mut live)
            if live.has_alias
                && live.unfit.is_none()
                && !desired.owns(&live.tags)
                && !is_named(&live.arn) =>
        {
            live.unfit = signs_others(read, desired, &live.arn).await;
            Observation::Present(live)
        }
        Observation::Present(_)
        | Observation::Foreign(_, None)
        | Observation::Absent
        | Observation::Unreadable(_) => found,
    }
}

/// Which other zones of the account are signed with a key, or why nobody can tell; none if no zone is.
async fn signs_others(read: &Clients, desired: &Desired, arn: &str) -> Option<String> {
    match zones_with(read, desired, arn).await {
        Ok(zones) if zones.is_empty() => None,
        Ok(zones) => Some(format!(
            "it also signs {}, and by the policy of a stack's key Route 53 signs one zone only: give each of the \
             others a key of its own first",
            zones.join(", ")
        )),
        Err(failure) => Some(format!(
            "whether it also signs other zones of the account cannot be told: {failure}"
        )),
    }
}

async fn zones_with(read: &Clients, desired: &Desired, arn: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (id, name) in hosted_zone::public_zones(read).await? {
        if name.trim_end_matches('.') == desired.domain {
            continue;
        }
        let keys = ksk::look(read, &id)
            .await?
            .map_or_else(Vec::new, |live| live.keys);
        if let Some(ksk) = keys.iter().find(|key| key.kms_arn == arn) {
            found.push(format!("{name} (zone {id}, key-signing key {})", ksk.name));
        }
    }
    Ok(found)
}

/// A usable key, with what the zone's key-signing keys tell beside it.
async fn completed(
    read: &Clients,
    desired: &Desired,
    live: Live,
    named: &[ksk::Key],
) -> Observation<Live> {
    let completed = match with_named(read, desired, live, named).await {
        Ok(live) => rescued(read, desired, live, named).await,
        Err(failure) => Err(failure),
    };
    match completed {
        Ok(live) => Observation::Present(live),
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

/// Takes the key whose deletion is scheduled for the stack's, where the alias leads to it, or to none of the
/// zone's, and the key-signing key that names it is the older one: the second key of a rotation, which is usable,
/// does not stand in for it. Only what is the stack's key is rescued by an apply.
async fn rescued(
    read: &Clients,
    desired: &Desired,
    mut live: Live,
    named: &[ksk::Key],
) -> Result<Live, Failure> {
    let is_going = |ksk: &&ksk::Key| {
        let mut twins = live.twins.iter();
        twins.any(|(arn, state)| *arn == ksk.kms_arn && state == "PendingDeletion")
    };
    if live.has_alias || !named.iter().any(|ksk| is_going(&ksk)) {
        return Ok(live);
    }
    let target = by_alias(read, desired).await?.map(|key| arn(&key));
    let aliased = named
        .iter()
        .find(|ksk| Some(&ksk.kms_arn) == target.as_ref());
    let oldest = named.iter().min_by_key(|ksk| (ksk.created, &ksk.name));
    let Some(ksk) = aliased.or(oldest).filter(is_going) else {
        return Ok(live);
    };
    let Some(key) = describe(&read.kms, &ksk.kms_arn).await? else {
        return Ok(live);
    };
    let known = content(read, desired, Some(&key), &BTreeMap::new()).await?;
    live.twins.retain(|(twin, _)| *twin != ksk.kms_arn);
    let other = std::mem::replace(&mut live.arn, arn(&key));
    let state_of_other = std::mem::replace(&mut live.state, state(&key));
    live.twins.push((other, state_of_other));
    live.has_alias = aliased.is_some();
    live.stale_alias &= !live.has_alias;
    live.deletion_date = key.deletion_date().map(ToString::to_string);
    live.unfit = unfit(&key);
    (live.policy, live.tags, live.grants) = known;
    Ok(live)
}

/// Completes the twins by keys of the stack that only a key-signing key shows: one that was adopted, while a
/// rotation puts another in its place (such a key has the alias that its maker gave it), or one that no index
/// shows yet. A key that KMS does not know any more is noted as that.
async fn with_named(
    read: &Clients,
    desired: &Desired,
    mut live: Live,
    named: &[ksk::Key],
) -> Result<Live, Failure> {
    for ksk in named {
        let is_known =
            live.arn == ksk.kms_arn || live.twins.iter().any(|(twin, _)| *twin == ksk.kms_arn);
        if is_known {
            continue;
        }
        match describe(&read.kms, &ksk.kms_arn).await {
            Ok(Some(key)) => {
                if desired.owns(&tags::of_key(&read.kms, &arn(&key)).await?) {
                    live.note_twin(&key);
                }
            }
            Ok(None) => {
                live.gone.insert(ksk.kms_arn.clone());
            }
            // The stack's own keys can be read.
            Err(failure) if failure.class == Class::Denied => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(live)
}

impl Live {
    /// Another key of the stack.
    fn note_twin(&mut self, key: &kms::KeyMetadata) {
        self.twins.push((arn(key), state(key)));
    }
}

/// Which of a zone's key-signing keys is to be kept, where none is of this stack: the only one, or the only
/// active one that the parent vouches for.
fn kept<'a>(
    desired: &Desired,
    named: &'a [ksk::Key],
    parent: &ParentView,
) -> Option<Result<&'a ksk::Key, String>> {
    let several = match named {
        [] => return None,
        [one] => return Some(Ok(one)),
        several => several,
    };
    let answers = parent.all().unwrap_or_default();
    let shown = || answers.iter().flat_map(|answer| &answer.ds);
    let is_vouched_for = |key: &&ksk::Key| {
        let dnskey = DnsKey::parse(&key.dnskey).ok();
        let of_key = |dnskey: &DnsKey| {
            shown().any(|ds| Ds::parse(ds).is_ok_and(|ds| ds.matches(&desired.domain, dnskey)))
        };
        key.status == "ACTIVE" && dnskey.as_ref().is_some_and(of_key)
    };
    let vouched: Vec<&ksk::Key> = several.iter().filter(is_vouched_for).collect();
    let way = match vouched[..] {
        [one] => return Some(Ok(one)),
        [] => "have those deleted that no DS record is of",
        _ => {
            "have the parent take the DS record of one of them out, and when no resolver remembers it any more, \
             after its TTL, have that key-signing key deactivated and deleted"
        }
    };
    let names: Vec<String> = several
        .iter()
        .map(|key| format!("{} (KMS key {}, {})", key.name, key.kms_arn, key.status))
        .collect();
    Some(Err(format!(
        "the zone has key-signing keys that are not this stack's, {}, and the parent's DS records do not \
         say which is to be kept; {way}",
        names.join(" and ")
    )))
}

/// The key of the key-signing key that is to be kept, as what it is; none when there is no such key.
async fn stranger(
    read: &Clients,
    desired: &Desired,
    named: &[ksk::Key],
    parent: &ParentView,
) -> Result<Option<Observation<Live>>, Failure> {
    let ksk = match kept(desired, named, parent) {
        None => return Ok(None),
        Some(Err(why)) => return Ok(Some(Observation::Foreign(why, None))),
        Some(Ok(ksk)) => ksk,
    };
    let what = format!("KMS key {} of key-signing key {}", ksk.kms_arn, ksk.name);
    let instead = "have that key-signing key deleted once the parent has no DS record of it";
    let unfit_for = |why: &str| {
        let why = format!("{what} {why}; {instead}");
        Ok(Some(Observation::Foreign(why, None)))
    };
    let here = format!("arn:aws:kms:{GLOBAL_REGION}:{}:key/", desired.account);
    if !ksk.kms_arn.starts_with(&here) {
        return unfit_for("is not one of this account in us-east-1");
    }
    let Some(key) = describe(&read.kms, &ksk.kms_arn).await? else {
        return Ok(None);
    };
    if let Some(unfit) = unfit(&key) {
        return unfit_for(&format!("cannot be this stack's: {unfit}"));
    }
    if state(&key) == "PendingDeletion" {
        return unfit_for(
            "is scheduled for deletion, and such a key is never adopted: cancel that (`aws kms \
             cancel-key-deletion`, then `aws kms enable-key`)",
        );
    }
    let (policy, tags, grants) = content(read, desired, Some(&key), &BTreeMap::new()).await?;
    let live = Live {
        arn: arn(&key),
        state: state(&key),
        policy,
        grants,
        tags,
        ..Live::default()
    };
    let mut attributes = live.attributes();
    attributes.insert(
        "key-signing-key".into(),
        format!("{} ({}, DS {})", ksk.name, ksk.status, ksk.ds),
    );
    let stranger = Stranger {
        id: live.arn,
        tags: live.tags,
        attributes,
    };
    let foreign = adoption::foreign(desired, &what, instead, stranger);
    Ok(Some(foreign))
}

/// Completes `live` by the first usable key of ours that is named, and by others as twins; none when
/// that adds nothing.
async fn read_named(
    read: &Clients,
    desired: &Desired,
    mut live: Live,
    named: &[ksk::Key],
) -> Result<Option<Live>, Failure> {
    let mut is_new = false;
    for ksk in named {
        let is_known = |(twin, _): &(String, String)| *twin == ksk.kms_arn;
        // A key that is going but signs is the stack's key, to be rescued.
        let twin = live.twins.iter().position(is_known);
        let is_going = twin.is_some_and(|twin| live.twins[twin].1 == "PendingDeletion");
        if live.arn == ksk.kms_arn || twin.is_some() && !(is_going && live.arn.is_empty()) {
            continue;
        }
        let answer = read.kms.describe_key().key_id(&ksk.kms_arn).send().await;
        let answer = answer.unless_gone("kms:DescribeKey")?;
        let Some(key) = answer.and_then(|answer| answer.key_metadata) else {
            continue;
        };
        let known = content(read, desired, Some(&key), &BTreeMap::new()).await?;
        if !desired.is_ksk_name(&ksk.name) && !desired.owns(&known.1) {
            continue;
        }
        is_new = true;
        if live.arn.is_empty() {
            if let Some(twin) = twin {
                live.twins.remove(twin);
                // Without any usable key, the first twin is what the alias leads to.
                live.has_alias = live.stale_alias && twin == 0;
                live.stale_alias &= !live.has_alias;
            }
            live.deletion_date = key.deletion_date().map(ToString::to_string);
            live.arn = arn(&key);
            live.state = state(&key);
            live.unfit = unfit(&key);
            (live.policy, live.tags, live.grants) = known;
        } else {
            live.note_twin(&key);
        }
    }
    Ok(is_new.then_some(live))
}

/// Policy, tags and others' grants of a key.
type Content = (String, Tags, BTreeMap<String, String>);

async fn content(
    read: &Clients,
    desired: &Desired,
    key: Option<&kms::KeyMetadata>,
    tagged: &BTreeMap<String, Tags>,
) -> Result<Content, Failure> {
    let Some(arn) = key.map(arn) else {
        return Ok(Content::default());
    };
    // The tagging API may lag: what it shows counts only when nothing is missing.
    let indexed = tagged
        .get(&arn)
        .filter(|tags| desired.tags_to_set(tags).is_empty());
    tokio::try_join!(
        key_policy(&read.kms, &arn),
        async {
            match indexed {
                Some(tags) => Ok(tags.clone()),
                None => tags::of_key(&read.kms, &arn).await,
            }
        },
        grants(read, &arn),
    )
}

/// Grants to anybody but AWS's services, which make theirs by themselves: each gives somebody the use
/// of the key past its policy.
async fn grants(read: &Clients, arn: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let mut pages = read.kms.list_grants().key_id(arn).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.or_fail("kms:ListGrants")?;
        for grant in page.grants() {
            let grantee = grant.grantee_principal().unwrap_or_default();
            if grantee.ends_with(".amazonaws.com") {
                continue;
            }
            let operations: Vec<String> = grant
                .operations()
                .iter()
                .map(|operation| format!("kms:{}", operation.as_str()))
                .collect();
            let id = grant.grant_id().unwrap_or_default().to_owned();
            found.insert(id, format!("{grantee} may {}", operations.join(", ")));
        }
    }
    Ok(found)
}

pub(in crate::kind) fn arn(key: &kms::KeyMetadata) -> String {
    key.arn().unwrap_or_default().to_owned()
}

pub(in crate::kind) fn state(key: &kms::KeyMetadata) -> String {
    key.key_state()
        .map(|state| state.as_str().to_owned())
        .unwrap_or_default()
}

fn unfit(key: &kms::KeyMetadata) -> Option<String> {
    let spec = key
        .key_spec()
        .map(|spec| spec.as_str().to_owned())
        .unwrap_or_default();
    let usage = key
        .key_usage()
        .map(|usage| usage.as_str().to_owned())
        .unwrap_or_default();
    if spec != "ECC_NIST_P256" {
        Some(format!("its spec is {spec}, not ECC_NIST_P256"))
    } else if usage != "SIGN_VERIFY" {
        Some(format!("its usage is {usage}, not SIGN_VERIFY"))
    } else if key.multi_region() == Some(true) {
        Some("it is a multi-Region key".to_owned())
    } else {
        None
    }
}

/// The policy of a key, as text.
pub(in crate::kind) async fn key_policy(
    kms: &aws_sdk_kms::Client,
    arn: &str,
) -> Result<String, Failure> {
    let call = kms.get_key_policy().key_id(arn).policy_name("default");
    let answer = call.send().await.or_fail("kms:GetKeyPolicy")?;
    Ok(answer.policy.unwrap_or_default())
}

/// The public key in DER; empty while the key's state does not allow the call. No plan needs it: what
/// Route 53 shows of the key says which one it is.
///
/// # Errors
/// When it cannot be read.
pub async fn public_key(read: &Clients, arn: &str) -> Result<Vec<u8>, Failure> {
    let answer = read.kms.get_public_key().key_id(arn).send().await;
    let unusable = ["KMSInvalidStateException", "DisabledException"];
    match answer.or_fail("kms:GetPublicKey") {
        Ok(answer) => Ok(answer
            .public_key
            .map_or_else(Vec::new, |key| key.into_inner())),
        Err(failure) if unusable.contains(&failure.code.as_str()) => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// What a search does about a key whose tags it may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kind) enum Hidden {
    /// It is somebody else's: another reading of tags would have shown ours.
    Skipped,
    /// It may be ours, as nothing else shows tags: the search fails.
    Refused,
}

/// Keys of this stack and purpose among those that have no alias. Reads every key's tags: done only
/// when the alias leads nowhere. Without a purpose it is a key-signing key's; one that was adopted may have
/// an alias, and is looked for there as well where no other reading of tags shows it.
pub(in crate::kind) async fn search(
    kms: &aws_sdk_kms::Client,
    desired: &Desired,
    purpose: Option<&str>,
    hidden: Hidden,
) -> Result<Vec<String>, Failure> {
    let is_wanted = |tags: &Tags, has_alias: bool| {
        let found = tags.get(TAG_PURPOSE).map(String::as_str);
        let is_adopted = purpose.is_none() && found == Some(PURPOSE_KSK);
        desired.owns(tags) && (is_adopted || found == purpose && !has_alias)
    };
    let mut aliased = BTreeSet::new();
    let mut pages = kms.list_aliases().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.or_fail("kms:ListAliases")?;
        aliased.extend(
            page.aliases()
                .iter()
                .filter_map(|a| a.target_key_id().map(str::to_owned)),
        );
    }
    let mut found = Vec::new();
    let mut pages = kms.list_keys().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.or_fail("kms:ListKeys")?;
        for key in page.keys() {
            let (Some(id), Some(arn)) = (key.key_id(), key.key_arn()) else {
                continue;
            };
            let has_alias = aliased.contains(id);
            if has_alias && (purpose.is_some() || hidden == Hidden::Skipped) {
                continue;
            }
            match tags::of_key(kms, arn).await {
                Ok(tags) if is_wanted(&tags, has_alias) => found.push(arn.to_owned()),
                Ok(_) => {}
                // Somebody else's key may hide its tags from us; ours grants its administrators.
                Err(failure) if failure.class == Class::Gone => {}
                Err(failure)
                    if failure.class == Class::Denied
                        && (has_alias || hidden == Hidden::Skipped) => {}
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(found)
}

async fn has_alias(read: &Clients, arn: &str) -> Result<bool, Failure> {
    let answer = read.kms.list_aliases().key_id(arn).send().await;
    let answer = answer.unless_gone("kms:ListAliases")?;
    Ok(answer.is_some_and(|answer| !answer.aliases().is_empty()))
}

/// Looks for a key of this stack without an alias, made by a call whose answer was lost.
pub async fn look(read: &Clients, desired: &Desired) -> Result<Seen, Failure> {
    let mut usable = Vec::new();
    for arn in search(&read.kms, desired, None, Hidden::Skipped).await? {
        if let Some(key) = describe(&read.kms, &arn).await?
            && state(&key) == "Enabled"
        {
            usable.push(arn);
        }
    }
    usable.sort();
    Ok(usable.into_iter().next().map_or(Seen::NotListed, |arn| {
        Seen::Found(Outputs::from([(Output::KeyArn, arn)]))
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::ds::DigestType;
    use crate::fixture::{self, DOMAIN};
    use crate::snapshot::Delegated;

    const KEYS: [&str; 2] = [
        "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==",
        "257 3 13 nvpJRLbZUYKAgKIvgJYjbp4Dpp15suMv+UyVSx0XhkIcP+g9XF09fU78X5xkN2uROZwdx0nVU2vIWu7/mAkB5w==",
    ];

    fn ksk(number: usize, status: &str) -> ksk::Key {
        ksk::Key {
            name: format!("by_hand_{number}"),
            kms_arn: format!("arn:{number}"),
            status: status.into(),
            dnskey: KEYS[number].into(),
            ..ksk::Key::default()
        }
    }

    /// Which key is kept, where the parent has DS records of these.
    fn kept_of(named: &[ksk::Key], vouched: &[usize]) -> Option<Result<String, String>> {
        let ds = |number: &usize| {
            let key = DnsKey::parse(KEYS[*number]).unwrap();
            key.ds(DOMAIN, DigestType::Sha256).to_string()
        };
        let parent = fixture::parent(Delegated {
            ds: vouched.iter().map(ds).collect(),
            ..Delegated::default()
        });
        let kept = kept(&fixture::desired(), named, &parent)?;
        Some(kept.map(|key| key.name.clone()))
    }

    #[test]
    fn the_parent_says_which_of_two_key_signing_keys_is_kept() {
        let name = |number: usize| Some(Ok(format!("by_hand_{number}")));
        let both = [ksk(0, "ACTIVE"), ksk(1, "ACTIVE")];
        assert_eq!(kept_of(&[], &[0]), None);
        assert_eq!(kept_of(&both[1..], &[]), name(1));
        assert_eq!(kept_of(&both, &[0]), name(0));
        assert_eq!(kept_of(&both, &[1]), name(1));
        for vouched in [&[][..], &[0, 1]] {
            let undecided = kept_of(&both, vouched);
            assert!(
                matches!(&undecided, Some(Err(why)) if why.contains("by_hand_0") && why.contains("by_hand_1")),
                "{undecided:?}"
            );
        }
        // One that does not sign is not worth keeping, whoever vouches for it.
        let one_signs = [ksk(0, "INACTIVE"), ksk(1, "ACTIVE")];
        assert_eq!(kept_of(&one_signs, &[0, 1]), name(1));
        assert!(matches!(kept_of(&one_signs, &[0]), Some(Err(_))));
    }
}
