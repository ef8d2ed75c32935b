//! Carrying mutations of the zone out, record changes in batches within Route 53's limits.

use std::collections::BTreeMap;

use aws_sdk_route53::types as r53;
use aws_smithy_types::error::operation::BuildError;

use super::observe::{Records, bare_id, names, record_set, record_sets, sdk_record_sets};
use super::op::{Edit, Held, Op};
use super::ttls::{BATCH_CHARS_MAX, BATCH_VALUES_MAX, Id};
use super::{RecordSet, SOA_MINIMUM_SECS, SOA_TTL_SECS, reference};
use crate::arg::{Output, Outputs};
use crate::aws::{Answer as _, Clients, change_id, unusable};
use crate::retry::Failure;

/// The one call that changes records.
const CHANGE: &str = "route53:ChangeResourceRecordSets";
/// Route 53's answer to a batch that does not fit what is in the zone.
const MOVED: &str = "InvalidChangeBatch";

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    match op {
        Op::Create {
            domain,
            number,
            comment,
        } => {
            let config = r53::HostedZoneConfig::builder().comment(comment).build();
            let call = write
                .route53
                .create_hosted_zone()
                .name(domain)
                .hosted_zone_config(config);
            let call = call.caller_reference(reference(domain, *number));
            let answer = call.send().await.or_fail(action)?;
            let mut outputs = change_id(answer.change_info);
            let zone = answer
                .hosted_zone
                .map(|zone| bare_id(zone.id()))
                .unwrap_or_default();
            let servers = answer.delegation_set.map(|set| names(&set).join(" "));
            outputs.insert(Output::ZoneId, zone);
            outputs.insert(Output::NameServers, servers.unwrap_or_default());
            Ok(outputs)
        }
        Op::Tag { zone, tags } => {
            let call = write
                .route53
                .change_tags_for_resource()
                .resource_type(r53::TagResourceType::Hostedzone)
                .resource_id(zone.value());
            let tags = tags
                .iter()
                .map(|(key, value)| r53::Tag::builder().key(key).value(value).build())
                .collect();
            call.set_add_tags(Some(tags)).send().await.or_fail(action)?;
            Ok(Outputs::new())
        }
        Op::SetComment { zone, comment } => {
            let call = write.route53.update_hosted_zone_comment();
            let call = call.id(zone.value()).comment(comment);
            call.send().await.or_fail(action)?;
            Ok(Outputs::new())
        }
        Op::SetSoa { zone } => set_soa(zone.value(), write).await,
        Op::SetNameServers {
            zone,
            domain,
            ttl_secs,
            servers,
        } => {
            let wanted = RecordSet {
                name: format!("{domain}."),
                rtype: "NS".into(),
                ttl_secs: Some(*ttl_secs),
                values: servers.iter().map(|server| format!("{server}.")).collect(),
                ..RecordSet::default()
            };
            let change = (r53::ChangeAction::Upsert, wanted);
            self::change(zone.value(), vec![change], write).await
        }
        Op::DeleteRecords { zone, sets } => delete_records(zone.value(), sets, write).await,
        Op::EditRecords { zone, edits } => edit_records(zone.value(), edits, write).await,
        Op::SetTtls { zone, edits } => set_ttls(zone.value(), edits, write).await,
        Op::FreeNames { zone, names } => free_names(zone.value(), names, write).await,
        Op::Delete { zone } => {
            let call = write.route53.delete_hosted_zone().id(zone.value());
            call.send().await.or_fail(action)?;
            Ok(Outputs::new())
        }
    }
}

/// Reads the SOA record and writes it back with two numbers replaced: its first field, the primary
/// server's name, is AWS's choice and known only now.
async fn set_soa(zone: &str, write: &Clients) -> Result<Outputs, Failure> {
    let (sets, _) = record_sets(write, zone, Records::FirstPage).await?;
    let unusable = |why: &str| unusable(CHANGE, why);
    let soa = sets
        .iter()
        .find(|set| set.rtype == "SOA")
        .ok_or_else(|| unusable("the zone shows no SOA record"))?;
    let value = soa.values.first().map(String::as_str).unwrap_or_default();
    let mut parts: Vec<&str> = value.split_whitespace().collect();
    let minimum = SOA_MINIMUM_SECS.to_string();
    match parts.last_mut() {
        Some(last) if value.split_whitespace().count() == 7 => *last = &minimum,
        Some(_) | None => return Err(unusable("the zone's SOA record has not seven fields")),
    }
    let wanted = RecordSet {
        ttl_secs: Some(SOA_TTL_SECS),
        values: vec![parts.join(" ")],
        ..soa.clone()
    };
    change(zone, vec![(r53::ChangeAction::Upsert, wanted)], write).await
}

