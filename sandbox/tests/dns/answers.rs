//! Single answers: what is signed, what is proven, and what a client gets who did not ask for that.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;

use hickory_proto::dnssec::rdata::{NSEC, RRSIG};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordData as _, RecordType};
use spore_sandbox::Profile;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{Transport, address, question, signed_question};

use super::lab::{Lab, ZONE, name};

/// Types covered by the signatures among some records.
fn covered(records: &[Record]) -> Vec<RecordType> {
    let mut types: Vec<RecordType> = records
        .iter()
        .filter_map(|record| RRSIG::try_borrow(&record.data))
        .map(|rrsig| rrsig.input().type_covered)
        .collect();
    types.sort();
    types
}

fn nsecs(records: &[Record]) -> Vec<(&Record, &NSEC)> {
    records
        .iter()
        .filter_map(|record| Some((record, NSEC::try_borrow(&record.data)?)))
        .collect()
}

/// A signed zone with some records, secure from the root.
fn zone() -> Lab {
    let mut lab = Lab::new();
    let at = |label: &str| format!("{label}.{ZONE}");
    lab.change("CREATE", &at("a"), "A", 60, &["192.0.2.1", "192.0.2.200"]);
    lab.change(
        "CREATE",
        &at("Mixed.b"),
        "CNAME",
        60,
        &["A.Spore.Example.EDU"],
    );
    lab.change("CREATE", &at("*.w"), "TXT", 60, &["\"wild\""]);
    lab.change("CREATE", &at("mx"), "MX", 60, &["10 Mail.Example.EDU"]);
    lab.change("CREATE", &at("old"), "A", 1_000_000, &["192.0.2.1"]);
    lab.change(
        "CREATE",
        &at("sub"),
        "NS",
        60,
        &["ns1.sub.spore.example.edu"],
    );
    lab.secured();
    lab
}

#[test]
fn every_kind_of_answer_validates() {
    let lab = zone();
    let rtype = |text: &str| text.parse().unwrap();
    let mut judge = Judge::new(&name(ZONE));
    for (label, asked) in [
        ("a", "A"),
        ("a", "AAAA"),
        ("mixed.b", "CNAME"),
        ("mixed.b", "A"),
        ("mixed.b", "AAAA"),
        ("b", "A"),
        ("x.w", "TXT"),
        ("x.y.w", "TXT"),
        ("x.w", "A"),
        ("w", "TXT"),
        ("mx", "MX"),
        ("old", "A"),
        ("nothing.at.all", "TXT"),
    ] {
        judge = judge.also(&name(&format!("{label}.{ZONE}")), rtype(asked));
    }
    assert_eq!(lab.look(&mut judge), Verdict::Secure);
    // The zones above deny in the other way.
    for zone in ["example.edu", "edu"] {
        let mut judge = Judge::new(&name(zone));
        assert_eq!(lab.look(&mut judge), Verdict::Secure, "{zone}");
    }
}

#[test]
fn a_name_that_does_not_exist_is_denied_as_route_53_does() {
    let lab = zone();
    let server = &lab.servers()[0];
    let owner = format!("none.{ZONE}");
    let message = lab.ask(server, &owner, "A");
    assert_eq!(message.metadata.response_code, ResponseCode::NoError);
    assert!(message.answers.is_empty());
    assert_eq!(
        covered(&message.authorities),
        [RecordType::SOA, RecordType::NSEC]
    );
    let proofs = nsecs(&message.authorities);
    let (record, nsec) = proofs[0];
    assert_eq!(proofs.len(), 1);
    assert_eq!(record.name.to_ascii(), format!("{owner}."));
    assert_eq!(
        nsec.next_domain_name().to_ascii(),
        format!("\\000.{owner}.")
    );
    let types: Vec<_> = nsec.type_bit_maps().collect();
    assert_eq!(types, [RecordType::RRSIG, RecordType::NSEC]);
    // A name that exists claims all types but the one asked for.
    let message = lab.ask(server, &format!("a.{ZONE}"), "TXT");
    let (_, nsec) = nsecs(&message.authorities)[0];
    let types = nsec.type_set();
    assert!(types.contains(RecordType::A) && types.contains(RecordType::MX));
    assert!(!types.contains(RecordType::TXT) && !types.contains(RecordType::NS));
    // The zones above say NXDOMAIN.
    let message = lab.ask(&name("ns1.example.edu"), "none.example.edu", "A");
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(nsecs(&message.authorities).len(), 2);
}

#[test]
fn nobody_gets_signatures_unasked() {
    let lab = zone();
    let server = IpAddr::V4(address::of(&lab.servers()[0]).unwrap().0);
    for owner in ["a", "none"] {
        let query = question(&name(&format!("{owner}.{ZONE}")), "A".parse().unwrap());
        let mut world = lab.world.clone();
        let octets = world.dns(lab.now, server, &query).unwrap();
        let message = Message::from_vec(&octets).unwrap();
        let records = message.answers.iter().chain(&message.authorities);
        assert_eq!(
            records
                .filter(|r| matches!(&r.data, RData::DNSSEC(_)))
                .count(),
            0
        );
        // Without DO nothing has to be proven, and the truth can be told.
        let code = message.metadata.response_code;
        assert_eq!(code == ResponseCode::NXDomain, owner == "none");
    }
}

