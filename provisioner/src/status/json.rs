//! The report for programs. The form has a version: fields are only added within one.

use serde_json::{Value, json};

use super::facts::{
    Aws, Delegation, Facts, Heard, ParentServer, Resolver, Role, Serving, Verdict, Zone, ZoneServer,
};
use super::report::{Report, Who};
use crate::ds::keys::Whose;

/// Version of the form.
pub const FORMAT: u32 = 1;

/// Facts and report.
pub fn render(facts: &Facts, report: &Report) -> Value {
    json!({
        "format": FORMAT,
        "tool_version": env!("CARGO_PKG_VERSION"),
        "at": format!("{:.0}", facts.at),
        "domain": facts.domain,
        "level": report.level.word().to_lowercase(),
        "headline": report.headline,
        "verdict": facts.zone().map(|zone| verdict(&zone.verdict)),
        "findings": report.findings.iter().map(|finding| json!({
            "level": format!("{:?}", finding.level).to_lowercase(),
            "code": finding.code,
            "text": finding.text,
        })).collect::<Vec<_>>(),
        "next": report.next.iter().map(|action| {
            let (who, name) = match &action.who {
                Who::Us => ("us", None),
                Who::Others(name) => ("others", Some(name)),
                Who::Wait => ("wait", None),
            };
            json!({"who": who, "name": name, "what": action.what})
        }).collect::<Vec<_>>(),
        "zones": facts.zones.iter().map(zone).collect::<Vec<_>>(),
        "cut_short": facts.cut_short,
        "resolvers": facts.resolvers.iter().map(resolver).collect::<Vec<_>>(),
        "network": facts.signals.iter().map(|signal| json!({
            "certain": signal.is_certain, "text": signal.words,
        })).collect::<Vec<_>>(),
        "aws": match &facts.aws {
            Ok(read) => aws(read, facts),
            Err(why) => json!({"error": why}),
        },
    })
}

fn verdict(verdict: &Verdict) -> Value {
    json!({"word": verdict.word(), "why": verdict.why()})
}

fn zone(zone: &Zone) -> Value {
    json!({
        "name": zone.name,
        "verdict": verdict(&zone.verdict),
        "parent_servers": zone.parents.iter().map(parent_server).collect::<Vec<_>>(),
        "servers": zone.servers.iter().map(server).collect::<Vec<_>>(),
    })
}

fn parent_server(server: &ParentServer) -> Value {
    let answer = match &server.answer {
        Err(trouble) => json!({"error": trouble.words()}),
        Ok(answer) => delegation(answer),
    };
    json!({
        "name": server.name,
        "address": server.address.map(|address| address.to_string()),
        "answer": answer,
    })
}

fn delegation(answer: &Delegation) -> Value {
    json!({
        "ns": answer.ns,
        "ns_ttl_seconds": answer.ns_ttl_secs,
        "ds": answer.ds.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ds_ttl_seconds": answer.ds_ttl_secs,
        "proof": verdict(&answer.proof),
    })
}

fn server(server: &ZoneServer) -> Value {
    let answer = match &server.answer {
        Err(trouble) => json!({"error": trouble.words()}),
        Ok(answer) => serving(answer),
    };
    json!({
        "name": server.name,
        "address": server.address.map(|address| address.to_string()),
        "in_parent": server.in_parent,
        "in_route53": server.in_route53,
        "answer": answer,
    })
}

fn serving(serving: &Serving) -> Value {
    json!({
        "serial": serving.serial,
        "ns": serving.ns,
        "keys": serving.keys.iter().map(|key| json!({
            "tag": key.key_tag(), "dnskey": key.to_string(),
        })).collect::<Vec<_>>(),
        "proving": serving.proving.iter().map(crate::ds::DnsKey::key_tag).collect::<Vec<_>>(),
        "signatures": serving.signatures.iter().map(|signature| json!({
            "covers": signature.covers,
            "key_tag": signature.key_tag,
            "begins": format!("{:.0}", signature.begins),
            "expires": format!("{:.0}", signature.expires),
        })).collect::<Vec<_>>(),
        "verdict": verdict(&serving.verdict),
    })
}

fn resolver(resolver: &Resolver) -> Value {
    let answer = match &resolver.answer {
        Err(why) => json!({"error": why}),
        Ok(answer) => json!({
            "code": answer.code,
            "has_data": answer.has_data,
            "ad": answer.authentic,
            "code_with_cd": answer.code_unchecked,
            "extended_errors": answer.extended.iter().map(|(code, text)| json!({
                "code": code, "text": text,
            })).collect::<Vec<_>>(),
            "validates": answer.validates,
            "key_tags": answer.key_tags,
        }),
    };
    let role = match resolver.role {
        Role::Resolver => "resolver",
        Role::View => "view",
    };
    json!({"name": resolver.name, "role": role, "answer": answer})
}

fn aws(aws: &Aws, facts: &Facts) -> Value {
    json!({
        "zone": aws.zone,
        "foreign_zone": aws.foreign_zone,
        "name_servers": aws.name_servers,
        "unread": aws.unread,
        "signing": aws.signing.as_ref().map(|(status, message)| json!({
            "status": status, "message": message,
        })),
        "keys": aws.keys.iter().map(|ksk| json!({
            "name": ksk.name,
            "status": ksk.status,
            "message": ksk.message,
            "is_ours": match &ksk.whose {
                Whose::Stack | Whose::Rotation => Some(true),
                Whose::Stranger => Some(false),
                Whose::Unknown(_) => None,
            },
            "tag": ksk.key.as_ref().map(crate::ds::DnsKey::key_tag),
            "ds": ksk.key.as_ref().map(|key| super::diagnosis::ds_of(key, &facts.domain).to_string()),
            "kms_key": ksk.kms_arn,
            "kms_state": ksk.kms_state.as_ref().map(|(state, _)| state),
            "kms_deletion": ksk.kms_state.as_ref().and_then(|(_, date)| date.clone()),
        })).collect::<Vec<_>>(),
        "alarms": aws.alarms.iter().map(|(name, heard)| {
            let heard = match heard {
                Heard::By(topics) => json!({"heard_by": topics}),
                Heard::Nobody(why) => json!({"heard_by": [], "why": why}),
            };
            (name.clone(), heard)
        }).collect::<serde_json::Map<_, _>>(),
        "plan": {
            "summary": aws.plan.summary,
            "changes": aws.plan.changes,
            "blocked": aws.plan.blocked,
            "waits": aws.plan.waits,
            "warnings": aws.plan.warnings.iter().map(|(addr, what)| format!("{addr}: {what}"))
                .collect::<Vec<_>>(),
        },
        "rotation": aws.turning.as_ref().map(|turning| &turning.words),
        "destroying": aws.leaving.as_ref().filter(|leaving| leaving.since.is_some()).map(|leaving| json!({
            "since": leaving.since, "against": leaving.against,
        })),
        "evidence": aws.evidence,
    })
}