/// Deletes sets in batches within Route 53's limits; a set that is gone already is what was asked for.
async fn delete_records(
    zone: &str,
    sets: &[RecordSet],
    write: &Clients,
) -> Result<Outputs, Failure> {
    let (live, _) = record_sets(write, zone, Records::All).await?;
    let left: Vec<&RecordSet> = sets.iter().filter(|set| live.contains(set)).collect();
    let mut outputs = Outputs::new();
    for batch in batches(&left) {
        let changes = batch
            .iter()
            .map(|set| (r53::ChangeAction::Delete, (*set).clone()))
            .collect();
        outputs = change(zone, changes, write).await?;
    }
    Ok(outputs)
}

/// One change of a batch.
pub type Change = (r53::ChangeAction, RecordSet);

/// Edits record sets in batches within Route 53's limits, those of one name, with the mark of its owner,
/// in the same batch wherever they fit into one.
///
/// A set is replaced by DELETE of what it was and CREATE, which Route 53 refuses when it has become
/// something else meanwhile (ASSUMPTIONS.md, A-36); UPSERT would overwrite what the updater wrote in between. What is already as
/// it is to be is left, so this may be repeated.
async fn edit_records(zone: &str, edits: &[Edit], write: &Clients) -> Result<Outputs, Failure> {
    let (live, _) = record_sets(write, zone, Records::All).await?;
    let mut outputs = Outputs::new();
    for batch in packed(changes_left(edits, &live)?) {
        outputs = change(zone, batch, write).await?;
    }
    Ok(outputs)
}

/// One change of a batch, with everything that Route 53 showed of the set.
type WholeChange = (r53::ChangeAction, r53::ResourceRecordSet);

/// Gives record sets other TTLs, in batches within Route 53's limits, those of one name and type in one.
///
/// A set is replaced as in [`edit_records`], but for the zone's own NS and SOA, which no DELETE may name:
/// those are overwritten, as of this moment. Weights, health checks and what else this tool does not know
/// of a set stay as they are read now. What is as it is to be is left, so this may be repeated.
async fn set_ttls(zone: &str, edits: &[Edit], write: &Clients) -> Result<Outputs, Failure> {
    let (live, _) = sdk_record_sets(write, zone, Records::All).await?;
    let mut outputs = Outputs::new();
    let (apex, others) = ttls_left(edits, &live)?;
    for batch in [apex].into_iter().chain(packed_by(others, whole_size)) {
        if !batch.is_empty() {
            outputs = send(zone, batch, write).await?;
        }
    }
    Ok(outputs)
}

