//! Reading the zone: which of those listed is ours, its tags and records, and the state of its changes.

use std::collections::BTreeSet;

use aws_sdk_route53::types as r53;

use super::{Live, RecordSet, reference_prefix};
use crate::adoption;
use crate::arg::{Output, Outputs};
use crate::aws::{Answer as _, Clients};
use crate::desired::Desired;
use crate::kind::Seen;
use crate::retry::{Class, Failure};
use crate::snapshot::{Delegated, Observation, ParentView, Stranger};
use crate::tags;

/// Zones of the name, as a list shows them.
pub async fn list(read: &Clients, domain: &str) -> Result<Vec<Live>, Failure> {
    let name = format!("{domain}.");
    let mut found = Vec::new();
    let mut start: Option<(String, String)> = None;
    loop {
        let (start_name, start_id) = start
            .clone()
            .map_or((name.clone(), None), |(n, i)| (n, Some(i)));
        let call = read
            .route53
            .list_hosted_zones_by_name()
            .dns_name(start_name);
        let page = call
            .set_hosted_zone_id(start_id)
            .send()
            .await
            .or_fail("route53:ListHostedZonesByName")?;
        for zone in page.hosted_zones() {
            let is_private = zone.config().is_some_and(|config| config.private_zone());
            if zone.name() == name && !is_private {
                found.push(Live {
                    id: bare_id(zone.id()),
                    reference: zone.caller_reference().to_owned(),
                    comment: comment_of(zone.config()),
                    ..Live::default()
                });
            }
        }
        // The list is sorted by name, so the next page matters only while the name goes on.
        start = match (page.next_dns_name(), page.next_hosted_zone_id()) {
            (Some(next), Some(id)) if page.is_truncated() && next == name => {
                Some((next.to_owned(), id.to_owned()))
            }
            (_, _) => return Ok(found),
        };
    }
}

/// Id and name of every public zone of the account.
pub async fn public_zones(read: &Clients) -> Result<Vec<(String, String)>, Failure> {
    let mut found = Vec::new();
    let mut start: Option<(String, String)> = None;
    loop {
        let (name, id) = start.unzip();
        let call = read.route53.list_hosted_zones_by_name();
        let page = call
            .set_dns_name(name)
            .set_hosted_zone_id(id)
            .send()
            .await
            .or_fail("route53:ListHostedZonesByName")?;
        for zone in page.hosted_zones() {
            if !zone.config().is_some_and(|config| config.private_zone()) {
                found.push((bare_id(zone.id()), zone.name().to_owned()));
            }
        }
        start = match (page.next_dns_name(), page.next_hosted_zone_id()) {
            (Some(name), Some(id)) if page.is_truncated() => Some((name.to_owned(), id.to_owned())),
            (_, _) => return Ok(found),
        };
    }
}

fn comment_of(config: Option<&r53::HostedZoneConfig>) -> String {
    let comment = config.and_then(|config| config.comment());
    comment.unwrap_or_default().to_owned()
}

/// Picks the zone from the list, or by the id that the journal remembers when the list lags. Whether it is
/// ours shows when its tags are read.
pub async fn pick(
    read: &Clients,
    listed: Result<Vec<Live>, Failure>,
    remembered: Option<&str>,
    parent: &ParentView,
) -> Observation<Live> {
    let mut zones = match listed {
        Ok(zones) => zones,
        Err(failure) => return Observation::Unreadable(failure.to_string()),
    };
    if let Some(id) = remembered
        && !zones.iter().any(|zone| zone.id == id)
    {
        let answer = read.route53.get_hosted_zone().id(id).send().await;
        match answer.unless_gone("route53:GetHostedZone") {
            Ok(answer) => {
                let zone = answer.and_then(|answer| answer.hosted_zone);
                zones.extend(zone.map(|zone| Live {
                    id: bare_id(zone.id()),
                    reference: zone.caller_reference().to_owned(),
                    comment: comment_of(zone.config()),
                    ..Live::default()
                }));
            }
            Err(failure) => return Observation::Unreadable(failure.to_string()),
        }
    }
    // Lists also lag behind deletions: of several, only those that a direct read finds count.
    let mut alive = Vec::new();
    if zones.len() > 1 {
        for zone in std::mem::take(&mut zones) {
            match servers(read, &zone.id).await {
                Ok(Some(servers)) => alive.push((zone, servers)),
                Ok(None) => {}
                Err(failure) => return Observation::Unreadable(failure.to_string()),
            }
        }
        if alive.len() > 1 {
            return Observation::Foreign(several(alive, parent), None);
        }
    }
    zones.extend(alive.into_iter().map(|(zone, _)| zone));
    match zones.pop() {
        Some(zone) => Observation::Present(zone),
        None => Observation::Absent,
    }
}

