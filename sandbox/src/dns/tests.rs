//! The simulated DNS, asked over messages only.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;

use domain::base::iana::Rcode;
use domain::base::{Message, Rtype};
use serde_json::json;

use super::message::{Part, records};
use super::{
    DnsName, Fault, Parent, RegistrarAction, Transport, address, answer, answers, parent, question,
};
use crate::profile::Profile;
use crate::route53::tests::Bench;

fn name(text: &str) -> DnsName {
    DnsName::parse(text).unwrap()
}

fn at(server: &str) -> IpAddr {
    address::of(&name(server)).unwrap().0.into()
}

fn ask(bench: &Bench, server: IpAddr, text: &str, rtype: Rtype) -> Message<Vec<u8>> {
    let query = question(&name(text), rtype);
    let octets = answer(&bench.world, bench.now, server, &query, Transport::Datagram).unwrap();
    Message::from_octets(octets).unwrap()
}

/// Rcode, AA, and the data of the answers, in one line.
fn shown(message: &Message<Vec<u8>>, rtype: Rtype) -> String {
    let header = message.header();
    let authority = if header.aa() { " aa" } else { "" };
    let data: Vec<String> = answers(message, rtype)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    format!("{}{authority} {}", header.rcode(), data.join(" "))
        .trim()
        .to_owned()
}

/// Owner and targets of the NS records in the authority section.
fn referral(message: &Message<Vec<u8>>) -> (String, Vec<String>) {
    let records = records(message.for_slice_ref(), Part::Authority, Rtype::NS);
    let owner = records
        .first()
        .map(|(owner, ..)| owner.text())
        .unwrap_or_default();
    let mut targets: Vec<String> = records
        .into_iter()
        .map(|(_, _, text)| name(&text).text())
        .collect();
    targets.sort();
    (owner, targets)
}

fn delegate(bench: &mut Bench, zone: &str) -> Result<String, String> {
    let action = RegistrarAction::Delegate {
        zone: zone.into(),
        name_servers: None,
    };
    bench.world.registrar(bench.now, action)
}

fn servers_of(bench: &mut Bench, zone: &str) -> Vec<String> {
    let got = bench.ok("GetHostedZone", json!({ "Id": zone }));
    let servers = got["DelegationSet"]["NameServers"].as_array().unwrap();
    servers
        .iter()
        .map(|s| format!("{}.", s.as_str().unwrap()))
        .collect()
}

#[test]
fn the_walk_from_the_root_reaches_the_zone() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    bench
        .batch(
            &zone,
            &[("CREATE", "a.spore.example.edu", "A", 60, &["192.0.2.7"])],
        )
        .unwrap();
    let servers = servers_of(&mut bench, &zone);
    delegate(&mut bench, "spore.example.edu").unwrap();

    let question = ("a.spore.example.edu", Rtype::A);
    let mut server = at("a.root-servers.net");
    for (owner, expected) in [
        (
            "edu.",
            vec!["a.nic.edu.".to_owned(), "b.nic.edu.".to_owned()],
        ),
        (
            "example.edu.",
            vec!["ns1.example.edu.".to_owned(), "ns2.example.edu.".to_owned()],
        ),
        ("spore.example.edu.", servers),
    ] {
        let message = ask(&bench, server, question.0, question.1);
        assert_eq!(shown(&message, Rtype::A), "NOERROR");
        let (found, targets) = referral(&message);
        let mut expected = expected;
        expected.sort();
        assert_eq!((found.as_str(), &targets), (owner, &expected));
        let glue = usize::from(message.header_counts().arcount());
        assert_eq!(
            glue,
            targets.len() * 2 + 1,
            "A and AAAA of each server, and OPT"
        );
        server = at(&targets[0]);
    }
    let message = ask(&bench, server, question.0, question.1);
    assert_eq!(shown(&message, Rtype::A), "NOERROR aa 192.0.2.7");
}

