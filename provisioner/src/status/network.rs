//! Whether the network lets us see the servers we ask, or something on the way answers for them.
//!
//! Routers and firewalls that redirect port 53 make every server look alike. A sign counts as certain
//! only where nothing else explains it.

use std::collections::BTreeSet;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, Record, RecordType};

use super::chain::{Seen, text};
use super::facts::Signal;
use crate::dns::rrset;

/// Signs of interception. `nobody_answered`: an answer came from an address at which nothing is.
pub fn signals(seen: &[Seen], nobody_answered: bool) -> Vec<Signal> {
    let mut signals = Vec::new();
    if nobody_answered {
        signals.push(Signal {
            is_certain: true,
            words: "a DNS question to 192.0.2.53 was answered, an address for documents only \
                    (RFC 5737) at which nothing is: this network redirects port 53"
                .into(),
        });
    }
    let mut recursive = BTreeSet::new();
    let mut aged = BTreeSet::new();
    let mut without_edns = BTreeSet::new();
    for zone in seen {
        for server in zone.servers.iter().filter(|server| !server.is_resolver) {
            let Ok(answers) = &server.answers else {
                continue;
            };
            let all = [&answers.soa, &answers.ns, &answers.dnskey];
            for message in all.into_iter().filter_map(|answer| answer.as_ref().ok()) {
                if message.metadata.recursion_available && never_recurses(&zone.zone, &server.name)
                {
                    recursive.insert(server.name.clone());
                }
                if is_aged(message, &zone.zone) {
                    aged.insert(server.name.clone());
                }
                if message.edns.is_none() {
                    without_edns.insert(format!("{} ({})", server.name, text(&zone.zone)));
                }
            }
        }
    }
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    if !recursive.is_empty() {
        signals.push(Signal {
            is_certain: true,
            words: format!(
                "answers in the name of {} offer recursion (RA), which root servers and Route 53's do \
                 not: something on the way answers for them",
                list(recursive)
            ),
        });
    }
    if !aged.is_empty() {
        signals.push(Signal {
            is_certain: false,
            words: format!(
                "answers of {} have a smaller TTL than their signatures were made for, as answers \
                 from a cache have",
                list(aged)
            ),
        });
    }
    if !without_edns.is_empty() {
        signals.push(Signal {
            is_certain: false,
            words: format!(
                "answers of {} come without EDNS: the server, or something on the way, cannot carry \
                 DNSSEC",
                list(without_edns)
            ),
        });
    }
    signals
}

/// Root servers (RFC 7720, section 3) and Route 53's name servers answer from their zones only.
fn never_recurses(zone: &Name, server: &str) -> bool {
    zone.is_root() || server.contains(".awsdns-")
}

/// An authoritative server sends the TTL that the signature covers (RFC 4034, section 3.1.4); a cache
/// counts it down.
fn is_aged(message: &Message, zone: &Name) -> bool {
    if !message.metadata.authoritative {
        return false;
    }
    [RecordType::SOA, RecordType::NS, RecordType::DNSKEY]
        .into_iter()
        .any(|rtype| {
            let original = rrset::signatures(&message.answers, zone, rtype)
                .map(|rrsig| rrsig.input().original_ttl)
                .min();
            let served = rrset::records(&message.answers, zone, rtype)
                .map(|record: &Record| record.ttl)
                .min();
            matches!((original, served), (Some(original), Some(served)) if served < original)
        })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::status::chain::{Answers, Asked};
    use crate::status::facts::Trouble;
    use hickory_proto::op::Edns;

    fn seen(zone: &str, server: &str, recursive: bool, edns: bool) -> Seen {
        let mut message = Message::query();
        message.metadata.authoritative = true;
        message.metadata.recursion_available = recursive;
        if edns {
            message.set_edns(Edns::new());
        }
        let silent = || Err(Trouble::Silent("no answer".into()));
        Seen {
            zone: zone.parse().unwrap(),
            servers: vec![Asked {
                name: server.into(),
                address: None,
                in_parent: true,
                in_route53: None,
                is_resolver: false,
                answers: Ok(Answers {
                    soa: Ok(message),
                    ns: silent(),
                    dnskey: silent(),
                    child: None,
                }),
            }],
        }
    }

    #[test]
    fn recursion_is_a_sign_only_where_no_server_offers_it() {
        let found = |zone, server| signals(&[seen(zone, server, true, true)], false);
        let root = found(".", "a.root-servers.net");
        assert!(root[0].is_certain && root[0].words.contains("a.root-servers.net"));
        assert_eq!(found("x.example.", "ns-1.awsdns-00.com").len(), 1);
        // A small site may well resolve and serve on one machine.
        assert!(found("example.edu.", "ns1.example.edu").is_empty());
    }

    #[test]
    fn quiet_networks_give_no_sign() {
        let quiet = [seen(".", "a.root-servers.net", false, true)];
        assert!(signals(&quiet, false).is_empty());
        assert!(signals(&quiet, true)[0].is_certain);
        let without = signals(&[seen("edu.", "a.nic.edu", false, false)], false);
        assert!(!without[0].is_certain && without[0].words.contains("EDNS"));
    }
}