/// What stands in the way when the name has several public zones: which the parent delegates to decides which are
/// to go, and is what DNS shows.
fn several(mut zones: Vec<(Live, Vec<String>)>, parent: &ParentView) -> String {
    // Ids are AWS's choice: those made with the same references are told in the same order.
    zones.sort_by(|(a, _), (b, _)| a.reference.cmp(&b.reference));
    let set = |servers: &[String]| -> BTreeSet<String> {
        let plain = |server: &String| server.trim_end_matches('.').to_lowercase();
        servers.iter().map(plain).collect()
    };
    let (name, answers) = match (parent, parent.all()) {
        (ParentView::Seen { zone, .. }, Ok(answers)) => (zone.as_str(), Ok(answers)),
        (ParentView::Unknown(why), _) => ("the parent", Err(why.clone())),
        (ParentView::Seen { zone, .. }, Err(why)) => (zone.as_str(), Err(why)),
    };
    let delegated = |servers: &[String]| {
        let own = set(servers);
        let shown = answers.as_ref().ok()?.iter();
        let shown: Vec<BTreeSet<String>> = shown.map(|answer| set(&answer.name_servers)).collect();
        Some(
            if !own.is_empty() && shown.iter().all(|shown| *shown == own) {
                format!("to which {name} delegates")
            } else if shown.iter().all(|shown| shown.is_disjoint(&own)) {
                format!("to which {name} does not delegate")
            } else {
                format!("to which {name} delegates in part")
            },
        )
    };
    let told: Vec<String> = zones
        .iter()
        .map(|(zone, servers)| {
            let whither =
                delegated(servers).map_or_else(String::new, |whither| format!(", {whither}"));
            format!("{} (caller reference {}){whither}", zone.id, zone.reference)
        })
        .collect();
    let is_delegated = |answers: &Vec<&Delegated>| {
        let mut answers = answers.iter();
        answers.any(|answer| !answer.name_servers.is_empty())
    };
    let remedy = match &answers {
        Ok(answers) if is_delegated(answers) => {
            "delete those that the parent does not delegate to".to_owned()
        }
        Ok(_) => "delete those that nobody needs".to_owned(),
        Err(why) => format!(
            "delete those that the parent does not delegate to, which cannot be told now: {why}"
        ),
    };
    format!(
        "{} public zones of this name exist: {}; {remedy}",
        zones.len(),
        told.join("; ")
    )
}

/// Whose the zone is: ours by its reference, or by its tags when it was adopted.
fn judge(desired: &Desired, zone: Live) -> Observation<Live> {
    let domain = &desired.domain;
    if zone.is_made_here(domain) || desired.owns(&zone.tags) {
        return Observation::Present(zone);
    }
    let what = format!(
        "a public zone {domain} that this tool did not make, {} (caller reference {}),",
        zone.id, zone.reference
    );
    let mut attributes = zone.attributes();
    attributes.insert("name-servers".into(), zone.name_servers(domain).join(", "));
    let count = zone.foreign_records(domain).len();
    let or_more = if zone.complete { "" } else { " or more" };
    attributes.insert("record-sets".into(), format!("{count}{or_more}"));
    let stranger = Stranger {
        id: zone.id,
        tags: zone.tags,
        attributes,
    };
    adoption::foreign(
        desired,
        &what,
        "choose another domain, or delete it where nobody uses it",
        stranger,
    )
}

