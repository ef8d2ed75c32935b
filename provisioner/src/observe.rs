//! Reading live AWS and DNS into a [`Snapshot`]: two levels of concurrent reads, no decisions.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_resourcegroupstagging::types::TagFilter;

use jiff::Timestamp;

use crate::aws::{Answer as _, Clients, GLOBAL_REGION};
use crate::clock::Clock;
use crate::desired::{Desired, TAG_STACK};
use crate::dns::Dns;
use crate::ds::DnsKey;
use crate::journal;
use crate::kind::hosted_zone::{Records, ttls};
use crate::kind::rest_api::Remembered;
use crate::kind::zone_signing::former;
use crate::kind::{
    alarm, api_account, delegation, function, hosted_zone, journal_group, kms_key, ksk, log_group,
    logs_key, logs_policy, metric_filter, query_logging, rest_api, role, zone_signing,
};
use crate::retry::Failure;
use crate::snapshot::{Caller, Code, LockSeen, Observation, Snapshot};
use crate::strays;
use crate::tags::Tags;

/// What a snapshot is for. Lists and the tagging API lag, which a plan that is only shown can bear and
/// saves calls by.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// To be shown. The lock and the journal's tags are read one by one only where lists leave a doubt, or
    /// where a DS record is still to come. What costs calls of its own and changes rarely is left out: see
    /// [`Purpose::is_whole`].
    Plan,
    /// To be shown, kept or judged as the whole truth: nothing is left out.
    Review,
    /// To be carried out: lock and journal are read directly.
    Apply,
    /// As before, by the run that holds this lock.
    Run(LockSeen),
}

impl Purpose {
    /// Whether everything is read that can differ: also the subscription filters of log groups, the
    /// aliases and published versions of the function, and the role by which API Gateway logs. No list
    /// shows them and nothing that a plan reads hints at them, and its calls are counted (README, "What
    /// counts as drift").
    fn is_whole(&self) -> bool {
        match self {
            Purpose::Plan => false,
            Purpose::Review | Purpose::Apply | Purpose::Run(_) => true,
        }
    }

    /// Whether lists may be believed that lag: what is shown can bear it.
    fn is_shown(&self) -> bool {
        match self {
            Purpose::Plan | Purpose::Review => true,
            Purpose::Apply | Purpose::Run(_) => false,
        }
    }
}

/// Why there is no snapshot at all. Everything else that cannot be read is part of it.
#[derive(Debug)]
pub enum Unread {
    /// The caller cannot be identified: then nothing that was read means anything.
    Caller(Failure),
    /// Whether another run is under way cannot be told.
    Lock(Caller, Failure),
}

