//! Version 1 of `[api]`: the HTTPS door to the updater.

use std::collections::BTreeSet;

use crate::stack::account::Region;
use crate::stack::form::{Whole, Word};
use crate::stack::table::Table;
use crate::stack::{Api, CustomDomain, TlsMin};

pub(super) fn api(t: &mut Table<'_>, region: Option<Region>) -> Api {
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
    if let (Some(region), Some(custom)) = (region, &custom_domain)
        && custom.certificate.region() != region.as_str()
    {
        let what = format!("is in {}, the API in {region}", custom.certificate.region());
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