#[test]
fn answers_refusals_and_negatives() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    bench
        .batch(
            &zone,
            &[
                ("CREATE", "a.b.spore.example.edu", "A", 60, &["192.0.2.7"]),
                (
                    "CREATE",
                    "www.spore.example.edu",
                    "CNAME",
                    60,
                    &["a.b.spore.example.edu"],
                ),
                ("CREATE", "*.w.spore.example.edu", "TXT", 60, &["\"wild\""]),
                (
                    "CREATE",
                    "sub.spore.example.edu",
                    "NS",
                    60,
                    &["ns.example.org"],
                ),
            ],
        )
        .unwrap();
    let server = at(&servers_of(&mut bench, &zone)[2]);
    let check = |text: &str, rtype, expected: &str| {
        assert_eq!(
            shown(&ask(&bench, server, text, rtype), rtype),
            expected,
            "{text} {rtype}"
        );
    };
    check("A.b.SPORE.example.edu", Rtype::A, "NOERROR aa 192.0.2.7");
    check("www.spore.example.edu", Rtype::A, "NOERROR aa 192.0.2.7");
    check("a.b.spore.example.edu", Rtype::AAAA, "NOERROR aa");
    check("b.spore.example.edu", Rtype::A, "NOERROR aa");
    check("none.spore.example.edu", Rtype::A, "NXDOMAIN aa");
    check("x.w.spore.example.edu", Rtype::TXT, "NOERROR aa \"wild\"");
    check("x.w.spore.example.edu", Rtype::A, "NOERROR aa");
    check("x.sub.spore.example.edu", Rtype::A, "NOERROR");
    check("sub.spore.example.edu", Rtype::DS, "NOERROR aa");
    check("spore.example.edu", Rtype::DS, "NOERROR aa");
    check("example.edu", Rtype::A, "REFUSED");
    check("example.org", Rtype::A, "REFUSED");

    let negative = ask(&bench, server, "none.spore.example.edu", Rtype::A);
    let soa = records(negative.for_slice_ref(), Part::Authority, Rtype::SOA);
    assert_eq!(soa[0].0, name("spore.example.edu"));
}

#[test]
fn servers_have_names_that_resolve() {
    let bench = Bench::new(Profile::Instant);
    let check = |server: &str, text: &str, expected: &str| {
        let message = ask(&bench, at(server), text, Rtype::A);
        assert_eq!(shown(&message, Rtype::A), expected);
    };
    check(
        "a.nic.uk",
        "ns-1536.awsdns-00.co.uk",
        "NOERROR aa 205.251.198.0",
    );
    check(
        "b.nic.com",
        "ns-8.awsdns-01.com",
        "NOERROR aa 205.251.192.8",
    );
    check("a.nic.net", "m.root-servers.net", "NOERROR aa 202.12.27.33");
    check("a.nic.com", "ns-8.awsdns-02.com", "NXDOMAIN aa");
    check("a.nic.com", "awsdns-02.com", "NOERROR aa");
    let own = format!("NOERROR aa {}", at("a.nic.edu"));
    check("b.nic.edu", "a.nic.edu", &own);
    let own = format!("NOERROR aa {}", at("ns1.example.edu"));
    check("ns2.example.edu", "ns1.example.edu", &own);
    check("a.nic.edu", "example.com", "REFUSED");
    let nowhere = question(&name("edu"), Rtype::NS);
    for address in ["192.0.2.1", "198.19.0.0", "8.8.8.8"] {
        let octets = answer(
            &bench.world,
            bench.now,
            address.parse().unwrap(),
            &nowhere,
            Transport::Datagram,
        );
        assert!(octets.is_none(), "{address}");
    }
}

#[test]
fn a_change_reaches_the_servers_before_it_is_in_sync_not_all_at_once() {
    let mut bench = Bench::new(Profile::Aws);
    let zone = bench.zone("spore.example.edu", "one");
    let servers: Vec<IpAddr> = servers_of(&mut bench, &zone)
        .iter()
        .map(|s| at(s))
        .collect();
    let text = "a.spore.example.edu";
    let counts = |bench: &Bench, wanted: &str| {
        let shows =
            |server: &&IpAddr| shown(&ask(bench, **server, text, Rtype::A), Rtype::A) == wanted;
        servers.iter().filter(shows).count()
    };
    assert_eq!(
        counts(&bench, "REFUSED"),
        4,
        "no server knows a zone made this instant"
    );
    bench.advance(60);
    assert_eq!(counts(&bench, "NXDOMAIN aa"), 4);
    bench
        .batch(&zone, &[("CREATE", text, "A", 60, &["192.0.2.1"])])
        .unwrap();
    bench.advance(1);
    bench
        .batch(&zone, &[("UPSERT", text, "A", 60, &["192.0.2.2"])])
        .unwrap();
    assert_eq!(counts(&bench, "NXDOMAIN aa"), 4);
    let mut partial = false;
    for _ in 0..70 {
        bench.advance(1);
        let [none, old, new] = [
            "NXDOMAIN aa",
            "NOERROR aa 192.0.2.1",
            "NOERROR aa 192.0.2.2",
        ]
        .map(|wanted| counts(&bench, wanted));
        assert_eq!(none + old + new, 4);
        partial |= new > 0 && new < 4;
    }
    assert!(partial);
    assert_eq!(counts(&bench, "NOERROR aa 192.0.2.2"), 4);

    bench
        .batch(&zone, &[("DELETE", text, "A", 60, &["192.0.2.2"])])
        .unwrap();
    bench.advance(1);
    bench.ok("DeleteHostedZone", json!({ "Id": zone }));
    assert_eq!(
        counts(&bench, "NOERROR aa 192.0.2.2"),
        4,
        "a deleted zone is served a while"
    );
    bench.advance(60);
    assert_eq!(counts(&bench, "REFUSED"), 4);
}

