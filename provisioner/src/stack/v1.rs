//! Version 1 of the format: every table and key, with default and meaning, and the rules between
//! keys. One function per table, all alike: ask for each key, then judge.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use super::domain::DomainName;
use super::form::{Whole, Word};
use super::naming::{Named, TagKey};
use super::network::Resolver;
use super::span::{DAY, Lasting};
use super::table::{Asked, Holds, Table};
use super::{
    Accepted, AcceptedKind, AccountId, Contacts, Delegation, Dns, Dnssec, Iam, Names, Region,
    Stack, Transport,
};

mod alarms;
mod api;
mod logs;
mod updater;

/// How files beside the document are opened.
type ReadFile<'r> = &'r dyn Fn(&Path) -> io::Result<String>;

/// The whole document.
pub(super) fn stack(t: &mut Table<'_>, file: &str, read: ReadFile<'_>) -> Option<Stack> {
    // Judged before this module was chosen; asked for here so that it is a known key.
    let _: Option<Whole<1, 1>> = t.maybe("version", "Version of this format.");
    let domain: Option<DomainName> =
        t.need("domain", "\"spore.example.edu\"", "Domain of the zone.");
    let account: Option<AccountId> = t.need(
        "account",
        "\"123456789012\"",
        "Account of the stack; with credentials of any other nothing is shown or written.",
    );
    let region = t.sound_or::<Region>(
        "region",
        "\"us-east-1\"",
        "Region of function, API, logs and alarms. The key that signs is always in us-east-1.",
    );
    let delegation = t.table("delegation", "Who delegates the zone.", delegation);
    let dnssec = t.table("dnssec", "Signing.", |t| dnssec(t, account.as_ref()));
    let dns = t.table("dns", "How the tool itself asks DNS.", dns);
    let names = t.table("names", "Names of AWS objects.", names);
    let iam = t.table("iam", "Roles the stack makes.", iam);
    let updater = t.table("updater", "The function that changes records.", |t| {
        updater::updater(t, domain.as_ref(), account.as_ref(), file, read)
    });
    let api = t.table("api", "The HTTPS door to the updater.", |t| {
        api::api(t, region)
    });
    let logs = t.table("logs", "What is logged, how long.", logs::logs);
    let alarms = t.table("alarms", "What is watched, who is told.", |t| {
        alarms::alarms(t, region)
    });
    let contacts = t.table("contacts", "Whom to ask.", contacts);
    let tags = t.pairs::<Named<TagKey>, _>("tags", "Tags of every object beside the tool's own.");
    let accepted = t.tables(
        "accepted",
        "Objects on ours that others maintain: shown in every plan, never touched.",
        accepted,
    );

    if tags.len() > TAGS_MAX {
        let what = format!(
            "{} tags, at most {TAGS_MAX} leave room for the tool's own",
            tags.len()
        );
        t.refuse("tags", what, None);
    }
    // IAM takes keys that differ in case only for one; the other services would keep both.
    let mut lower = BTreeMap::new();
    for key in tags.keys() {
        if let Some(other) = lower.insert(key.as_str().to_ascii_lowercase(), key) {
            let what =
                format!("{other} and {key} differ in case only, and IAM takes them for one tag");
            t.refuse("tags", what, None);
        }
    }
    Some(Stack {
        domain: domain?,
        account: account?,
        region: region?,
        delegation,
        dnssec,
        dns: dns?,
        names,
        iam,
        updater: updater?,
        api,
        logs,
        alarms,
        contacts,
        tags,
        accepted,
    })
}

/// AWS allows 50 tags on an object. The journal group keeps the evidence for waits in its tags and
/// needs about half of them.
const TAGS_MAX: usize = 20;

/// The tables that have a key of this name, each with its preposition.
pub(super) fn homes_of(name: &str) -> Vec<String> {
    fn search(name: &str, path: &str, keys: &[Asked], homes: &mut Vec<String>) {
        let dot = if path.is_empty() { "" } else { "." };
        for key in keys {
            if key.name == name && path.is_empty() {
                homes.push("at the top, before the first [table]".to_owned());
            } else if key.name == name {
                homes.push(format!("in [{path}]"));
            }
            match &key.holds {
                Holds::Table(inner) => {
                    search(name, &format!("{path}{dot}{}", key.name), inner, homes);
                }
                // With the brackets above that is `[[name]]`; no such list is in another table.
                Holds::Tables(inner) => search(name, &format!("[{}]", key.name), inner, homes),
                Holds::Value(_) | Holds::Pairs(..) => {}
            }
        }
    }
    let mut homes = Vec::new();
    search(name, "", keys(), &mut homes);
    homes
}

/// Every key of the format.
pub(super) fn keys() -> &'static [Asked] {
    static KEYS: OnceLock<Vec<Asked>> = OnceLock::new();
    let no_files = |_: &Path| Err(io::ErrorKind::NotFound.into());
    KEYS.get_or_init(|| Table::describe(|t| stack(t, "", &no_files)))
}

fn delegation(t: &mut Table<'_>) -> Delegation {
    let parent = t.or(
        "parent",
        "\"auto\"",
        "auto: a parent zone in this account, if there is one. external: somebody outside.",
    );
    let role = t.maybe(
        "parent-role",
        "Role that may change the parent zone in another account.",
    );
    match (parent, role) {
        (Parent::Auto, None) => Delegation::Auto,
        (Parent::Auto, Some(role)) => Delegation::Through(role),
        (Parent::External, None) => Delegation::External,
        (Parent::External, Some(_)) => {
            let what = "an external parent is not changed by this tool";
            t.refuse(
                "parent-role",
                what,
                "leave out one of the two keys".to_owned(),
            );
            Delegation::External
        }
    }
}

