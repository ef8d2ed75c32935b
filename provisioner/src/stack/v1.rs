//! Version 1 of the format: every table and key, with default and meaning, and the rules between
//! keys. One function per table, all alike: ask for each key, then judge.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use super::domain::DomainName;
use super::form::{Form, Item, Whole, Word};
use super::naming::{Named, TagKey};
use super::network::Resolver;
use super::span::{DAY, HOUR, Lasting};
use super::table::{Asked, Holds, Table};
use super::{
    Accepted, AcceptedKind, AccountId, Alarms, Api, Contacts, CustomDomain, Delegation, Dns,
    Dnssec, Iam, Logs, Names, Problem, Region, Stack, Thresholds, TlsMin, Transport,
};

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
    let region = t.or::<Region>(
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
    let api = t.table("api", "The HTTPS door to the updater.", |t| api(t, region));
    let logs = t.table("logs", "What is logged, how long.", logs);
    let alarms = t.table("alarms", "What is watched, who is told.", |t| {
        alarms(t, region)
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
    Some(Stack {
        domain: domain?,
        account: account?,
        region,
        delegation,
        dnssec,
        dns,
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
        for key in keys {
            if key.name == name {
                homes.push(if path.is_empty() {
                    "at the top, before the first [table]".to_owned()
                } else {
                    format!("in {path}")
                });
            }
            match &key.holds {
                // Tables are at most two deep, and the outer one is never a list.
                Holds::Table(inner) if path.is_empty() => {
                    search(name, &format!("[{}]", key.name), inner, homes);
                }
                Holds::Table(inner) => {
                    let outer = path.trim_matches(['[', ']']);
                    search(name, &format!("[{outer}.{}]", key.name), inner, homes);
                }
                Holds::Tables(inner) => search(name, &format!("[[{}]]", key.name), inner, homes),
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

fn dns(t: &mut Table<'_>) -> Dns {
    let dns = Dns {
        transport: t.or(
            "transport",
            "\"udp\"",
            "How questions travel: udp (tcp for long answers), tcp, or https.",
        ),
        resolvers: t.or(
            "resolvers",
            "[]",
            "Servers to ask. None: the zones' own servers, from the root down.",
        ),
        also_check: t.or(
            "also-check",
            "[]",
            "Servers of internal views, which must give the same answers.",
        ),
    };
    let is_https = |resolver: &Resolver| matches!(resolver, Resolver::Https(_));
    match dns.transport {
        Transport::Https if !dns.resolvers.iter().any(is_https) => {
            let what = "with the transport https a resolver is needed";
            let hint = "add `resolvers = [\"https://dns.example/dns-query\"]`";
            t.refuse("resolvers", what, hint.to_owned());
        }
        Transport::Https if !dns.resolvers.iter().all(is_https) => {
            let what = "an address is not asked over https";
            t.refuse("resolvers", what, "write URLs only".to_owned());
        }
        Transport::Udp | Transport::Tcp if dns.resolvers.iter().any(is_https) => {
            let hint = "write addresses, or `transport = \"https\"`";
            t.refuse(
                "resolvers",
                "a URL is asked over https only",
                hint.to_owned(),
            );
        }
        Transport::Udp | Transport::Tcp | Transport::Https => {}
    }
    dns
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

fn api(t: &mut Table<'_>, region: Region) -> Api {
    let stage = t.or(
        "stage",
        "\"prod\"",
        "Stage, the first part of the URL's path.",
    );
    let (throttle_per_second, throttle_burst) = t.table(
        "throttle",
        "Requests let through, over all callers.",
        throttle,
    );
    let allow_from = t.or::<BTreeSet<_>>(
        "allow-from",
        "[\"0.0.0.0/0\", \"::/0\"]",
        "Networks requests may come from. Everywhere, because instances are.",
    );
    let tls_min = t.or("tls-min", "\"1.2\"", "Oldest TLS a client may speak.");
    let domain = t.maybe("domain", "Name of the API that is not API Gateway's.");
    let certificate = t.maybe(
        "certificate",
        "Its certificate in Certificate Manager, in the stack's region.",
    );

    // API Gateway's quota for a resource policy is 8,192 characters; a network takes up to 46.
    const NETWORKS_MAX: usize = 100;
    match allow_from.len() {
        0 => t.refuse("allow-from", "nobody could call", None),
        1..=NETWORKS_MAX => {}
        count => t.refuse(
            "allow-from",
            format!("{count} networks, at most {NETWORKS_MAX}"),
            None,
        ),
    }
    let custom_domain = match (domain, certificate) {
        (Some(domain), Some(certificate)) => Some(CustomDomain {
            domain,
            certificate,
        }),
        (None, None) => None,
        (Some(_), None) => {
            refuse_unless_wrong(t, "certificate", "a `domain` needs one");
            None
        }
        (None, Some(_)) => {
            refuse_unless_wrong(t, "domain", "a `certificate` belongs to one");
            None
        }
    };
    if let Some(CustomDomain { certificate, .. }) = &custom_domain
        && certificate.region() != region.as_str()
    {
        let what = format!("is in {}, the API in {region}", certificate.region());
        t.refuse("certificate", what, None);
    }
    Api {
        stage,
        throttle_per_second,
        throttle_burst,
        allow_from,
        tls_min,
        custom_domain,
    }
}

/// A key that another one needs is missing, not wrong: what is wrong has been said.
fn refuse_unless_wrong(t: &mut Table<'_>, name: &str, why: &str) {
    if !t.is_written(name) {
        t.refuse(name, format!("missing, {why}"), None);
    }
}

/// Route 53 takes about five changes a second; what is let through above that only waits.
fn throttle(t: &mut Table<'_>) -> (u32, u32) {
    let rate = t.or::<Whole<1, 10_000>>("per-second", "10", "Requests a second.");
    let burst = t.or::<Whole<1, 5_000>>("burst", "20", "Requests at once.");
    (rate.0, burst.0)
}

impl Word for TlsMin {
    const WORDS: &'static [(&'static str, Self)] = &[("1.2", Self::V1_2), ("1.3", Self::V1_3)];
}

fn logs(t: &mut Table<'_>) -> Logs {
    Logs {
        retention_days: t
            .or::<Retention>("retention-days", "30", "Days a log event is kept.")
            .0,
        encrypt: t.or(
            "encrypt",
            "true",
            "Whether log groups have a key of the stack.",
        ),
        // Off, because a query log holds the address of every resolver, often with a part of its
        // client's (RFC 7871): personal data that no protection of the stack needs.
        queries: t.or(
            "queries",
            "false",
            "Whether Route 53 logs every question. It holds addresses of people who ask.",
        ),
    }
}

/// A retention CloudWatch Logs offers (API, PutRetentionPolicy). "Never" is not among them here.
struct Retention(u16);

const RETENTIONS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

impl Form for Retention {
    fn expected() -> String {
        "a number of days that CloudWatch Logs offers".to_owned()
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "enum": RETENTIONS })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        let days = Whole::<1, { u16::MAX as u32 }>::read(item)?.0;
        RETENTIONS
            .iter()
            .find(|offered| u32::from(**offered) == days)
            .map(|days| Self(*days))
            .ok_or_else(|| {
                let longer = RETENTIONS
                    .iter()
                    .find(|offered| u32::from(**offered) > days);
                let hint = match longer {
                    Some(longer) => format!("the next longer one it offers is {longer}"),
                    None => "the longest it offers is 3653".to_owned(),
                };
                vec![
                    item.problem(format!("{days} is not {}", Self::expected()))
                        .with_hint(hint),
                ]
            })
    }
}

fn alarms(t: &mut Table<'_>, region: Region) -> Alarms {
    let alarms = Alarms {
        notify: t.or(
            "notify",
            "[]",
            "SNS topics alarms notify: one in us-east-1 and one in the stack's region.",
        ),
        // CloudWatch evaluates at most seven days (API, PutMetricAlarm).
        expect_updates: t
            .maybe::<Lasting<HOUR, { 7 * DAY }>>(
                "expect-updates",
                "Silence of the updater after which an alarm goes off.",
            )
            .map(|silence| silence.0),
        thresholds: t.table(
            "thresholds",
            "Events in five minutes that set an alarm off.",
            thresholds,
        ),
    };
    // CloudWatch notifies topics of its own region only, and the zone's metrics are in us-east-1.
    let regions: BTreeSet<Region> = [Region::US_EAST_1, region].into();
    for alarm_region in regions {
        let has_topic = alarms
            .notify
            .iter()
            .any(|topic| topic.region() == alarm_region.as_str());
        if !alarms.notify.is_empty() && !has_topic {
            let what = format!("no topic in {alarm_region}, where the stack has alarms");
            t.refuse("notify", what, None);
        }
    }
    let deaf = |topic: &&_| {
        let topic: &super::Arn<super::Topic> = topic;
        topic.region() != region.as_str() && topic.region() != Region::US_EAST_1.as_str()
    };
    for topic in alarms.notify.iter().filter(deaf) {
        t.refuse(
            "notify",
            format!("{topic} is in a region without alarms of the stack"),
            None,
        );
    }
    alarms
}

fn thresholds(t: &mut Table<'_>) -> Thresholds {
    type Count = Whole<1, 1_000_000>;
    Thresholds {
        validation_failures: t
            .or::<Count>(
                "validation-failures",
                "10",
                "Proofs or addresses that do not hold.",
            )
            .0,
        api_5xx: t.or::<Count>("api-5xx", "5", "Answers 5xx of the API.").0,
        throttled: t
            .or::<Count>("throttled", "50", "Requests refused as too many.")
            .0,
        function_errors: t.or::<Count>("function-errors", "3", "Failed runs.").0,
        function_throttles: t
            .or::<Count>("function-throttles", "3", "Runs Lambda refused.")
            .0,
        ksk_age: t
            .maybe::<Lasting<{ 30 * DAY }, { 3650 * DAY }>>("ksk-age", "Age of a KSK.")
            .map(|age| age.0),
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
        ("api-resource", Self::ApiResource),
        ("api-authorizer", Self::ApiAuthorizer),
        ("metric-filter", Self::MetricFilter),
        ("record", Self::Record),
        ("ksk", Self::Ksk),
    ];
}