#[test]
fn a_parent_proves_that_a_child_has_no_ds_and_signs_the_one_it_has() {
    let mut lab = zone();
    let parent = name("ns1.example.edu");
    let message = lab.ask(&parent, &format!("a.{ZONE}"), "A");
    assert!(!message.metadata.authoritative);
    assert_eq!(
        covered(&message.authorities),
        [RecordType::DS],
        "not the NS set"
    );
    lab.set_ds(&[]);
    let message = lab.ask(&parent, &format!("a.{ZONE}"), "A");
    let (record, nsec) = nsecs(&message.authorities)[0];
    assert_eq!(record.name.to_ascii(), format!("{ZONE}."));
    let types: Vec<_> = nsec.type_bit_maps().collect();
    assert_eq!(types, [RecordType::NS, RecordType::RRSIG, RecordType::NSEC]);
    // A delegation within the hosted zone is refused in the same way.
    let message = lab.ask(&lab.servers()[0], &format!("x.sub.{ZONE}"), "A");
    let (_, nsec) = nsecs(&message.authorities)[0];
    let types: Vec<_> = nsec.type_bit_maps().collect();
    assert_eq!(types, [RecordType::NS, RecordType::RRSIG, RecordType::NSEC]);
}

#[test]
fn ttls_of_a_signed_zone_end_at_a_week() {
    let mut lab = zone();
    let ttls = |lab: &Lab| -> Vec<u32> {
        let message = lab.ask(&lab.servers()[0], &format!("old.{ZONE}"), "A");
        message.answers.iter().map(|record| record.ttl).collect()
    };
    assert_eq!(ttls(&lab), [604_800, 604_800]);
    let message = lab.ask(&lab.servers()[0], &format!("old.{ZONE}"), "A");
    let rrsig = RRSIG::try_borrow(&message.answers[1].data).unwrap();
    assert_eq!(rrsig.input().original_ttl, 604_800);
    lab.set_ds(&[]);
    lab.zone_call("DisableHostedZoneDNSSEC");
    lab.wait(60);
    assert_eq!(ttls(&lab), [1_000_000]);
}

#[test]
fn each_active_ksk_signs_the_keys_and_nothing_else() {
    let mut lab = zone();
    lab.ksk("second");
    lab.wait(60);
    let message = lab.ask(&lab.servers()[0], ZONE, "DNSKEY");
    let keys = message
        .answers
        .iter()
        .filter(|r| r.record_type() == RecordType::DNSKEY);
    assert_eq!(keys.count(), 3);
    assert_eq!(covered(&message.answers), [RecordType::DNSKEY; 2]);
    let message = lab.ask(&lab.servers()[0], ZONE, "SOA");
    assert_eq!(covered(&message.answers), [RecordType::SOA]);
}

#[test]
fn a_datagram_too_small_for_signatures_is_cut() {
    let mut lab = zone();
    lab.ksk("second");
    lab.wait(60);
    let mut query = signed_question(&name(ZONE), "DNSKEY".parse().unwrap());
    // The size in the OPT record is 8 octets from the end (RFC 6891 section 6.1.2).
    let at = query.len() - 8;
    query[at..at + 2].copy_from_slice(&512_u16.to_be_bytes());
    let server = IpAddr::V4(address::of(&lab.servers()[0]).unwrap().0);
    let mut world = lab.world.clone();
    let octets = world.dns(lab.now, server, &query).unwrap();
    assert!(octets.len() <= 512);
    assert!(Message::from_vec(&octets).unwrap().metadata.truncation);
    let octets = world.dns_stream(lab.now, server, &query).unwrap();
    assert!(!Message::from_vec(&octets).unwrap().metadata.truncation);
}

#[test]
fn the_resolver_brings_what_servers_say_and_claims_nothing() {
    let lab = zone();
    let ask = |text: &str, rtype: &str| {
        let mut query = signed_question(&name(text), rtype.parse().unwrap());
        // RD and CD.
        query[2] |= 1;
        query[3] |= 0x10;
        // 0x20: the question comes back as it was asked.
        query[13].make_ascii_uppercase();
        let octets = lab
            .world
            .resolve(lab.now, &query, Transport::Stream)
            .unwrap();
        assert_eq!(octets[13], query[13]);
        Message::from_vec(&octets).unwrap()
    };
    let message = ask(&format!("mixed.b.{ZONE}"), "A");
    let header = &message.metadata;
    assert!(header.recursion_available && header.recursion_desired && header.checking_disabled);
    assert!(!header.authoritative && !header.authentic_data);
    assert_eq!(
        covered(&message.answers),
        [RecordType::A, RecordType::CNAME]
    );
    // The DS is the parent's.
    let message = ask(ZONE, "DS");
    let rrsig = message
        .answers
        .iter()
        .find_map(|r| RRSIG::try_borrow(&r.data))
        .unwrap();
    assert_eq!(rrsig.input().signer_name.to_ascii(), "example.edu.");
    // An alias into another zone is followed there.
    let message = ask("ns-1.awsdns-00.com", "A");
    assert!(covered(&message.answers).contains(&RecordType::A));
    // A zone whose servers do not answer.
    let message = ask(&format!("x.sub.{ZONE}"), "A");
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn equal_worlds_answer_alike_and_others_have_other_keys() {
    let (one, other) = (zone(), zone());
    assert_eq!(one.world.root_anchor(), other.world.root_anchor());
    let ask = |lab: &Lab| lab.ask(&lab.servers()[0], ZONE, "DNSKEY").answers;
    assert_eq!(ask(&one), ask(&other));
    let third = spore_sandbox::World::new(12, Profile::Aws);
    assert_ne!(third.root_anchor(), one.world.root_anchor());
    assert!(
        one.world
            .root_anchor()
            .bind()
            .contains("static-key 257 3 13 \"")
    );
}