/// Reads everything a plan is made from.
///
/// # Errors
/// When it is not known who reads, or whether another run holds the stack's lock.
pub async fn snapshot(
    read: &Clients,
    dns: &Dns,
    clock: &Clock,
    desired: &Desired,
    records: Records,
    code: Code,
    purpose: Purpose,
) -> Result<Snapshot, Unread> {
    let taken_at = clock.now();
    let (is_shown, is_whole) = (purpose.is_shown(), purpose.is_whole());
    // First level: what names and lists show. What does not refer to anything of it stands in one
    // future, so that all of it is under way at once.
    let rest = async {
        tokio::join!(
            logs_policy::observe(read, desired),
            async {
                let roles = role::observe(read, desired).await;
                let boundary = role::boundary_there(read, desired, &roles).await;
                (roles, boundary)
            },
            function::observe(read, desired, is_whole),
            api_account::observe(read, desired, is_whole),
            rest_api::list(read),
            metric_filter::observe(read, desired),
        )
    };
    let lists = async {
        tokio::join!(
            hosted_zone::list(read, &desired.domain),
            log_group::list(read, desired),
            log_group::list_queries(read, desired),
            alarm::list(read, desired),
            tagged(&read.tagging, desired),
            async {
                match desired.region.as_str() {
                    GLOBAL_REGION => Ok(BTreeMap::new()),
                    _ => tagged(&read.tagging_regional, desired).await,
                }
            },
        )
    };
    let lock = async {
        match &purpose {
            Purpose::Plan | Purpose::Review => Ok(None),
            Purpose::Apply => journal::look(read, desired).await,
            Purpose::Run(lock) => Ok(Some(lock.clone())),
        }
    };
    let journal_tags = async {
        match &purpose {
            Purpose::Plan | Purpose::Review => None,
            Purpose::Apply | Purpose::Run(_) => Some(journal_group::tags(read, desired).await),
        }
    };
    let (caller, lock, lists, journal_tags, ksk_key, logs_key, parent, rest) = tokio::join!(
        caller(read),
        lock,
        lists,
        journal_tags,
        kms_key::by_alias(read, desired),
        logs_key::by_alias(read, desired),
        dns.parent(&desired.domain),
        rest,
    );
    let caller = caller.map_err(Unread::Caller)?;
    let (zones, groups, query_groups, listed_alarms, tagged_global, tagged_regional) = lists;
    // The tagging API saves calls: without it the same tags are read one by one, and then each has to
    // be readable.
    let mut tagged = tagged_regional.unwrap_or_default();
    tagged.extend(
        tagged_global
            .iter()
            .flatten()
            .map(|(arn, tags)| (arn.clone(), tags.clone())),
    );
    let (logs_policy, (roles, boundary), function, api_account, listed_apis, metric_filters) = rest;
    let is_listed = |evidence: &str, id: &str| match evidence {
        journal_group::EVIDENCE_ZONE => {
            matches!(zones.as_deref(), Ok([zone]) if zone.id == id)
        }
        _ => listed_apis.iter().flatten().any(|api| api.id() == Some(id)),
    };
    // What is told of a DS record that is still to come counts from evidence that may be minutes old.
    let is_vouched_for = parent.all().is_ok_and(|answers| {
        let mut answers = answers.iter();
        answers.all(|answer| answer.name_servers.is_empty() || !answer.ds.is_empty())
    });
    let indexed = || journal_group::indexed(desired, &tagged, is_listed).filter(|_| is_vouched_for);
    let journal_tags = match journal_tags {
        Some(read) => read,
        None => match indexed() {
            Some(tags) => Ok(Some(tags)),
            None => journal_group::tags(read, desired).await,
        },
    };
    let journal_group = journal_group::judge(desired, journal_tags, &groups);
    let hinted = metric_filter::hinted(desired, &journal_group, &groups, &query_groups);
    let remembered = journal_group
        .present()
        .and_then(|journal| journal.evidence(journal_group::EVIDENCE_ZONE))
        .map(str::to_owned);
    let picked = hosted_zone::pick(read, zones, remembered.as_deref(), &parent).await;
    let zone_id = picked.present().map(|zone| zone.id.clone());
    let remembered_api = journal_group
        .present()
        .and_then(|journal| journal.evidence(journal_group::EVIDENCE_API))
        .map(str::to_owned);
    // Second level: the details of what was found.
    let listed_lock = async {
        let is_listed = match &groups {
            Ok(groups) => groups.contains_key(&desired.lock_group()),
            Err(_) => true,
        };
        match purpose {
            Purpose::Plan | Purpose::Review if is_listed => journal::look(read, desired).await,
            Purpose::Plan | Purpose::Review | Purpose::Apply | Purpose::Run(_) => lock,
        }
    };
    let (
        lock,
        ttls,
        hosted_zone,
        zones_left,
        dnssec,
        kms_key,
        query_logging,
        logs_key,
        log_groups,
        alarms,
        rest_api,
        more_filters,
        journal_group,
    ) = tokio::join!(
        listed_lock,
        journal_group::kept(read, desired, &journal_group),
        hosted_zone::detail(read, desired, picked.clone(), records),
        hosted_zone::left(read, &picked),
        async {
            match (&zone_id, &picked) {
                (Some(id), _) => ksk::observe(read, id).await,
                (None, Observation::Unreadable(why)) => Observation::Unreadable(why.clone()),
                (None, _) => Observation::Absent,
            }
        },
        kms_key::detail(read, desired, ksk_key, tagged_global.as_ref().ok()),
        async {
            match (&zone_id, &picked) {
                (Some(id), _) => query_logging::observe(read, desired, id).await,
                (None, Observation::Unreadable(why)) => Observation::Unreadable(why.clone()),
                (None, _) => Observation::Absent,
            }
        },
        logs_key::observe(read, desired, logs_key, &groups, &tagged),
        log_group::observe(
            read,
            desired,
            &groups,
            &query_groups,
            &tagged,
            tagged_global.as_ref().ok(),
            is_whole,
        ),
        alarm::observe(read, desired, listed_alarms, &tagged),
        rest_api::observe(read, desired, listed_apis, remembered_api.as_deref()),
        metric_filter::observe_more(read, desired, hinted),
        journal_group::handed_on(read, desired, journal_group.clone(), is_whole),
    );
    let mut metric_filters = metric_filters;
    metric_filters.extend(more_filters);
    let (journal_group, rest_api) =
        with_deployment(read, desired, journal_group, &groups, rest_api).await;
    let lock = match lock {
        Ok(lock) => lock,
        Err(failure) => return Err(Unread::Lock(caller, failure)),
    };
    let (function, unreserved_concurrency) = function;
    // A zone that was deleted between two reads takes its keys with it.
    let dnssec = match hosted_zone {
        Observation::Absent => Observation::Absent,
        Observation::Present(_) | Observation::Foreign(_, _) | Observation::Unreadable(_) => dnssec,
    };
    // How long unsigned answers are remembered is told by all records, and an unsigned zone may have any TTL.
    // Whether it was delegated until a moment ago is not known here.
    let is_to_be_signed = desired.dnssec
        && dnssec
            .present()
            .is_none_or(|live| live.signing == "NOT_SIGNING");
    // Whether a lowered TTL is still as it was lowered shows on whatever page the record is.
    let has_low_ttls = !matches!(ttls, Ok(None));
    let is_all = hosted_zone.present().is_none_or(|zone| zone.complete);
    let hosted_zone = if (is_to_be_signed || has_low_ttls) && !is_all {
        hosted_zone::detail(read, desired, hosted_zone, Records::All).await
    } else {
        hosted_zone
    };
    // What is about to be done, or told to the parent's people, relies on no list and no memory.
    let servers = journal_group
        .present()
        .and_then(|journal| journal.evidence(journal_group::EVIDENCE_SERVERS))
        .filter(|_| is_shown);
    let hosted_zone =
        hosted_zone::assigned(read, &desired.domain, hosted_zone, servers, &parent).await;
    let kms_key = kms_key::of_ksks(read, desired, kms_key, &dnssec, &parent).await;
    let kms_key = if is_whole {
        kms_key::of_this_zone_alone(read, desired, kms_key, &dnssec).await
    } else {
        kms_key
    };
    // What a zone that is not ours has is no concern of this stack's plans; its keys were needed to see what
    // can be taken over with it.
    let is_foreign = hosted_zone.foreign().is_some();
    let dnssec = dnssec.unless(is_foreign);
    let query_logging = query_logging.unless(is_foreign);
    let shows_all = records == Records::FirstPage
        && delegation::is_settled(
            desired,
            &hosted_zone
                .present()
                .map(|zone| zone.name_servers(&desired.domain))
                .unwrap_or_default(),
            dnssec.present().map(|dnssec| &dnssec.keys[..]),
            &parent,
        );
    let others = former::others(desired, &hosted_zone, &parent);
    let theirs = dns.theirs(&desired.domain, &others).await;
    let parent_zone = delegation::observe(read, desired, &parent, shows_all).await;
    let is_to_be_noted = zone_signing::is_to_be_noted(&journal_group);
    let of_parent = (&parent_zone, is_to_be_noted);
    let served = served(dns, desired, &hosted_zone, &dnssec, of_parent, taken_at).await;
    let shown = match (&ttls, hosted_zone.present()) {
        (Ok(Some(kept)), Some(zone)) if ttls::is_to_be_noted(&journal_group) => {
            ttls::to_show(desired, zone, kept)
        }
        _ => None,
    };
    let low = match shown {
        Some(shown) => dns.shows(&shown, taken_at).await,
        None => Ok(()),
    };
    let strays = strays(
        read,
        desired,
        &tagged,
        &hosted_zone,
        &kms_key,
        &dnssec,
        &logs_key,
    )
    .await;
    Ok(Snapshot {
        taken_at,
        caller,
        journal_group,
        hosted_zone,
        ttls,
        zones_left,
        kms_key,
        dnssec,
        logs_key,
        log_groups,
        logs_policy,
        query_logging,
        roles,
        boundary,
        function,
        unreserved_concurrency,
        code,
        api_account,
        rest_api,
        metric_filters,
        alarms,
        parent,
        theirs,
        parent_zone,
        served,
        strays,
        low,
        lock,
    })
}

