//! Finding the parent zone: that of the account (or of the role's account) which has the name and the
//! name servers that DNS shows, and its record sets around the stack's name.

use std::collections::BTreeSet;

use aws_sdk_route53::types::RrType;

use super::{Live, Parent};
use crate::aws::{Answer as _, Clients};
use crate::desired::Desired;
use crate::kind::hosted_zone::{self, RecordSet};
use crate::retry::Failure;
use crate::snapshot::ParentView;
use crate::stack::Delegation;

/// Looks for the parent zone. Nothing is asked where DNS shows that it is not in Route 53, or that it has
/// everything it should (`shows_all`).
pub async fn observe(
    read: &Clients,
    desired: &Desired,
    parent: &ParentView,
    shows_all: bool,
) -> Parent {
    let ParentView::Seen { zone, servers } = parent else {
        return Parent::External;
    };
    let servers: BTreeSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    if !may_be_ours(desired, &servers) {
        return Parent::External;
    }
    if shows_all {
        return Parent::Settled;
    }
    let found = match &desired.stack.delegation {
        Delegation::External => return Parent::External,
        Delegation::Auto => find(read, desired, zone, &servers, None).await,
        Delegation::Through(role) => {
            let read = read.of_parent();
            find(&read, desired, zone, &servers, Some(role.as_str())).await
        }
    };
    found.unwrap_or_else(|failure| {
        let remedy = match &desired.stack.delegation {
            Delegation::Auto | Delegation::External => {
                "allow these reads, or write `[delegation] parent = \"external\"` if others maintain it"
            }
            Delegation::Through(role) => {
                &format!("see that {role} (`[delegation] parent-role`) trusts whoever runs this, and may list, \
                          read and change that zone; or leave it out if others maintain the zone")
            }
        };
        Parent::Unknown(format!(
            "whether the parent zone {zone} can be written is not known: {failure}; {remedy}"
        ))
    })
}

/// Whether the parent zone may be one of Route 53's that this tool can write. A document that names a role
/// says so; otherwise its servers do.
pub(super) fn may_be_ours(desired: &Desired, servers: &BTreeSet<&str>) -> bool {
    match &desired.stack.delegation {
        Delegation::External => false,
        Delegation::Through(_) => true,
        Delegation::Auto => servers.iter().any(|server| is_of_route53(server)),
    }
}

/// Whether a name server is of Route 53: `ns-N.awsdns-N.TLD`.
fn is_of_route53(server: &str) -> bool {
    let mut labels = server.split('.');
    labels.next().is_some_and(|label| label.starts_with("ns-"))
        && labels
            .next()
            .is_some_and(|label| label.starts_with("awsdns-"))
}

async fn find(
    read: &Clients,
    desired: &Desired,
    zone: &str,
    servers: &BTreeSet<&str>,
    role: Option<&str>,
) -> Result<Parent, Failure> {
    let mut there = Vec::new();
    // The list shows zones for a while that are deleted already.
    for listed in hosted_zone::list(read, zone).await? {
        if let Some(servers) = hosted_zone::servers(read, &listed.id).await? {
            there.push((listed.id, servers));
        }
    }
    let is_used = |own: &[String]| {
        let own: BTreeSet<String> = own.iter().map(|server| plain(server)).collect();
        own.iter().map(String::as_str).collect::<BTreeSet<_>>() == *servers
    };
    let (id, own) = match (&there[..], role) {
        ([], None) => return Ok(Parent::External),
        ([], Some(role)) => {
            return Ok(Parent::Unknown(format!(
                "DNS shows {zone} as the parent zone, and the account of {role} has no public zone of that name: \
                 correct `[delegation] parent-role`, or leave it out if others maintain that zone"
            )));
        }
        ([one], _) => one,
        (several, _) => {
            let told: Vec<String> = several
                .iter()
                .map(|(id, own)| {
                    let whither = if is_used(own) {
                        "to which DNS leads"
                    } else {
                        "to which it does not"
                    };
                    format!("{id}, {whither}")
                })
                .collect();
            let (whose, else_) = match role {
                None => (
                    "this account".to_owned(),
                    "or write `[delegation] parent = \"external\"`",
                ),
                Some(role) => (
                    format!("the account of {role}"),
                    "or leave out `[delegation] parent-role`",
                ),
            };
            return Ok(Parent::Unknown(format!(
                "{} public zones of {whose} are named {zone}: {}; delete those that nobody uses, {else_} if \
                 others maintain them",
                several.len(),
                told.join("; "),
            )));
        }
    };
    if !is_used(own) {
        let shown: Vec<&str> = servers.iter().copied().collect();
        let own: Vec<String> = own.iter().map(|server| plain(server)).collect();
        return Ok(Parent::Unused(format!(
            "zone {zone} ({id}) is not the one the world uses: it has {}, and DNS leads to {}; it is left \
             alone, so whoever maintains the other one delegates {}",
            own.join(", "),
            shown.join(", "),
            desired.domain
        )));
    }
    Ok(Parent::Zone(Live {
        id: id.clone(),
        name: zone.to_owned(),
        child: format!("{}.", desired.domain),
        role: role.map(str::to_owned),
        sets: sets(read, id, &desired.domain, None).await?,
    }))
}

/// A name server's name as DNS shows it here.
fn plain(server: &str) -> String {
    server.trim_end_matches('.').to_lowercase()
}

/// The record sets of a zone at and below a name, from a type on: one page, which begins with the name's
/// own (sorted by reversed labels).
pub(super) async fn sets(
    read: &Clients,
    zone: &str,
    domain: &str,
    from: Option<RrType>,
) -> Result<Vec<RecordSet>, Failure> {
    let call = read
        .route53
        .list_resource_record_sets()
        .hosted_zone_id(zone);
    let call = call.start_record_name(domain).set_start_record_type(from);
    let page = call
        .send()
        .await
        .or_fail("route53:ListResourceRecordSets")?;
    let (own, below) = (format!("{domain}."), format!(".{domain}."));
    let sets = page
        .resource_record_sets()
        .iter()
        .map(hosted_zone::record_set);
    Ok(sets
        .take_while(|set| set.name == own || set.name.ends_with(&below))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_of_route53_are_taken_for_its() {
        for server in ["ns-1.awsdns-00.com", "ns-2000.awsdns-63.co.uk"] {
            assert!(is_of_route53(server), "{server}");
        }
        for server in [
            "ns1.example.edu",
            "awsdns-00.com",
            "ns-1.awsdns.com",
            "ns-1",
        ] {
            assert!(!is_of_route53(server), "{server}");
        }
    }
}