/// What is left to change: of the zone's own NS and SOA, and of the rest by name and type.
#[expect(clippy::type_complexity, reason = "two sorts of batches, used once")]
fn ttls_left(
    edits: &[Edit],
    live: &[r53::ResourceRecordSet],
) -> Result<(Vec<WholeChange>, Vec<(String, Vec<WholeChange>)>), Failure> {
    let known: Vec<RecordSet> = live.iter().map(record_set).collect();
    let by_id: BTreeMap<Id, (&RecordSet, &r53::ResourceRecordSet)> = known
        .iter()
        .zip(live)
        .map(|(known, whole)| (Id::of(known), (known, whole)))
        .collect();
    let apex = known.iter().find(|set| set.rtype == "SOA");
    let apex = apex.map(|set| set.name.as_str()).unwrap_or_default();
    let mut own = Vec::new();
    let mut groups: Vec<(String, Vec<WholeChange>)> = Vec::new();
    for edit in edits {
        let (Some(before), Some(after)) = (&edit.before, &edit.after) else {
            continue;
        };
        let moved = || {
            let why = format!(
                "{} {} was changed meanwhile; nothing more was written, run the command again",
                before.name, before.rtype
            );
            unusable(CHANGE, &why)
        };
        let (known, whole) = by_id.get(&Id::of(before)).ok_or_else(moved)?;
        if after.is_like(known) {
            continue;
        }
        if !before.is_like(known) {
            return Err(moved());
        }
        let mut wanted = (*whole).clone();
        wanted.ttl = after.ttl_secs;
        if before.values != after.values {
            let values = after.values.iter();
            let records: Result<Vec<_>, BuildError> = values
                .map(|value| r53::ResourceRecord::builder().value(value).build())
                .collect();
            wanted.resource_records =
                Some(records.map_err(|error| unusable(CHANGE, &error.to_string()))?);
        }
        if before.name == apex && matches!(before.rtype.as_str(), "NS" | "SOA") {
            own.push((r53::ChangeAction::Upsert, wanted));
            continue;
        }
        let changes = [
            (r53::ChangeAction::Delete, (*whole).clone()),
            (r53::ChangeAction::Create, wanted),
        ];
        let name = format!("{} {}", before.name, before.rtype);
        match groups.last_mut() {
            Some((last, group)) if *last == name => group.extend(changes),
            Some(_) | None => groups.push((name, changes.into())),
        }
    }
    for (_, group) in &mut groups {
        group.sort_by_key(|(action, _)| *action != r53::ChangeAction::Delete);
    }
    Ok((own, groups))
}

/// What is left to change, by name.
fn changes_left(edits: &[Edit], live: &[RecordSet]) -> Result<Vec<(String, Vec<Change>)>, Failure> {
    let mut groups: Vec<(String, Vec<Change>)> = Vec::new();
    for edit in edits {
        let Some(named) = edit.before.as_ref().or(edit.after.as_ref()) else {
            continue;
        };
        let now = live
            .iter()
            .find(|set| (&set.name, &set.rtype) == (&named.name, &named.rtype));
        if now.is_some_and(|now| edit.after.as_ref().is_some_and(|after| after.is_like(now)))
            || (now.is_none() && edit.after.is_none())
        {
            continue;
        }
        if now != edit.before.as_ref() {
            let why = format!(
                "{} {} was changed meanwhile; nothing more was written, run the command again",
                named.name, named.rtype
            );
            return Err(unusable(CHANGE, &why));
        }
        let changes = edit
            .before
            .iter()
            .map(|set| (r53::ChangeAction::Delete, set.clone()))
            .chain(
                edit.after
                    .iter()
                    .map(|set| (r53::ChangeAction::Create, set.clone())),
            );
        let name = super::owned_name(&named.name);
        match groups.last_mut() {
            Some((last, group)) if last == name => group.extend(changes),
            Some(_) | None => groups.push((name.to_owned(), changes.collect())),
        }
    }
    // A name's old sets go before its new ones come: a CNAME may stand beside nothing.
    for (_, group) in &mut groups {
        group.sort_by_key(|(action, _)| *action != r53::ChangeAction::Delete);
    }
    Ok(groups)
}