#[derive(Clone, Copy)]
enum Parent {
    Auto,
    External,
}

impl Word for Parent {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("external", Self::External)];
}

fn dnssec(t: &mut Table<'_>, account: Option<&AccountId>) -> Dnssec {
    let dnssec = Dnssec {
        enabled: t.or(
            "enabled",
            "true",
            "Whether the zone is signed. Signing is taken off by `dnssec disable` only.",
        ),
        lower_ttls: t.or(
            "lower-ttls",
            "true",
            "Whether an adopted zone's TTLs are lowered before it is signed, and put back after.",
        ),
        key_admins: t.or(
            "key-admins",
            "[]",
            "Roles and users of the account that may administer the key; none may sign with it.",
        ),
        // Below a month a rotation could begin before the one before has ended.
        rotate_after: t
            .maybe::<Lasting<{ 30 * DAY }, { 3650 * DAY }>>(
                "rotate-after",
                "Age from which a KSK is reported as due for rotation.",
            )
            .map(|age| age.0),
    };
    if let Some(account) = account {
        for admin in dnssec
            .key_admins
            .iter()
            .filter(|admin| admin.account() != account.as_str())
        {
            t.refuse(
                "key-admins",
                format!("{admin} is not in account {account}"),
                None,
            );
        }
    }
    dnssec
}

fn dns(t: &mut Table<'_>) -> Option<Dns> {
    let transport = t.sound_or(
        "transport",
        "\"udp\"",
        "How questions travel: udp (tcp for long answers), tcp, or https.",
    );
    let resolvers = t.sound_or::<Vec<Resolver>>(
        "resolvers",
        "[]",
        "Servers to ask. None: the zones' own servers, from the root down.",
    );
    let also_check = t.or(
        "also-check",
        "[]",
        "Servers of internal views, which must give the same answers.",
    );
    let (transport, resolvers) = (transport?, resolvers?);

    let has_url = resolvers
        .iter()
        .any(|resolver| matches!(resolver, Resolver::Https(_)));
    let has_address = resolvers
        .iter()
        .any(|resolver| matches!(resolver, Resolver::Address(_)));
    match transport {
        Transport::Https if resolvers.is_empty() => {
            let what = "with the transport https a resolver is needed";
            let hint = "add `resolvers = [\"https://dns.example/dns-query\"]`";
            t.refuse("resolvers", what, hint.to_owned());
        }
        Transport::Https if has_address => {
            let what = "an address is not asked over https";
            t.refuse("resolvers", what, "write URLs only".to_owned());
        }
        Transport::Udp | Transport::Tcp if has_url => {
            let hint = "write addresses, or `transport = \"https\"`";
            t.refuse(
                "resolvers",
                "a URL is asked over https only",
                hint.to_owned(),
            );
        }
        Transport::Udp | Transport::Tcp | Transport::Https => {}
    }
    Some(Dns {
        transport,
        resolvers,
        also_check,
    })
}

impl Word for Transport {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("udp", Self::Udp),
        ("tcp", Self::Tcp),
        ("https", Self::Https),
    ];
}

fn names(t: &mut Table<'_>) -> Names {
    Names {
        prefix: t.or("prefix", "\"spore\"", "What derived names begin with."),
        key_alias: t.maybe(
            "key-alias",
            "Exact alias of the key that signs, without `alias/`.",
        ),
        ksk: t.maybe("ksk", "Exact name of the first key-signing key."),
        api: t.maybe("api", "Exact name of the REST API."),
    }
}

fn iam(t: &mut Table<'_>) -> Iam {
    Iam {
        path: t.or("path", "\"/\"", "Path of every role."),
        permissions_boundary: t.maybe("permissions-boundary", "Boundary of every role."),
        updater_role: t.maybe("updater-role", "Exact name of the updater's role."),
    }
}

fn contacts(t: &mut Table<'_>) -> Contacts {
    Contacts {
        owner: t.maybe("owner", "Who runs the stack."),
        dns: t.maybe("dns", "Who runs the parent zone."),
        security: t.maybe("security", "Whom to tell about misuse."),
    }
}

fn accepted(t: &mut Table<'_>) -> Option<Accepted> {
    let kind = t.need("kind", "\"attached-policy\"", "What it is.");
    let name = t.need(
        "name",
        "\"arn:aws:iam::aws:policy/NAME\"",
        "Its exact ARN or name.",
    );
    let reason = t.need(
        "reason",
        "\"the security team's scanner\"",
        "Why it is accepted.",
    );
    Some(Accepted {
        kind: kind?,
        name: name?,
        reason: reason?,
    })
}

impl Word for AcceptedKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("inline-policy", Self::InlinePolicy),
        ("attached-policy", Self::AttachedPolicy),
        ("function-permission", Self::FunctionPermission),
        ("function-alias", Self::FunctionAlias),
        ("function-version", Self::FunctionVersion),
        ("api-resource", Self::ApiResource),
        ("api-authorizer", Self::ApiAuthorizer),
        ("metric-filter", Self::MetricFilter),
        ("subscription-filter", Self::SubscriptionFilter),
        ("data-protection", Self::DataProtection),
    ];

    const REFUSED: &'static [(&'static str, &'static str)] = &[
        (
            "ksk",
            "a key-signing key of others cannot be accepted: whoever holds it can sign as this zone once the \
             parent vouches for it, so every plan names it and leaves it alone; have it deactivated and deleted",
        ),
        (
            "record",
            "records of others in the zone need not be accepted: no plan touches them, but for `destroy \
             --include-records`",
        ),
    ];
}
