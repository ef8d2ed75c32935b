//! The walk to the parent's servers where servers have a zone and its child: who has both answers for the
//! lower one, and nothing refers to it. A small internet on this machine, as the simulated world has no such
//! servers (uk and co.uk had them).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::str::FromStr as _;

use hickory_proto::op::MessageType;
use hickory_proto::rr::rdata;
use jiff::SignedDuration;
use tokio::net::TcpListener;

use super::*;

const DOMAIN: &str = "spore.example.co.uk.";
const ROOT: &str = "a.root-servers.net.";

/// Zones from the root down, and the names of their servers.
#[derive(Debug, Clone)]
struct Internet {
    zones: BTreeMap<Name, Vec<String>>,
    /// Zones that a server has although none of these name it there.
    also: Vec<(&'static str, &'static str)>,
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

/// Root servers are where they are; the others are told apart by their first label's number.
fn address_of(server: &str) -> IpAddr {
    if server == ROOT {
        return IpAddr::from([198, 41, 0, 4]);
    }
    let number = server
        .strip_prefix("ns")
        .and_then(|rest| rest.split_once('.'));
    IpAddr::from([192, 0, 2, number.unwrap().0.parse().unwrap()])
}

impl Internet {
    fn of(zones: &[(&str, &[&str])]) -> Self {
        let own = |servers: &[&str]| servers.iter().map(|server| (*server).to_owned()).collect();
        let mut all: BTreeMap<Name, Vec<String>> = zones
            .iter()
            .map(|(zone, servers)| (name(zone), own(servers)))
            .collect();
        all.insert(Name::root(), own(&[ROOT]));
        Self {
            zones: all,
            also: Vec::new(),
        }
    }

    fn has(&self, server: IpAddr, zone: &Name) -> bool {
        let named = self.zones[zone].iter().any(|of| address_of(of) == server);
        let also = |(of, other): &(&str, &str)| address_of(of) == server && name(other) == *zone;
        named || self.also.iter().any(also)
    }

    /// RFC 1034, section 4.3.2: the closest zone that the server has, of a DS question the one above the
    /// cut (RFC 4035, section 3.1.4.1).
    fn answer(&self, server: IpAddr, query: &Message) -> Option<Message> {
        let question = &query.queries[0];
        let (asked, rtype) = (&question.name, question.query_type);
        let mut answer = query.clone();
        answer.metadata.message_type = MessageType::Response;
        let encloses = |zone: &&Name| zone.zone_of(asked);
        let mut had: Vec<&Name> = self.zones.keys().filter(encloses).collect();
        had.retain(|zone| self.has(server, zone));
        had.sort_by_key(|zone| zone.num_labels());
        if rtype == RecordType::DS && had.len() > 1 {
            had.retain(|zone| *zone != asked);
        }
        let zone = had.pop()?;
        let below = |cut: &&Name| {
            zone.zone_of(cut) && *cut != zone && !(*cut == asked && rtype == RecordType::DS)
        };
        let cuts = self.zones.keys().filter(encloses).filter(below);
        if let Some(cut) = cuts.min_by_key(|cut| cut.num_labels()) {
            answer.authorities = self.servers(cut);
            answer.additionals = self.glue(cut);
            return Some(answer);
        }
        answer.metadata.authoritative = true;
        let is_apex = asked == zone;
        if is_apex && rtype == RecordType::NS {
            answer.answers = self.servers(zone);
            answer.additionals = self.glue(zone);
        } else if is_apex && rtype == RecordType::SOA {
            answer.answers = vec![soa(zone)];
        } else {
            answer.authorities = vec![soa(zone)];
        }
        Some(answer)
    }

    fn servers(&self, zone: &Name) -> Vec<Record> {
        let servers = self.zones[zone].iter();
        servers
            .map(|server| {
                let data = RData::NS(rdata::NS(name(server)));
                Record::from_rdata(zone.clone(), 3_600, data)
            })
            .collect()
    }

    fn glue(&self, zone: &Name) -> Vec<Record> {
        let servers = self.zones[zone].iter();
        servers
            .map(|server| {
                let IpAddr::V4(address) = address_of(server) else {
                    panic!("an IPv4 address")
                };
                Record::from_rdata(name(server), 3_600, RData::A(rdata::A(address)))
            })
            .collect()
    }

    /// Serves it as a sandbox serves its name servers; the task ends with the test.
    async fn dns(self) -> Dns {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (server, query) = request(&mut stream).await;
                let query = Message::from_vec(&query).unwrap();
                let (status, body) = match self.answer(server, &query) {
                    Some(answer) => ("200 OK", answer.to_vec().unwrap()),
                    None => ("404 Not Found", Vec::new()),
                };
                let len = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&body).await.unwrap();
            }
        });
        Dns::new(&Target::Aws {
            endpoint: None,
            simulated: Some((url, SignedDuration::ZERO)),
        })
    }

    /// The walk's cuts, and the numbers of each one's servers.
    async fn walked(self, domain: &str) -> Vec<(String, Vec<u8>)> {
        let (cuts, cut_short) = self.dns().await.cuts(&name(domain)).await;
        assert_eq!(cut_short, None);
        let number = |server: &Server| {
            let Ok(IpAddr::V4(address)) = server.address else {
                panic!("{server:?}")
            };
            address.octets()[3]
        };
        let cuts = cuts.iter().skip(1);
        cuts.map(|(zone, servers)| (text(zone), servers.iter().map(number).collect()))
            .collect()
    }
}

fn soa(zone: &Name) -> Record {
    let soa = rdata::SOA::new(zone.clone(), zone.clone(), 1, 7_200, 900, 1_209_600, 300);
    Record::from_rdata(zone.clone(), 900, RData::SOA(soa))
}