#[test]
fn twins_of_one_name_answer_on_their_own_servers() {
    let mut bench = Bench::new(Profile::Instant);
    let text = "a.spore.example.edu";
    let mut found = Vec::new();
    for (reference, address) in [("one", "192.0.2.1"), ("two", "192.0.2.2")] {
        let zone = bench.zone("spore.example.edu", reference);
        bench
            .batch(&zone, &[("CREATE", text, "A", 60, &[address])])
            .unwrap();
        let server = at(&servers_of(&mut bench, &zone)[0]);
        found.push(shown(&ask(&bench, server, text, Rtype::A), Rtype::A));
    }
    assert_eq!(found, ["NOERROR aa 192.0.2.1", "NOERROR aa 192.0.2.2"]);
    let refusal = delegate(&mut bench, "spore.example.edu").unwrap_err();
    assert!(refusal.contains("2 public hosted zones"), "{refusal}");
}

#[test]
fn the_registrar_changes_external_parents_only() {
    let mut bench = Bench::new(Profile::Instant);
    bench.zone("spore.uni.ac.host", "one");
    let said = delegate(&mut bench, "spore.uni.ac.host").unwrap();
    assert!(
        said.starts_with("ac.host. delegates spore.uni.ac.host. to ns-"),
        "{said}"
    );

    bench.zone("spore.host", "two");
    assert!(
        delegate(&mut bench, "spore.host")
            .unwrap()
            .starts_with("host. delegates")
    );
    bench.zone("lab.spore.host", "three");
    let refusal = delegate(&mut bench, "lab.spore.host").unwrap_err();
    assert!(
        refusal.contains("spore.host. is a hosted zone of this world"),
        "{refusal}"
    );
    assert!(
        delegate(&mut bench, "none.example.edu")
            .unwrap_err()
            .contains("no public hosted zone")
    );
    let foreign = |zone: &str| RegistrarAction::Delegate {
        zone: zone.into(),
        name_servers: Some(vec!["ns.provider.example".into()]),
    };
    let refusal = bench
        .world
        .registrar(bench.now, foreign("edu"))
        .unwrap_err();
    assert!(refusal.contains("top-level domain"), "{refusal}");
    bench
        .world
        .registrar(bench.now, foreign("old.example.edu"))
        .unwrap();
    let message = ask(&bench, at("ns1.example.edu"), "old.example.edu", Rtype::NS);
    assert_eq!(referral(&message).1, ["ns.provider.example."]);
}

#[test]
fn a_hosted_zone_delegates_by_its_records() {
    let mut bench = Bench::new(Profile::Instant);
    let top = bench.zone("spore.host", "one");
    delegate(&mut bench, "spore.host").unwrap();
    let lab = bench.zone("lab.spore.host", "two");
    let servers = servers_of(&mut bench, &lab);
    let targets: Vec<&str> = servers.iter().map(String::as_str).collect();
    let digest = format!("7 13 2 {}", "ab".repeat(32));
    bench
        .batch(
            &top,
            &[
                ("CREATE", "lab.spore.host", "NS", 300, &targets),
                ("CREATE", "lab.spore.host", "DS", 300, &[&digest]),
            ],
        )
        .unwrap();
    let Parent::Answers { name_servers, ds } =
        parent(&bench.world, bench.now, &name("lab.spore.host"))
    else {
        panic!("the parent answers");
    };
    assert_eq!(
        name_servers.unwrap(),
        servers.iter().map(|s| name(s)).collect()
    );
    assert_eq!(ds[0].text(), digest.to_uppercase());
}

