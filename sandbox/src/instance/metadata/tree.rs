//! The categories of metadata and what they hold
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html>).
//!
//! A category that an instance has nothing for is absent, as `public-ipv4` is without such an address.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::instance::credentials::object;
use crate::instance::{Instance, METADATA_TIME, action, document};

/// What stands at a path.
#[derive(Debug, Clone)]
pub(super) enum Leaf {
    Text(String),
    /// To be issued.
    IdentityCredentials,
    /// To be issued.
    ProfileCredentials,
    /// To be signed.
    Signature {
        region: String,
        document: String,
    },
    /// To be signed.
    SignedMessage {
        region: String,
        document: String,
        made: Timestamp,
    },
}

/// What a path below `/latest` leads to; a listing for a folder, with or without its last slash.
pub(super) fn find(one: &Instance, path: &str) -> Option<Leaf> {
    let mut all = leaves(one);
    let path = path.trim_start_matches('/');
    if let Some(leaf) = all.remove(path) {
        return Some(leaf);
    }
    let folder = match path.trim_end_matches('/') {
        "" => String::new(),
        name => format!("{name}/"),
    };
    let mut children: Vec<&str> = all
        .keys()
        .filter_map(|key| {
            let rest = key.strip_prefix(&folder)?;
            // Folders end with a slash; a role in the folder of credentials is no folder.
            Some(rest.find('/').map_or(rest, |slash| &rest[..=slash]))
        })
        .collect();
    children.dedup();
    (!children.is_empty()).then(|| Leaf::Text(children.join("\n")))
}

fn leaves(one: &Instance) -> BTreeMap<String, Leaf> {
    let mut all = BTreeMap::new();
    let mut put = |path: &str, leaf: Leaf| all.insert(path.to_owned(), leaf);
    for (path, text) in texts(one) {
        put(&format!("meta-data/{path}"), Leaf::Text(text));
    }
    let updated = one.launched.strftime(METADATA_TIME).to_string();
    put(
        "meta-data/identity-credentials/ec2/info",
        Leaf::Text(object(&[
            ("Code", "Success"),
            ("LastUpdated", &updated),
            ("AccountId", &one.account),
        ])),
    );
    put(
        "meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
        Leaf::IdentityCredentials,
    );
    if let Some(role) = &one.role {
        let arn = format!("arn:aws:iam::{}:instance-profile/{role}", one.account);
        let info = object(&[
            ("Code", "Success"),
            ("LastUpdated", &updated),
            ("InstanceProfileArn", &arn),
            ("InstanceProfileId", &one.profile_id()),
        ]);
        put("meta-data/iam/info", Leaf::Text(info));
        put(
            &format!("meta-data/iam/security-credentials/{role}"),
            Leaf::ProfileCredentials,
        );
    }
    if one.options.tags {
        for (key, value) in one
            .tags
            .iter()
            .filter(|(key, _)| action::is_metadata_key(key))
        {
            put(
                &format!("meta-data/tags/instance/{key}"),
                Leaf::Text(value.clone()),
            );
        }
    }
    let text = document::text(one);
    let (region, document) = (one.region.clone(), text.clone());
    let identity = "dynamic/instance-identity";
    put(&format!("{identity}/document"), Leaf::Text(text.clone()));
    put(
        &format!("{identity}/signature"),
        Leaf::Signature {
            region: region.clone(),
            document: text,
        },
    );
    put(
        &format!("{identity}/rsa2048"),
        Leaf::SignedMessage {
            region,
            document,
            made: one.launched,
        },
    );
    all
}

fn texts(one: &Instance) -> Vec<(String, String)> {
    let private = one.private_ip.to_string();
    let private_name = one.private_name();
    let of_mac = |name: &str| format!("network/interfaces/macs/{}/{name}", one.mac);
    let mut all = vec![
        ("ami-id".to_owned(), document::IMAGE.to_owned()),
        ("ami-launch-index".to_owned(), "0".to_owned()),
        ("hostname".to_owned(), private_name.clone()),
        ("instance-action".to_owned(), "none".to_owned()),
        ("instance-id".to_owned(), one.id.clone()),
        ("instance-life-cycle".to_owned(), "on-demand".to_owned()),
        ("instance-type".to_owned(), document::TYPE.to_owned()),
        ("local-hostname".to_owned(), private_name.clone()),
        ("local-ipv4".to_owned(), private.clone()),
        ("mac".to_owned(), one.mac.clone()),
        ("placement/availability-zone".to_owned(), one.zone.clone()),
        ("placement/region".to_owned(), one.region.clone()),
        ("reservation-id".to_owned(), one.reservation.clone()),
        ("services/domain".to_owned(), "amazonaws.com".to_owned()),
        ("services/partition".to_owned(), "aws".to_owned()),
        (of_mac("device-number"), "0".to_owned()),
        (of_mac("interface-id"), one.interface.0.clone()),
        (of_mac("local-hostname"), private_name),
        (of_mac("local-ipv4s"), private.clone()),
        (of_mac("mac"), one.mac.clone()),
        (of_mac("owner-id"), one.account.clone()),
        (of_mac("subnet-id"), one.subnet.clone()),
        (of_mac("vpc-id"), one.vpc.clone()),
    ];
    if let (Some(address), Some(name)) = (one.public_ip, one.public_name()) {
        let address = address.to_string();
        all.extend([
            ("public-hostname".to_owned(), name.clone()),
            ("public-ipv4".to_owned(), address.clone()),
            (of_mac("public-hostname"), name),
            (of_mac("public-ipv4s"), address.clone()),
            (of_mac(&format!("ipv4-associations/{address}")), private),
        ]);
    }
    if let Some(address) = one.ipv6 {
        all.extend([
            ("ipv6".to_owned(), address.to_string()),
            (of_mac("ipv6s"), address.to_string()),
        ]);
    }
    all
}