/// The server that a request asks, and the query.
async fn request(stream: &mut TcpStream) -> (IpAddr, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let lines = head.to_ascii_lowercase();
            let len = lines.split_once("content-length: ").unwrap().1;
            let len: usize = len.lines().next().unwrap().parse().unwrap();
            let begin = bytes
                .windows(4)
                .position(|part| part == b"\r\n\r\n")
                .unwrap()
                + 4;
            if bytes.len() >= begin + len {
                let path = head.split(' ').nth(1).unwrap();
                return (
                    path.trim_start_matches('/').parse().unwrap(),
                    bytes.split_off(begin),
                );
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{text}");
    }
}

fn own(expected: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let cuts = expected.iter();
    cuts.map(|(zone, servers)| ((*zone).to_owned(), servers.to_vec()))
        .collect()
}

const UK: [&str; 2] = ["ns1.nic.uk.", "ns2.nic.uk."];
const EXAMPLE: (&str, &[&str]) = ("example.co.uk.", &["ns11.example.co.uk."]);
const SPORE: (&str, &[&str]) = (DOMAIN, &["ns21.example.com."]);

/// With those of uk, in some order, and one of its own.
fn co_uk(servers: &'static [&'static str]) -> (&'static str, &'static [&'static str]) {
    ("co.uk.", servers)
}

#[tokio::test]
async fn servers_that_are_no_childs_refer_to_each_cut() {
    let internet = Internet::of(&[
        ("uk.", &UK),
        co_uk(&["ns3.nic.uk.", "ns4.nic.uk."]),
        EXAMPLE,
        SPORE,
    ]);
    let expected = own(&[
        ("uk", &[1, 2]),
        ("co.uk", &[3, 4]),
        ("example.co.uk", &[11]),
    ]);
    assert_eq!(internet.walked(DOMAIN).await, expected);
}

#[tokio::test]
async fn a_cut_that_servers_have_on_both_sides_is_not_skipped() {
    // ns1 answers first, and refers to example.co.uk at once where it has co.uk.
    for (shared, numbers) in [
        (
            &["ns1.nic.uk.", "ns2.nic.uk.", "ns3.nic.uk."][..],
            &[1, 2, 3][..],
        ),
        (&["ns1.nic.uk.", "ns3.nic.uk."], &[1, 3]),
        (&["ns2.nic.uk.", "ns3.nic.uk."], &[2, 3]),
    ] {
        let zones = [("uk.", &UK[..]), co_uk(shared), EXAMPLE, SPORE];
        let expected = own(&[
            ("uk", &[1, 2]),
            ("co.uk", numbers),
            ("example.co.uk", &[11]),
        ]);
        assert_eq!(
            Internet::of(&zones).walked(DOMAIN).await,
            expected,
            "{shared:?}"
        );
        // As the parent it is asked at all of its servers, and not only at those of uk.
        let zones = [("uk.", &UK[..]), co_uk(shared), EXAMPLE];
        let expected = own(&[("uk", &[1, 2]), ("co.uk", numbers)]);
        assert_eq!(
            Internet::of(&zones).walked(EXAMPLE.0).await,
            expected,
            "{shared:?}"
        );
    }
}

#[tokio::test]
async fn servers_of_three_zones_in_a_row_hide_none_of_them() {
    let zones = [
        ("uk.", &UK[..]),
        co_uk(&["ns1.nic.uk.", "ns3.nic.uk."]),
        ("example.co.uk.", &["ns1.nic.uk.", "ns11.example.co.uk."]),
        SPORE,
    ];
    let expected = own(&[
        ("uk", &[1, 2]),
        ("co.uk", &[1, 3]),
        ("example.co.uk", &[1, 11]),
    ]);
    assert_eq!(Internet::of(&zones).walked(DOMAIN).await, expected);
}

#[tokio::test]
async fn a_cut_between_two_zones_of_a_server_is_its_own() {
    // ns1 has uk and example.co.uk, and refers to co.uk between them.
    let mut internet = Internet::of(&[
        ("uk.", &UK),
        co_uk(&["ns3.nic.uk."]),
        ("example.co.uk.", &["ns11.example.co.uk."]),
        SPORE,
    ]);
    internet.also = vec![(UK[0], "example.co.uk.")];
    let expected = own(&[("uk", &[1, 2]), ("co.uk", &[3]), ("example.co.uk", &[11])]);
    assert_eq!(internet.walked(DOMAIN).await, expected);
}

#[tokio::test]
async fn a_parent_that_has_the_zone_itself_is_asked_as_the_parent() {
    for servers in [
        &["ns11.example.co.uk."][..],
        &["ns11.example.co.uk.", "ns21.example.com."],
    ] {
        let zones = [
            ("uk.", &UK[..]),
            co_uk(&["ns3.nic.uk."]),
            (
                "example.co.uk.",
                &["ns11.example.co.uk.", "ns12.example.co.uk."],
            ),
            (DOMAIN, servers),
        ];
        let dns = Internet::of(&zones).dns().await;
        let view = dns.parent(DOMAIN.trim_end_matches('.')).await;
        let ParentView::Seen {
            zone,
            servers: asked,
        } = &view
        else {
            panic!("{view:?}")
        };
        assert_eq!((zone.as_str(), asked.len()), ("example.co.uk", 2));
        // One refers to the zone's servers, the other answers for them.
        for answer in view.all().unwrap() {
            let named: Vec<&str> = servers
                .iter()
                .map(|name| name.trim_end_matches('.'))
                .collect();
            assert_eq!(answer.name_servers, named);
            assert!(answer.ds.is_empty());
        }
    }
}