/// What carries the stack's tag and the document does not name. The tagging API shows for a while what is gone,
/// and a key that is about to go for weeks, so that the rare zone or key among them is looked at.
async fn strays(
    read: &Clients,
    desired: &Desired,
    tagged: &BTreeMap<String, Tags>,
    zone: &Observation<hosted_zone::Live>,
    key: &Observation<kms_key::Live>,
    dnssec: &Observation<ksk::Live>,
    logs_key: &Observation<logs_key::Live>,
) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let is_zone_unread = zone.unreadable().is_some();
    // What could not be read may be the very one that the document names.
    let are_keys_known = [key.unreadable(), logs_key.unreadable(), dnssec.unreadable()]
        .iter()
        .all(Option::is_none);
    let zone = zone.present().map(|zone| zone.id.as_str());
    known.extend(zone.map(|id| format!("arn:aws:route53:::hostedzone/{id}")));
    let key = key.present().into_iter();
    known.extend(key.flat_map(|key| {
        let twins = key.twins.iter().map(|(arn, _)| arn);
        twins.chain([&key.arn]).cloned().collect::<Vec<_>>()
    }));
    let keys = dnssec.present().into_iter().flat_map(|dnssec| &dnssec.keys);
    known.extend(keys.map(|key| key.kms_arn.clone()));
    known.extend(logs_key.present().map(|key| key.arn.clone()));
    let mut strays = BTreeSet::new();
    for arn in strays::unnamed(desired, tagged, &known) {
        let is_there = match arn.split(':').nth(2) {
            Some("kms") if !are_keys_known => false,
            Some("route53") if is_zone_unread => false,
            Some("kms") => kms_key::stays(read, &arn).await,
            // One of our name is the zone's own affair.
            Some("route53") => hosted_zone::is_another(read, desired, &arn).await,
            _ => true,
        };
        if is_there {
            strays.insert(arn);
        }
    }
    strays
}

