//! Reading live AWS and DNS into a [`Snapshot`]: two levels of concurrent reads, no decisions.

use std::collections::BTreeMap;

use aws_sdk_resourcegroupstagging::types::TagFilter;

use crate::aws::{Answer as _, Clients, GLOBAL_REGION};
use crate::clock::Clock;
use crate::desired::{Desired, TAG_STACK};
use crate::dns::Dns;
use crate::kind::hosted_zone::Records;
use crate::kind::{
    alarm, api_account, function, hosted_zone, journal_group, kms_key, ksk, log_group, logs_key,
    logs_policy, metric_filter, query_logging, rest_api, role,
};
use crate::retry::Failure;
use crate::snapshot::{Caller, Code, LockSeen, Observation, Snapshot};

/// Reads everything a plan is made from.
///
/// # Errors
/// Only when the caller itself cannot be identified: then nothing that was read means anything.
pub async fn snapshot(
    read: &Clients,
    dns: &Dns,
    clock: &Clock,
    desired: &Desired,
    records: Records,
    code: Code,
    lock: Option<LockSeen>,
) -> Result<Snapshot, Failure> {
    let taken_at = clock.now();
    // First level: what names and lists show. What does not refer to anything of it stands in one
    // future, so that all of it is under way at once.
    let rest = async {
        tokio::join!(
            logs_policy::observe(read, desired),
            role::observe(read, desired),
            function::observe(read, desired),
            api_account::observe(read, desired),
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
    let (caller, lists, journal_tags, ksk_key, logs_key, parent, rest) = tokio::join!(
        caller(read),
        lists,
        journal_group::tags(read, desired),
        kms_key::by_alias(read, desired),
        logs_key::by_alias(read, desired),
        dns.parent(&desired.domain),
        rest,
    );
    let caller = caller?;
    let (zones, groups, query_groups, listed_alarms, tagged_global, tagged_regional) = lists;
    let journal_group = journal_group::judge(desired, journal_tags, &groups);
    // The tagging API saves calls: without it the same tags are read one by one, and then each has to
    // be readable.
    let mut tagged = tagged_regional.unwrap_or_default();
    tagged.extend(
        tagged_global
            .iter()
            .flatten()
            .map(|(arn, tags)| (arn.clone(), tags.clone())),
    );
    let remembered = journal_group
        .present()
        .and_then(|journal| journal.evidence(journal_group::EVIDENCE_ZONE))
        .map(str::to_owned);
    let picked = hosted_zone::pick(read, desired, zones, remembered.as_deref()).await;
    let zone_id = picked.present().map(|zone| zone.id.clone());
    let remembered_api = journal_group
        .present()
        .and_then(|journal| journal.evidence(journal_group::EVIDENCE_API))
        .map(str::to_owned);
    let (logs_policy, roles, function, api_account, listed_apis, metric_filters) = rest;
    // Second level: the details of what was found.
    let (hosted_zone, dnssec, kms_key, query_logging, logs_key, log_groups, alarms, rest_api) = tokio::join!(
        hosted_zone::detail(read, picked.clone(), records),
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
        logs_key::observe(read, desired, logs_key, &tagged),
        log_group::observe(read, desired, &groups, &query_groups, &tagged),
        alarm::observe(read, desired, listed_alarms, &tagged),
        rest_api::observe(read, desired, listed_apis, remembered_api.as_deref()),
    );
    let (function, unreserved_concurrency) = function;
    // A zone that was deleted between two reads takes its keys with it.
    let dnssec = match hosted_zone {
        Observation::Absent => Observation::Absent,
        Observation::Present(_) | Observation::Foreign(_) | Observation::Unreadable(_) => dnssec,
    };
    let kms_key = kms_key::of_ksks(read, desired, kms_key, &dnssec).await;
    Ok(Snapshot {
        taken_at,
        caller,
        journal_group,
        hosted_zone,
        kms_key,
        dnssec,
        logs_key,
        log_groups,
        logs_policy,
        query_logging,
        roles,
        function,
        unreserved_concurrency,
        code,
        api_account,
        rest_api,
        metric_filters,
        alarms,
        parent,
        lock,
    })
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