/// How many more zones the account may have; none when that does not matter.
pub type Left = Result<Option<i64>, Failure>;

/// Asks how many more zones the account may have, if there is none of ours yet.
pub async fn left(read: &Clients, picked: &Observation<Live>) -> Left {
    match picked {
        Observation::Absent => {}
        Observation::Present(_) | Observation::Foreign(_, _) | Observation::Unreadable(_) => {
            return Ok(None);
        }
    }
    let call = read.route53.get_account_limit();
    let call = call.r#type(r53::AccountLimitType::MaxHostedZonesByOwner);
    let answer = call.send().await.or_fail("route53:GetAccountLimit")?;
    let most = answer.limit().map_or(i64::MAX, |limit| limit.value());
    Ok(Some(most.saturating_sub(answer.count())))
}

/// Which part of the records to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// One page: the apex comes first.
    FirstPage,
    /// Everything.
    All,
}

/// Reads tags and records of a zone that was picked, and judges whose it is.
pub async fn detail(
    read: &Clients,
    desired: &Desired,
    picked: Observation<Live>,
    records: Records,
) -> Observation<Live> {
    let Observation::Present(mut live) = picked else {
        return picked;
    };
    let (tags, sets) = tokio::join!(
        tags::of_zone(read, &live.id),
        record_sets(read, &live.id, records)
    );
    match (tags, sets) {
        (Ok(tags), Ok((sets, complete))) => {
            live.tags = tags;
            live.records = sets;
            live.complete = complete;
        }
        // Listed still, but deleted.
        (Err(failure), _) | (_, Err(failure)) if failure.class == Class::Gone => {
            return Observation::Absent;
        }
        (Err(failure), _) | (_, Err(failure)) => {
            return Observation::Unreadable(failure.to_string());
        }
    }
    judge(desired, live)
}

pub(super) async fn record_sets(
    read: &Clients,
    id: &str,
    records: Records,
) -> Result<(Vec<RecordSet>, bool), Failure> {
    let (sets, is_all) = sdk_record_sets(read, id, records).await?;
    Ok((sets.iter().map(record_set).collect(), is_all))
}

/// The same with all that Route 53 shows of each.
pub(super) async fn sdk_record_sets(
    read: &Clients,
    id: &str,
    records: Records,
) -> Result<(Vec<r53::ResourceRecordSet>, bool), Failure> {
    let mut sets = Vec::new();
    let mut next: Option<(String, r53::RrType, Option<String>)> = None;
    loop {
        let mut call = read.route53.list_resource_record_sets().hosted_zone_id(id);
        if let Some((name, rtype, identifier)) = next {
            call = call
                .start_record_name(name)
                .start_record_type(rtype)
                .set_start_record_identifier(identifier);
        }
        let page = call
            .send()
            .await
            .or_fail("route53:ListResourceRecordSets")?;
        sets.extend_from_slice(page.resource_record_sets());
        next = match (page.next_record_name(), page.next_record_type()) {
            (Some(name), Some(rtype)) if page.is_truncated() => Some((
                name.to_owned(),
                rtype.clone(),
                page.next_record_identifier().map(str::to_owned),
            )),
            (_, _) => return Ok((sets, true)),
        };
        if records == Records::FirstPage {
            return Ok((sets, false));
        }
    }
}

/// A record set as an API answer shows it.
pub fn record_set(set: &r53::ResourceRecordSet) -> RecordSet {
    let policy = [
        ("set identifier", set.set_identifier().map(str::to_owned)),
        ("health check", set.health_check_id().map(str::to_owned)),
        (
            "traffic policy",
            set.traffic_policy_instance_id().map(str::to_owned),
        ),
    ];
    RecordSet {
        name: set.name().to_owned(),
        rtype: set.r#type().as_str().to_owned(),
        ttl_secs: set.ttl(),
        values: set
            .resource_records()
            .iter()
            .map(|record| record.value().to_owned())
            .collect(),
        alias: set.alias_target().map(|alias| {
            (
                alias.hosted_zone_id().to_owned(),
                alias.dns_name().to_owned(),
                alias.evaluate_target_health(),
            )
        }),
        policy: policy
            .into_iter()
            .find_map(|(what, value)| value.map(|value| format!("{what} {value}"))),
    }
}