/// Frees names in batches within Route 53's limits, mark and records of each in one call.
///
/// Route 53 refuses a batch whole if one set of it is no longer as it was (ASSUMPTIONS.md, A-36): the
/// zone is then read again, and the names that moved are left to whoever moved them. A batch that is
/// refused although none moved is a failure. A name is either freed or as it was, never half, and this
/// may be repeated.
async fn free_names(zone: &str, names: &[Held], write: &Clients) -> Result<Outputs, Failure> {
    let mut outputs = Outputs::new();
    let mut left: Vec<&Held> = names.iter().collect();
    let mut refused: Option<Failure> = None;
    loop {
        let (live, _) = record_sets(write, zone, Records::All).await?;
        let before = left.len();
        left = unmoved(left, &live);
        if let Some(failure) = refused.take()
            && left.len() == before
        {
            return Err(failure);
        }
        let groups = left.iter().map(|held| {
            let gone = held.gone.iter().cloned();
            let changes = gone.map(|set| (r53::ChangeAction::Delete, set));
            (held.name.clone(), changes.collect())
        });
        for batch in packed(groups.collect()) {
            match change(zone, batch, write).await {
                Ok(done) => outputs = done,
                Err(failure) if failure.code == MOVED => {
                    refused = Some(failure);
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        if refused.is_none() {
            return Ok(outputs);
        }
    }
}

/// Those names at which everything is as it was. What this has freed itself is not.
fn unmoved<'a>(names: Vec<&'a Held>, live: &[RecordSet]) -> Vec<&'a Held> {
    let mut at: BTreeMap<&str, Vec<&RecordSet>> = BTreeMap::new();
    for set in live {
        at.entry(super::owned_name(&set.name))
            .or_default()
            .push(set);
    }
    let is_unmoved = |held: &&Held| {
        let now = at
            .get(held.name.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default();
        now.len() == held.seen.len() && held.seen.iter().all(|set| now.contains(&set))
    };
    names.into_iter().filter(is_unmoved).collect()
}

/// Groups into batches.
fn packed(groups: Vec<(String, Vec<Change>)>) -> Vec<Vec<Change>> {
    packed_by(groups, size)
}

/// The same for changes of any sort, by what their values and characters come to.
fn packed_by<C>(
    groups: Vec<(String, Vec<C>)>,
    size: impl Fn(&[C]) -> (usize, usize),
) -> Vec<Vec<C>> {
    let mut batches: Vec<Vec<C>> = Vec::new();
    let mut room = (0, 0);
    for (_, group) in groups {
        let parts = if fits(size(&group)) {
            vec![group]
        } else {
            group.into_iter().map(|change| vec![change]).collect()
        };
        for part in parts {
            let (values, chars) = size(&part);
            let with = (room.0 + values, room.1 + chars);
            match batches.last_mut() {
                Some(batch) if fits(with) => {
                    batch.extend(part);
                    room = with;
                }
                Some(_) | None => {
                    batches.push(part);
                    room = (values, chars);
                }
            }
        }
    }
    batches
}

/// Values and characters of changes.
fn size(changes: &[Change]) -> (usize, usize) {
    let values = changes.iter().map(|(_, set)| set.values.len().max(1)).sum();
    let chars = changes.iter().flat_map(|(_, set)| &set.values);
    (values, chars.map(|value| value.chars().count()).sum())
}

fn whole_size(changes: &[WholeChange]) -> (usize, usize) {
    let records = |set: &r53::ResourceRecordSet| set.resource_records().len();
    let values = changes.iter().map(|(_, set)| records(set).max(1)).sum();
    let chars = changes.iter().flat_map(|(_, set)| set.resource_records());
    (
        values,
        chars.map(|record| record.value().chars().count()).sum(),
    )
}

fn fits((values, chars): (usize, usize)) -> bool {
    values <= BATCH_VALUES_MAX && chars <= BATCH_CHARS_MAX
}

fn batches<'a>(sets: &[&'a RecordSet]) -> Vec<Vec<&'a RecordSet>> {
    let mut batches: Vec<Vec<&RecordSet>> = Vec::new();
    let (mut values, mut chars) = (0, 0);
    for set in sets {
        let (set_values, set_chars) = (
            set.values.len().max(1),
            set.values.iter().map(String::len).sum::<usize>(),
        );
        let full = values + set_values > BATCH_VALUES_MAX || chars + set_chars > BATCH_CHARS_MAX;
        match batches.last_mut() {
            Some(batch) if !full => batch.push(set),
            Some(_) | None => {
                batches.push(vec![set]);
                (values, chars) = (0, 0);
            }
        }
        values += set_values;
        chars += set_chars;
    }
    batches
}

/// One call of ChangeResourceRecordSets.
pub async fn change(
    zone: &str,
    changes: Vec<(r53::ChangeAction, RecordSet)>,
    write: &Clients,
) -> Result<Outputs, Failure> {
    let whole: Result<Vec<WholeChange>, BuildError> = changes
        .iter()
        .map(|(what, set)| Ok((what.clone(), sdk_record_set(set)?)))
        .collect();
    let whole = whole.map_err(|error| unusable(CHANGE, &error.to_string()))?;
    send(zone, whole, write).await
}

/// The same with sets as Route 53 showed them.
async fn send(zone: &str, changes: Vec<WholeChange>, write: &Clients) -> Result<Outputs, Failure> {
    let built = |error: BuildError| unusable(CHANGE, &error.to_string());
    let mut batch = r53::ChangeBatch::builder();
    for (what, set) in changes {
        let change = r53::Change::builder().action(what);
        let change = change.resource_record_set(set).build().map_err(built)?;
        batch = batch.changes(change);
    }
    let call = write
        .route53
        .change_resource_record_sets()
        .hosted_zone_id(zone);
    let answer = call
        .change_batch(batch.build().map_err(built)?)
        .send()
        .await
        .or_fail(CHANGE)?;
    Ok(change_id(answer.change_info))
}