#[test]
fn ds_at_the_parent_comes_and_goes_and_is_remembered() {
    let mut bench = Bench::new(Profile::Instant);
    bench.zone("spore.example.edu", "one");
    let zone = || "spore.example.edu".to_owned();
    let record = format!("7 13 2 {}", "ab".repeat(32));
    let ds = |records: &[&str]| RegistrarAction::Ds {
        zone: zone(),
        records: records.iter().map(|r| (*r).to_owned()).collect(),
    };
    let now = bench.now;
    assert!(
        bench
            .world
            .registrar(now, ds(&[&record]))
            .unwrap_err()
            .contains("does not delegate")
    );
    delegate(&mut bench, "spore.example.edu").unwrap();
    for bad in ["7 13 2 AB", "seven 13 2 AB", ""] {
        bench.world.registrar(now, ds(&[bad])).unwrap_err();
    }
    bench.world.registrar(now, ds(&[&record])).unwrap();
    let parent = at("ns2.example.edu");
    let held = |bench: &Bench| {
        shown(
            &ask(bench, parent, "spore.example.edu", Rtype::DS),
            Rtype::DS,
        )
    };
    assert_eq!(held(&bench), format!("NOERROR aa {record}"));

    bench.world.server_fault(parent, Some(Fault::Frozen));
    bench.advance(100);
    let withdraw = RegistrarAction::Withdraw {
        zone: zone(),
        ds_only: true,
    };
    bench.world.registrar(bench.now, withdraw).unwrap();
    assert_eq!(
        held(&bench),
        format!("NOERROR aa {record}"),
        "this server lags"
    );
    let text = serde_json::to_string(&bench.world).unwrap();
    bench.world = serde_json::from_str(&text).unwrap();
    bench.world.server_fault(parent, None);
    assert_eq!(held(&bench), "NOERROR aa");
    let past: Vec<_> = bench
        .world
        .past_delegations(&name("spore.example.edu"))
        .collect();
    assert_eq!(past.len(), 1);
    assert_eq!((past[0].last_served, past[0].ttl_secs), (bench.now, 3600));

    bench
        .world
        .registrar(
            bench.now,
            RegistrarAction::Withdraw {
                zone: zone(),
                ds_only: false,
            },
        )
        .unwrap();
    assert_eq!(held(&bench), "NXDOMAIN aa");
}

#[test]
fn failing_parents_are_told_from_absent_delegations() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = name("spore.example.edu");
    let absent = Parent::Answers {
        name_servers: None,
        ds: Vec::new(),
    };
    assert_eq!(parent(&bench.world, bench.now, &zone), absent);
    let servers: Vec<IpAddr> = ["ns1.example.edu", "ns2.example.edu"]
        .iter()
        .filter_map(|server| address::of(&name(server)))
        .flat_map(|(v4, v6)| [IpAddr::from(v4), IpAddr::from(v6)])
        .collect();
    for (n, server) in servers.iter().enumerate() {
        assert_eq!(
            parent(&bench.world, bench.now, &zone),
            absent,
            "{n} servers failing"
        );
        let fault = if n % 2 == 0 {
            Fault::Silent
        } else {
            Fault::ServFail
        };
        bench.world.server_fault(*server, Some(fault));
    }
    assert_eq!(parent(&bench.world, bench.now, &zone), Parent::Silent);
}

#[test]
fn datagrams_are_cut_and_streams_are_not() {
    let mut bench = Bench::new(Profile::Instant);
    let zone = bench.zone("spore.example.edu", "one");
    let addresses: Vec<String> = (0..200).map(|n| format!("10.0.0.{n}")).collect();
    let values: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let text = "many.spore.example.edu";
    bench
        .batch(&zone, &[("CREATE", text, "A", 60, &values)])
        .unwrap();
    let server = at(&servers_of(&mut bench, &zone)[0]);
    let query = question(&name(text), Rtype::A);
    let datagram = bench.world.dns(bench.now, server, &query).unwrap();
    let datagram = Message::from_octets(datagram).unwrap();
    assert!(datagram.header().tc());
    assert_eq!(datagram.header_counts().ancount(), 0);
    let stream = bench.world.dns_stream(bench.now, server, &query).unwrap();
    let stream = Message::from_octets(stream).unwrap();
    assert!(!stream.header().tc());
    assert_eq!(stream.header_counts().ancount(), 200);
}

#[test]
fn garbage_is_answered_with_an_error_or_not_at_all() {
    let mut bench = Bench::new(Profile::Instant);
    let root = at("a.root-servers.net");
    assert_eq!(bench.world.dns(bench.now, root, b"x"), None);
    let mut response = question(&name("edu"), Rtype::NS);
    response[2] |= 0x80;
    assert_eq!(bench.world.dns(bench.now, root, &response), None);
    let rcode = |bench: &mut Bench, query: &[u8]| {
        let octets = bench.world.dns(bench.now, root, query).unwrap();
        Message::from_octets(octets).unwrap().header().rcode()
    };
    let mut notify = question(&name("edu"), Rtype::SOA);
    notify[2] |= 4 << 3;
    assert_eq!(rcode(&mut bench, &notify), Rcode::NOTIMP);
    let mut no_question = question(&name("edu"), Rtype::SOA);
    no_question[5] = 0;
    assert_eq!(rcode(&mut bench, &no_question), Rcode::FORMERR);
    assert_eq!(
        rcode(&mut bench, &question(&name("edu"), Rtype::AXFR)),
        Rcode::REFUSED
    );
    let mut edns = question(&name("edu"), Rtype::NS);
    let version = edns.len() - 5;
    edns[version] = 9;
    let octets = bench.world.dns(bench.now, root, &edns).unwrap();
    let message = Message::from_octets(octets).unwrap();
    assert_eq!(message.opt_rcode().to_int(), 16, "BADVERS");
}