/// Looks for a living zone of this stack, whatever the number of its caller reference: an interrupted
/// run may have got to a later one. Lists also lag behind deletions, so a listed zone is
/// believed only when a direct read finds it: right after `destroy` the list still shows the old one.
pub async fn look(read: &Clients, domain: &str) -> Result<Seen, Failure> {
    let prefix = reference_prefix(domain);
    for zone in list(read, domain).await? {
        if zone.reference.starts_with(&prefix)
            && let Some(servers) = servers(read, &zone.id).await?
        {
            return Ok(Seen::Found(Outputs::from([
                (Output::ZoneId, zone.id),
                (Output::NameServers, servers.join(" ")),
            ])));
        }
    }
    Ok(Seen::NotListed)
}

/// The name servers of a zone's delegation set; none when a direct read finds no such zone.
pub async fn servers(read: &Clients, id: &str) -> Result<Option<Vec<String>>, Failure> {
    let answer = read.route53.get_hosted_zone().id(id).send().await;
    let answer = answer.unless_gone("route53:GetHostedZone")?;
    Ok(answer.map(|answer| {
        let set = answer.delegation_set;
        set.map(|set| names(&set)).unwrap_or_default()
    }))
}

/// A delegation set's names as they are compared: lower case, without a trailing dot.
pub(super) fn names(set: &r53::DelegationSet) -> Vec<String> {
    let names = set.name_servers().iter();
    names
        .map(|name| name.trim_end_matches('.').to_lowercase())
        .collect()
}