/// Which deployment of the API the journal says is ours. What the tagging API shows of the journal may be minutes
/// old: where the stage serves another one, the journal itself is read.
async fn with_deployment(
    read: &Clients,
    desired: &Desired,
    journal: Observation<journal_group::Live>,
    groups: &log_group::Listed,
    api: Observation<rest_api::Live>,
) -> (
    Observation<journal_group::Live>,
    Observation<rest_api::Live>,
) {
    let Observation::Present(mut live) = api else {
        return (journal, api);
    };
    let remembered = |journal: &Observation<journal_group::Live>| match journal {
        Observation::Present(journal) => journal
            .evidence(journal_group::EVIDENCE_DEPLOYMENT)
            .map_or(Remembered::Nothing, |id| Remembered::Id(id.to_owned())),
        Observation::Absent => Remembered::Nothing,
        Observation::Foreign(_, _) | Observation::Unreadable(_) => Remembered::Unknown,
    };
    let stage = live.stages.get(desired.stack.api.stage.as_str());
    let is_ours =
        |remembered: &Remembered| stage.is_none_or(|stage| remembered.allows(&stage.deployment));
    let mut known = remembered(&journal);
    let mut journal = journal;
    if !is_ours(&known) {
        let tags = journal_group::tags(read, desired).await;
        journal = journal_group::judge(desired, tags, groups);
        known = remembered(&journal);
    }
    live.remembered = known;
    (journal, Observation::Present(live))
}

/// Asks the zone's own name servers, but only in a rotation, or when their answer decides whether the
/// parent zone may get a record, or since when the zone is signed: an unchanged plan needs none.
async fn served(
    dns: &Dns,
    desired: &Desired,
    zone: &Observation<hosted_zone::Live>,
    dnssec: &Observation<ksk::Live>,
    (parent, is_to_be_noted): (&delegation::Parent, bool),
    now: Timestamp,
) -> Result<(), String> {
    let Some(zone) = zone.present() else {
        return Ok(());
    };
    let keys = dnssec.present().map(|dnssec| &dnssec.keys[..]);
    let keys = keys.unwrap_or_default();
    let servers = zone.name_servers(&desired.domain);
    // An NS set that differs may be adopted.
    let lacks = parent.zone().is_some_and(|parent| {
        parent
            .ns()
            .is_none_or(|set| !delegation::names(set, &servers))
            || desired.dnssec && parent.ds().is_none()
    });
    if keys.len() < 2 && !lacks && !is_to_be_noted {
        return Ok(());
    }
    let is_signed = dnssec
        .present()
        .is_some_and(|dnssec| dnssec.signing == "SIGNING");
    if lacks && !is_signed {
        dns.speaks_for(&desired.domain, &servers).await?;
    }
    // A key that does not sign yet is served by nobody.
    if keys.len() < 2 && !is_signed {
        return Ok(());
    }
    for key in keys.iter().filter(|key| key.status == "ACTIVE") {
        let key = DnsKey::parse(&key.dnskey).map_err(|error| error.to_string())?;
        let served = dns.serves_key(&desired.domain, &servers, &key, now);
        served.await.map_err(|why| why.to_string())?;
    }
    Ok(())
}

/// Who the credentials belong to.
pub async fn caller(read: &Clients) -> Result<Caller, Failure> {
    let answer = read
        .sts
        .get_caller_identity()
        .send()
        .await
        .or_fail("sts:GetCallerIdentity")?;
    Ok(Caller {
        account: answer.account.unwrap_or_default(),
        arn: answer.arn.unwrap_or_default(),
    })
}

/// Tags of everything that carries the stack's tag, by ARN.
async fn tagged(
    tagging: &aws_sdk_resourcegroupstagging::Client,
    desired: &Desired,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
    let filter = TagFilter::builder()
        .key(TAG_STACK)
        .values(&desired.domain)
        .build();
    let mut pages = tagging
        .get_resources()
        .tag_filters(filter)
        .into_paginator()
        .send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.or_fail("tag:GetResources")?;
        for resource in page.resource_tag_mapping_list() {
            let tags = resource
                .tags()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
            found.insert(
                resource.resource_arn().unwrap_or_default().to_owned(),
                tags.collect(),
            );
        }
    }
    Ok(found)
}
