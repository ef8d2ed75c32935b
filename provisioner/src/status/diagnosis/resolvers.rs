//! What validating resolvers say, and what internal views show.

use std::collections::BTreeSet;

use super::{Found, SILENT, or_none};
use crate::status::facts::{Facts, Resolver, Role, Verdict};
use crate::status::report::Level;

pub(super) fn resolved(facts: &Facts, resolver: &Resolver, found: &mut Found) {
    let name = &resolver.name;
    let what = match resolver.role {
        Role::Resolver => "resolver",
        Role::View => "internal view",
    };
    let answer = match &resolver.answer {
        Err(why) => {
            let level = match resolver.role {
                Role::Resolver => Level::Note,
                Role::View => Level::Warning,
            };
            found.add(level, "resolver", format!("{what} {name}: {why}"));
            return;
        }
        Ok(answer) => answer,
    };
    let verdict = facts.zone().map(|zone| &zone.verdict);
    let extended: Vec<String> = answer
        .extended
        .iter()
        .map(|(code, text)| {
            let name = extended_error(*code);
            if text.is_empty() {
                format!("{code} {name}")
            } else {
                format!("{code} {name}: {text}")
            }
        })
        .collect();
    let extended = if extended.is_empty() {
        String::new()
    } else {
        format!(", error {}", extended.join(", "))
    };
    match answer.code.as_str() {
        _ if answer.has_data => {}
        code if answer
            .code_unchecked
            .as_deref()
            .is_some_and(|code| code != "SERVFAIL") =>
        {
            let agrees = matches!(verdict, Some(Verdict::Bogus(_)));
            let level = if agrees { Level::Note } else { Level::Warning };
            let text = format!(
                "{what} {name} refuses the zone ({code}{extended}) and answers when it need not \
                 validate{}",
                if agrees {
                    ""
                } else {
                    ": it may hold older records, until their TTLs end"
                }
            );
            found.add(level, "resolver-refuses", text);
        }
        code => {
            let is_delegated = facts
                .zone()
                .is_some_and(|zone| !zone.delegated_to().is_empty());
            let level = if is_delegated {
                Level::Warning
            } else {
                Level::Note
            };
            let text = format!("{what} {name} has no answer for the zone ({code}{extended})");
            found.add(level, "resolver-refuses", text);
        }
    }
    if resolver.role == Role::Resolver && answer.has_data {
        match (answer.validates, answer.authentic, verdict) {
            (Some(false), ..) => found.add(
                Level::Note,
                "resolver",
                format!("{what} {name} does not validate: even for the root it sets no AD bit"),
            ),
            (Some(true), false, Some(Verdict::Secure)) => found.add(
                Level::Note,
                "resolver",
                format!(
                    "{what} {name} validates, and does not find the zone secure: it holds older \
                     records, or has an exception for it"
                ),
            ),
            (_, true, Some(Verdict::Bogus(_))) => found.add(
                Level::Note,
                "resolver",
                format!("{what} {name} still takes the zone for secure, from what it holds"),
            ),
            (_, _, _) => {}
        }
    }
    if resolver.role == Role::View {
        view(facts, name, answer.key_tags.as_ref(), found);
    }
}

/// Whether an internal view shows the keys that the zone's servers show.
fn view(facts: &Facts, name: &str, shown: Option<&BTreeSet<u16>>, found: &mut Found) {
    let Some(zone) = facts.zone() else {
        return;
    };
    let mut unknown = |why: &str| {
        let text = format!("nobody can tell whether internal view {name} shows this zone: {why}");
        found.add(Level::Unknown, "view-unknown", text);
    };
    let Some(shown) = shown else {
        return unknown("it did not say which keys it shows");
    };
    if zone.serving().next().is_none() {
        return unknown(SILENT);
    }
    let tags: BTreeSet<u16> = zone.serving().flat_map(|(_, s)| s.tags()).collect();
    if *shown != tags {
        let text = format!(
            "internal view {name} shows the keys {}, the zone's servers {}: clients inside see another zone, \
             and those that validate may refuse it",
            or_none(shown),
            or_none(&tags)
        );
        found.add(Level::Warning, "view-differs", text);
    }
}

/// Names of extended DNS errors that concern DNSSEC and reachability (RFC 8914, section 4; IANA's
/// registry "Extended DNS Error Codes").
fn extended_error(code: u16) -> &'static str {
    match code {
        1 => "unsupported DNSKEY algorithm",
        2 => "unsupported DS digest type",
        3 => "stale answer",
        5 => "DNSSEC indeterminate",
        6 => "DNSSEC bogus",
        7 => "signature expired",
        8 => "signature not yet valid",
        9 => "DNSKEY missing",
        10 => "RRSIGs missing",
        11 => "no zone key bit set",
        12 => "NSEC missing",
        13 => "cached error",
        15 => "blocked",
        16 => "censored",
        17 => "filtered",
        18 => "prohibited",
        22 => "no reachable authority",
        23 => "network error",
        _ => "other",
    }
}