/// Asks for the name servers that Route 53 gave a zone, unless its own NS set can be believed: it is what this
/// tool remembers, and no server of the parent says otherwise. Who can write records of the zone can write
/// that set too, and would have the parent delegate to servers of their own.
pub async fn assigned(
    read: &Clients,
    domain: &str,
    zone: Observation<Live>,
    remembered: Option<&str>,
    parent: &ParentView,
) -> Observation<Live> {
    let Observation::Present(mut live) = zone else {
        return zone;
    };
    let named: BTreeSet<String> = live.apex_servers(domain).into_iter().collect();
    let is_remembered = remembered.is_some_and(|names| {
        let names: BTreeSet<_> = names.split_whitespace().map(str::to_owned).collect();
        names == named
    });
    let is_disputed = match parent {
        ParentView::Seen { servers, .. } => {
            let mut answers = servers.iter().flat_map(|server| &server.answer);
            answers.any(|answer| {
                let theirs: BTreeSet<String> = answer.name_servers.iter().cloned().collect();
                !theirs.is_empty() && theirs != named
            })
        }
        _ => false,
    };
    if is_remembered && !is_disputed {
        return Observation::Present(live);
    }
    match servers(read, &live.id).await {
        Ok(Some(servers)) => {
            live.assigned = Some(servers).filter(|all| !all.is_empty());
            Observation::Present(live)
        }
        Ok(None) => Observation::Absent,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

/// Asks for the state of a change.
pub async fn look_change(read: &Clients, id: &str) -> Result<Seen, Failure> {
    let answer = read
        .route53
        .get_change()
        .id(id)
        .send()
        .await
        .or_fail("route53:GetChange")?;
    let in_sync = answer
        .change_info()
        .is_some_and(|info| *info.status() == r53::ChangeStatus::Insync);
    Ok(if in_sync { Seen::InSync } else { Seen::Pending })
}

/// The id without `/hostedzone/`.
pub(super) fn bare_id(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

/// Whether a zone is there that has another name than the stack's, as far as can be read.
pub async fn is_another(read: &Clients, desired: &Desired, arn: &str) -> bool {
    let id = arn.rsplit('/').next().unwrap_or_default();
    let answer = read.route53.get_hosted_zone().id(id).send().await;
    let name = match answer.unless_gone("route53:GetHostedZone") {
        Ok(Some(answer)) => answer.hosted_zone.map(|zone| zone.name),
        Ok(None) => return false,
        Err(_) => None,
    };
    name.is_none_or(|name| name.trim_end_matches('.') != desired.domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{TAG_MANAGED_BY, TAG_STACK};
    use crate::fixture;

    fn zone(id: &str, reference: &str) -> Live {
        Live {
            id: id.into(),
            reference: reference.into(),
            ..Live::default()
        }
    }

    /// What is said of two zones where the parent's servers delegate to these.
    fn told_of_two(shown: [&[&str]; 2]) -> String {
        let servers = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut parent = fixture::parent(Delegated::default());
        if let ParentView::Seen { servers: all, .. } = &mut parent {
            for (server, names) in all.iter_mut().zip(shown) {
                server.answer = Ok(Delegated {
                    name_servers: servers(names),
                    ..Delegated::default()
                });
            }
        }
        let first = zone("Z1", "console, 2023");
        let second = zone("Z2", "console, 2024");
        let zones = vec![
            (
                second,
                servers(&["ns-3.awsdns-03.org", "NS-4.awsdns-04.net."]),
            ),
            (
                first,
                servers(&["ns-1.awsdns-01.com", "ns-2.awsdns-02.net"]),
            ),
        ];
        several(zones, &parent)
    }

    #[test]
    fn of_two_zones_it_is_said_to_which_the_parent_delegates() {
        let second = &["ns-4.awsdns-04.net", "ns-3.awsdns-03.org"][..];
        let (not, to) = (
            "to which example.edu does not delegate",
            "to which example.edu delegates",
        );
        assert_eq!(
            told_of_two([second, second]),
            format!(
                "2 public zones of this name exist: Z1 (caller reference console, 2023), {not}; Z2 (caller \
                 reference console, 2024), {to}; delete those that the parent does not delegate to"
            )
        );
        for shown in [[second, &[]], [second, &second[..1]]] {
            let told = told_of_two(shown);
            assert!(
                told.contains("2024), to which example.edu delegates in part;"),
                "{told}"
            );
        }
        let nowhere = told_of_two([&[], &[]]);
        assert!(
            nowhere.contains(&format!("2024), {not}; delete those that nobody needs")),
            "{nowhere}"
        );
        let unknown = ParentView::Unknown("no answer".into());
        let told = several(
            vec![(zone("Z1", "a"), vec![]), (zone("Z2", "b"), vec![])],
            &unknown,
        );
        assert!(
            told.ends_with("which cannot be told now: no answer"),
            "{told}"
        );
        assert!(!told.contains("does not delegate;"), "{told}");
    }

    #[test]
    fn only_one_zone_of_our_reference_or_tags_is_ours() {
        let desired = fixture::desired();
        let ours = zone("Z1", "spore-infra/spore.example.edu/3");
        let other = zone("Z2", "terraform-2025");
        assert_eq!(
            judge(&desired, ours.clone()),
            Observation::Present(ours.clone())
        );
        let neighbour = zone("Z3", "spore-infra/spore.example.edu.au/1");
        for stranger in [&other, &neighbour] {
            let judged = judge(&desired, stranger.clone());
            assert!(matches!(judged, Observation::Foreign(_, Some(_))));
        }
        let mut adopted = other;
        adopted.tags = desired.own_tags();
        assert_eq!(
            judge(&desired, adopted.clone()),
            Observation::Present(adopted.clone())
        );
        // Half of them are not a proof, and another stack's zone is nobody's to take.
        adopted.tags.remove(TAG_MANAGED_BY);
        let judged = judge(&desired, adopted.clone());
        assert!(matches!(judged, Observation::Foreign(_, Some(_))));
        adopted
            .tags
            .insert(TAG_STACK.into(), "lab.example.edu".into());
        let judged = judge(&desired, adopted);
        assert!(
            matches!(&judged, Observation::Foreign(why, None) if why.contains("lab.example.edu")),
            "{judged:?}"
        );
    }
}