fn sdk_record_set(set: &RecordSet) -> Result<r53::ResourceRecordSet, BuildError> {
    let mut built = r53::ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(r53::RrType::from(set.rtype.as_str()))
        .set_ttl(set.ttl_secs);
    for value in &set.values {
        built = built.resource_records(r53::ResourceRecord::builder().value(value).build()?);
    }
    if let Some((zone, name, health)) = &set.alias {
        let alias = r53::AliasTarget::builder()
            .hosted_zone_id(zone)
            .dns_name(name)
            .evaluate_target_health(*health);
        built = built.alias_target(alias.build()?);
    }
    built.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txt(name: &str, values: &[&str]) -> RecordSet {
        RecordSet {
            name: name.into(),
            rtype: "TXT".into(),
            ttl_secs: Some(60),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..RecordSet::default()
        }
    }

    fn edit(before: Option<&RecordSet>, after: Option<&RecordSet>) -> Edit {
        Edit {
            before: before.cloned(),
            after: after.cloned(),
        }
    }

    #[test]
    fn edits_are_repeatable_and_refuse_what_moved() {
        let (old, new) = (txt("a.", &["\"1\""]), txt("a.", &["\"2\"", "\"3\""]));
        let turned = txt("a.", &["\"3\"", "\"2\""]);
        let left = |edit: Edit, live: &[RecordSet]| {
            let groups = changes_left(&[edit], live);
            groups.map(|groups| {
                groups
                    .iter()
                    .map(|(_, changes)| size(changes).0)
                    .sum::<usize>()
            })
        };
        let replace = || edit(Some(&old), Some(&new));
        assert_eq!(left(replace(), std::slice::from_ref(&old)).ok(), Some(3));
        assert_eq!(left(replace(), &[turned]).ok(), Some(0));
        assert!(left(replace(), &[txt("a.", &["\"4\""])]).is_err());
        assert!(left(replace(), &[]).is_err());
        assert!(left(edit(None, Some(&new)), std::slice::from_ref(&old)).is_err());
        assert_eq!(left(edit(Some(&old), None), &[]).ok(), Some(0));
    }

    /// A set as Route 53 shows it, with what this tool knows nothing of.
    fn whole(name: &str, rtype: &str, ttl: i64, id: Option<&str>) -> r53::ResourceRecordSet {
        let record = r53::ResourceRecord::builder().value("v");
        let set = r53::ResourceRecordSet::builder()
            .name(name)
            .r#type(r53::RrType::from(rtype))
            .ttl(ttl)
            .set_set_identifier(id.map(str::to_owned))
            .set_weight(id.map(|_| 7));
        let set = set.resource_records(record.build().expect("a value"));
        set.build().expect("a name and a type")
    }

    fn to_low(set: &r53::ResourceRecordSet) -> Edit {
        let before = record_set(set);
        let after = RecordSet {
            ttl_secs: Some(3_600),
            ..before.clone()
        };
        edit(Some(&before), Some(&after))
    }

    #[test]
    fn a_ttl_is_set_with_all_else_of_the_set_as_it_is() {
        let soa = whole("x.", "SOA", 86_400, None);
        let (a, b) = (
            whole("w.x.", "A", 7_200, Some("a")),
            whole("w.x.", "A", 7_200, Some("b")),
        );
        let ns = whole("x.", "NS", 172_800, None);
        let below = whole("sub.x.", "NS", 172_800, None);
        let live = [soa, ns.clone(), a.clone(), b.clone(), below.clone()];
        let edits: Vec<Edit> = live[1..].iter().map(to_low).collect();
        let (apex, groups) = ttls_left(&edits, &live).expect("nothing moved");
        let told = |changes: &[WholeChange]| -> Vec<String> {
            changes
                .iter()
                .map(|(action, set)| {
                    let (id, weight) = (set.set_identifier(), set.weight());
                    format!("{action} {} {:?} {id:?} {weight:?}", set.name(), set.ttl())
                })
                .collect()
        };
        // AWS refuses to delete the zone's own NS set.
        assert_eq!(told(&apex), ["UPSERT x. Some(3600) None None"]);
        let groups: Vec<_> = groups.iter().map(|(_, group)| told(group)).collect();
        let weighted =
            |action: &str, ttl, id: &str| format!("{action} w.x. Some({ttl}) Some({id:?}) Some(7)");
        assert_eq!(
            groups,
            [
                vec![
                    weighted("DELETE", 7_200, "a"),
                    weighted("DELETE", 7_200, "b"),
                    weighted("CREATE", 3_600, "a"),
                    weighted("CREATE", 3_600, "b"),
                ],
                vec![
                    "DELETE sub.x. Some(172800) None None".to_owned(),
                    "CREATE sub.x. Some(3600) None None".to_owned(),
                ],
            ]
        );
        // Again: what is done already is left; what moved is nobody's to overwrite.
        let mut done = live.clone();
        for set in &mut done {
            set.ttl = Some(3_600);
        }
        let (apex, groups) = ttls_left(&edits, &done).expect("all is done");
        assert!(apex.is_empty() && groups.is_empty());
        for (at, edit) in edits.iter().enumerate() {
            let mut moved = live.to_vec();
            moved[at + 1].ttl = Some(17);
            assert!(ttls_left(std::slice::from_ref(edit), &moved).is_err());
            moved.remove(at + 1);
            assert!(ttls_left(std::slice::from_ref(edit), &moved).is_err());
        }
    }

    #[test]
    fn a_name_and_its_mark_are_in_one_batch_within_the_limits() {
        let edits: Vec<Edit> = (0..1_500)
            .flat_map(|n| {
                let (name, mark) = (format!("r{n}."), format!("_spore.r{n}."));
                let value = "x".repeat(30);
                [
                    edit(None, Some(&txt(&mark, &["\"v=1\""]))),
                    edit(None, Some(&txt(&name, &[value.as_str()]))),
                ]
            })
            .collect();
        let batches = packed(changes_left(&edits, &[]).unwrap_or_default());
        assert!(batches.len() > 2);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 3_000);
        for batch in batches {
            assert!(fits(size(&batch)));
            assert_eq!(batch.len() % 2, 0);
        }
    }

    #[test]
    fn a_name_is_freed_only_as_it_was_seen() {
        let (mark, record) = (txt("_spore.a.", &["\"1\""]), txt("a.", &["\"x\""]));
        let held = Held {
            name: "a.".into(),
            seen: vec![mark.clone(), record.clone()],
            gone: vec![mark.clone()],
        };
        let is_unmoved = |live: &[RecordSet]| unmoved(vec![&held], live).len() == 1;
        let other = txt("b.", &["\"x\""]);
        assert!(is_unmoved(&[mark.clone(), record.clone()]));
        assert!(is_unmoved(&[record.clone(), other.clone(), mark.clone()]));
        // Renewed, freed and claimed, freed, freed but for a record, and a record that came.
        let (renewed, more) = (txt("_spore.a.", &["\"2\""]), txt("a.", &["\"y\""]));
        assert!(!is_unmoved(&[renewed, record.clone()]));
        assert!(!is_unmoved(&[mark.clone(), more]));
        assert!(!is_unmoved(&[]));
        assert!(!is_unmoved(std::slice::from_ref(&record)));
        let mut added = record.clone();
        added.rtype = "MX".into();
        assert!(!is_unmoved(&[mark, record, added]));
    }

    #[test]
    fn deletes_are_batched_within_the_limits() {
        let set = |n: usize| RecordSet {
            name: format!("r{n}."),
            rtype: "TXT".into(),
            ttl_secs: Some(60),
            values: vec!["x".repeat(100)],
            ..RecordSet::default()
        };
        let sets: Vec<_> = (0..2_500).map(set).collect();
        let refs: Vec<_> = sets.iter().collect();
        let batches = batches(&refs);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 2_500);
        for batch in batches {
            let values: usize = batch.iter().map(|s| s.values.len()).sum();
            let chars: usize = batch
                .iter()
                .flat_map(|s| s.values.iter().map(String::len))
                .sum();
            assert!(values <= BATCH_VALUES_MAX && chars <= BATCH_CHARS_MAX);
        }
    }
}
