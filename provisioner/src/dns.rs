//! The edge to DNS: asking single servers, and walking from the root to a zone's parent. No caches
//! and no resolver in between: what each authoritative server says is the evidence.

mod authority;
mod https;
pub mod rrset;
#[cfg(test)]
mod shared;
mod survey;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;
use std::time::Duration;

use hickory_proto::dnssec::PublicKey as _;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::ds::keys::Unserved;
use crate::ds::{DnsKey, Ds};
use crate::snapshot::{Delegated, ParentView, ServerView};
use crate::stack;
use crate::target::{self, Target};

pub use survey::Survey;

/// Root servers' IPv4 addresses (IANA, "Root hints", named.root of 2023-11; a to m).
const ROOT_HINTS: [(&str, [u8; 4]); 13] = [
    ("a.root-servers.net", [198, 41, 0, 4]),
    ("b.root-servers.net", [170, 247, 170, 2]),
    ("c.root-servers.net", [192, 33, 4, 12]),
    ("d.root-servers.net", [199, 7, 91, 13]),
    ("e.root-servers.net", [192, 203, 230, 10]),
    ("f.root-servers.net", [192, 5, 5, 241]),
    ("g.root-servers.net", [192, 112, 36, 4]),
    ("h.root-servers.net", [198, 97, 190, 53]),
    ("i.root-servers.net", [192, 36, 148, 17]),
    ("j.root-servers.net", [192, 58, 128, 30]),
    ("k.root-servers.net", [193, 0, 14, 129]),
    ("l.root-servers.net", [199, 7, 83, 42]),
    ("m.root-servers.net", [202, 12, 27, 33]),
];

/// UDP payload that passes unfragmented (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1_232;
/// How long one server may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Servers of one zone tried before giving up on the walk.
const SERVERS_TRIED: usize = 3;
/// Zone cuts and name server look-ups followed before giving up.
const DEPTH_MAX: usize = 8;

/// Asks name servers by address.
#[derive(Debug, Clone)]
pub struct Dns {
    target: Target,
    /// How servers of zones are asked first.
    transport: Transport,
}

/// A server of a zone by name, and the address to ask it at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    name: String,
    /// Or why there is none. Such a server is kept: resolvers may reach it, and what it answers them
    /// is unknown.
    address: Result<IpAddr, String>,
}

/// How a question travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

impl Dns {
    /// Name servers of the target: the simulated ones, or those of the internet.
    pub fn new(target: &Target) -> Self {
        Self {
            target: target.clone(),
            transport: Transport::Udp,
        }
    }

    /// As the stack document says (`[dns] transport`). Where HTTPS is all that passes, no server of a zone
    /// can be reached, and whoever asks one hears so.
    #[must_use]
    pub fn as_told(self, settings: &stack::Dns) -> Self {
        let transport = match settings.transport {
            stack::Transport::Udp | stack::Transport::Https => Transport::Udp,
            stack::Transport::Tcp => Transport::Tcp,
        };
        Self { transport, ..self }
    }

    /// Asks one server one question.
    pub async fn ask(
        &self,
        server: IpAddr,
        name: &Name,
        rtype: RecordType,
    ) -> Result<Message, String> {
        let answer = self.reply(server, name, rtype).await?;
        let code = answer.metadata.response_code;
        if matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            Ok(answer)
        } else {
            Err(format!("answered {code}"))
        }
    }

    /// What a server says, also that it says nothing.
    async fn reply(
        &self,
        server: IpAddr,
        name: &Name,
        rtype: RecordType,
    ) -> Result<Message, String> {
        let mut query = Message::query();
        query.metadata.recursion_desired = false;
        query.add_query(Query::query(name.clone(), rtype));
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD).set_version(0);
        edns.enable_dnssec();
        query.set_edns(edns);
        let bytes = query.to_vec().map_err(|error| error.to_string())?;
        let mut answer = self.exchange(server, &bytes, self.transport).await?;
        if is_truncated(&answer) {
            answer = self.exchange(server, &bytes, Transport::Tcp).await?;
        }
        let answer = Message::from_vec(&answer).map_err(|error| error.to_string())?;
        if answer.metadata.id != query.metadata.id || answer.queries != query.queries {
            return Err("the answer is not to our question".into());
        }
        Ok(answer)
    }

    /// Carries one message to a server, and its answer back.
    async fn exchange(
        &self,
        server: IpAddr,
        query: &[u8],
        transport: Transport,
    ) -> Result<Vec<u8>, String> {
        match &self.target {
            Target::Local(sandbox) => match transport {
                Transport::Udp => sandbox.dns(server, query),
                Transport::Tcp => sandbox.dns_stream(server, query),
            }
            .ok_or_else(|| "no answer".to_owned()),
            Target::Served { dns, .. }
            | Target::Aws {
                simulated: Some((dns, _)),
                ..
            } => {
                let transport = match transport {
                    Transport::Udp => "",
                    Transport::Tcp => "/tcp",
                };
                let url = format!("{}/{server}{transport}", dns.trim_end_matches('/'));
                let query = query.to_vec().into();
                let answer = target::request("POST", &url, "application/dns-message", query);
                Ok(answer.await?.to_vec())
            }
            Target::Aws {
                simulated: None, ..
            } => over_network(server, query, transport).await,
        }
    }

    /// What the servers of the parent zone say about `domain`.
    pub async fn parent(&self, domain: &str) -> ParentView {
        let name = match Name::from_str(&format!("{domain}.")) {
            Ok(name) => name,
            Err(error) => return ParentView::Unknown(error.to_string()),
        };
        let (mut cuts, cut_short) = self.cuts(&name).await;
        let (zone, servers) = match (cut_short, cuts.pop()) {
            (None, Some(parent)) => parent,
            (why, _) => return ParentView::Unknown(why.unwrap_or_default()),
        };
        let views = servers.into_iter().map(|server| {
            let name = name.clone();
            async move {
                let answer = match &server.address {
                    Ok(address) => self.delegation(*address, &name).await,
                    Err(why) => Err(why.clone()),
                };
                ServerView {
                    name: server.name,
                    address: server.address.ok(),
                    answer,
                }
            }
        });
        ParentView::Seen {
            zone: text(&zone),
            servers: futures_util::future::join_all(views).await,
        }
    }

    /// Whether every given name server of `domain` serves a DNSKEY set that this key has signed, by a
    /// signature that holds at `now`; the error says which does not, or else which did not say.
    pub async fn serves_key(
        &self,
        domain: &str,
        name_servers: &[String],
        key: &DnsKey,
        now: Timestamp,
    ) -> Result<(), Unserved> {
        let unknown = |error: hickory_proto::ProtoError| Unserved::Unknown(error.to_string());
        let apex = Name::from_str(&format!("{domain}.")).map_err(unknown)?;
        if name_servers.is_empty() {
            return Err(Unserved::Unknown("the zone shows no name servers".into()));
        }
        let checks = name_servers
            .iter()
            .map(|server| self.serves(server, &apex, key, now));
        let checks = futures_util::future::join_all(checks).await;
        let (lacking, unknown): (Vec<Unserved>, Vec<Unserved>) = checks
            .into_iter()
            .filter_map(Result::err)
            .partition(|why| matches!(why, Unserved::Lacking(_)));
        match lacking.into_iter().chain(unknown).next() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    async fn serves(
        &self,
        server: &str,
        apex: &Name,
        key: &DnsKey,
        now: Timestamp,
    ) -> Result<(), Unserved> {
        let answer = self.apex_at(server, apex, RecordType::DNSKEY).await;
        let answer = answer.map_err(Unserved::Unknown)?;
        let keys = rrset::dnskeys(&answer.answers, apex).filter(|found| {
            found.flags() == key.flags()
                && u8::from(found.public_key().algorithm()) == key.algorithm()
                && found.public_key().public_bytes() == key.bytes()
        });
        let this_key = rrset::Keys {
            zone: apex.clone(),
            keys: keys.cloned().collect(),
        };
        if this_key.keys.is_empty() {
            let why = format!("{server} does not serve the DNSKEY yet");
            return Err(Unserved::Lacking(why));
        }
        rrset::verify(&this_key, &answer.answers, apex, RecordType::DNSKEY, now)
            .map_err(|why| Unserved::Lacking(format!("{server} serves the DNSKEY, but {why}")))?;
        let all = rrset::Keys {
            zone: apex.clone(),
            keys: rrset::dnskeys(&answer.answers, apex).cloned().collect(),
        };
        self.proves(server, &all, now).await
    }

    /// Whether what a server's keys sign holds as well, as it has to with a DS record of one of them (RFC 4035,
    /// section 5).
    async fn proves(
        &self,
        server: &str,
        keys: &rrset::Keys,
        now: Timestamp,
    ) -> Result<(), Unserved> {
        let answer = self.apex_at(server, &keys.zone, RecordType::SOA).await;
        let answer = answer.map_err(Unserved::Unknown)?;
        rrset::verify(keys, &answer.answers, &keys.zone, RecordType::SOA, now).map_err(|why| {
            Unserved::Lacking(format!(
                "{server} serves the DNSKEY, but its SOA record does not validate: {why}"
            ))
        })
    }

    async fn apex_at(
        &self,
        server: &str,
        apex: &Name,
        rtype: RecordType,
    ) -> Result<Message, String> {
        let name = Name::from_str(&format!("{server}.")).map_err(|error| error.to_string())?;
        let address = self.addresses(&name, 0).await?.into_iter().next();
        let address = address.ok_or_else(|| format!("{server} has no address"))?;
        let answer = self.ask(address, apex, rtype).await;
        answer.map_err(|why| format!("{server} ({address}): {why}"))
    }

    async fn delegation(&self, server: IpAddr, domain: &Name) -> Result<Delegated, String> {
        let (ns, ds) = tokio::join!(
            self.ask(server, domain, RecordType::NS),
            self.ask(server, domain, RecordType::DS)
        );
        delegated(domain, &ns?, &ds?)
    }

    /// Walks down from the root until servers answer for addresses of `name` themselves.
    async fn descend(&self, name: &Name, depth: usize) -> Result<Message, String> {
        let mut zone = Name::root();
        let mut servers: Vec<Server> = ROOT_HINTS
            .iter()
            .map(|(name, address)| Server {
                name: (*name).to_owned(),
                address: Ok(IpAddr::from(*address)),
            })
            .collect();
        for _ in 0..DEPTH_MAX {
            let answer = self.ask_any(&servers, name, RecordType::A).await?;
            let Some(child) = referral(&answer, &zone, name) else {
                return Ok(answer);
            };
            servers = self.servers_of(&answer, &child, depth).await?;
            zone = child;
        }
        Err(format!("more than {DEPTH_MAX} zone cuts above {name}"))
    }

    async fn ask_any(
        &self,
        servers: &[Server],
        name: &Name,
        rtype: RecordType,
    ) -> Result<Message, String> {
        let mut why = "no servers".to_owned();
        let mut tried = 0;
        for server in servers {
            let name_of = &server.name;
            match &server.address {
                Err(error) => why = format!("{name_of}: {error}"),
                Ok(_) if tried == SERVERS_TRIED => break,
                Ok(address) => match self.ask(*address, name, rtype).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        why = format!("{name_of} ({address}): {error}");
                        tried += 1;
                    }
                },
            }
        }
        Err(why)
    }

    /// Every server that a referral or an answer names for a zone, with one address, from glue, else looked
    /// up; those of which none can be found as well, as long as one can.
    async fn servers_of(
        &self,
        referral: &Message,
        child: &Name,
        depth: usize,
    ) -> Result<Vec<Server>, String> {
        let mut servers = Vec::new();
        for record in referral
            .answers
            .iter()
            .chain(&referral.authorities)
            .filter(|record| record.name == *child)
        {
            let RData::NS(target) = &record.data else {
                continue;
            };
            let glue = referral
                .additionals
                .iter()
                .filter(|glue| glue.name == target.0);
            let mut addresses: Vec<IpAddr> = glue.filter_map(address).collect();
            let mut why = "its name has no address".to_owned();
            if addresses.is_empty() && depth < DEPTH_MAX {
                match Box::pin(self.addresses(&target.0, depth + 1)).await {
                    Ok(found) => addresses = found,
                    Err(error) => why = format!("its address could not be looked up: {error}"),
                }
            }
            // One address each: the question is what the server says, not how it is reached.
            addresses.sort_by_key(IpAddr::is_ipv6);
            servers.push(Server {
                name: text(&target.0),
                address: addresses.first().copied().ok_or(why),
            });
        }
        let is_reachable = |server: &Server| server.address.is_ok();
        if servers.iter().any(is_reachable) {
            return Ok(servers);
        }
        let mut reasons = servers.iter().filter_map(|server| {
            Some(format!(
                "{}: {}",
                server.name,
                server.address.as_ref().err()?
            ))
        });
        Err(reasons
            .next_back()
            .unwrap_or_else(|| format!("no name server of {child} is known")))
    }

    async fn addresses(&self, name: &Name, depth: usize) -> Result<Vec<IpAddr>, String> {
        let answer = Box::pin(self.descend(name, depth)).await?;
        Ok(answer.answers.iter().filter_map(address).collect())
    }
}

/// What a parent server's answers to NS and DS say. An empty answer counts only from a server that
/// speaks for the zone or refers to it; a lame one knows nothing of a DS record.
fn delegated(domain: &Name, ns: &Message, ds: &Message) -> Result<Delegated, String> {
    let mut records = ds.answers.iter().chain(&ds.authorities);
    if !ds.metadata.authoritative && !records.any(|record| record.name == *domain) {
        return Err("does not answer for the parent zone".into());
    }
    let mut delegated = Delegated::default();
    for record in ns.answers.iter().chain(&ns.authorities) {
        if let RData::NS(target) = &record.data
            && record.name == *domain
        {
            delegated.name_servers.push(text(&target.0));
            delegated.ns_ttl_secs = record.ttl;
        }
    }
    for record in ds.answers.iter().filter(|record| record.name == *domain) {
        if let RData::DNSSEC(DNSSECRData::DS(found)) = &record.data {
            let ds = Ds {
                key_tag: found.key_tag(),
                algorithm: u8::from(found.algorithm()),
                digest_type: u8::from(found.digest_type()),
                digest: found.digest().to_vec(),
            };
            delegated.ds.push(ds.to_string());
            delegated.ds_ttl_secs = record.ttl;
        }
    }
    delegated.ds.sort();
    Ok(delegated)
}

/// The zone a non-authoritative answer refers to, when it lies between `zone` and `name`.
fn referral(answer: &Message, zone: &Name, name: &Name) -> Option<Name> {
    if answer.metadata.authoritative || !answer.answers.is_empty() {
        return None;
    }
    answer
        .authorities
        .iter()
        .filter(|record| record.record_type() == RecordType::NS)
        .map(|record| record.name.clone())
        .find(|child| zone.zone_of(child) && child != zone && child.zone_of(name))
}

fn address(record: &Record) -> Option<IpAddr> {
    if let RData::A(address) = &record.data {
        Some(IpAddr::V4(address.0))
    } else if let RData::AAAA(address) = &record.data {
        Some(IpAddr::V6(address.0))
    } else {
        None
    }
}

/// Lower case, without the trailing dot; the root is `.`.
fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    if text == "." {
        text
    } else {
        text.trim_end_matches('.').to_owned()
    }
}

/// TC, bit 1 of the third octet (RFC 1035, section 4.1.1): what is missing has to be asked for over TCP,
/// and is not absent.
fn is_truncated(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

/// Asks twice: a datagram, or the start of a connection, may be lost.
async fn over_network(
    server: IpAddr,
    query: &[u8],
    transport: Transport,
) -> Result<Vec<u8>, String> {
    let mut last = String::new();
    for _ in 0..2 {
        let exchange = over(SocketAddr::new(server, 53), query, transport);
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no answer in time".to_owned(),
        }
    }
    Err(last)
}

/// Asks once, without a bound on the time.
async fn over(server: SocketAddr, query: &[u8], transport: Transport) -> std::io::Result<Vec<u8>> {
    match transport {
        Transport::Udp => udp(server, query).await,
        Transport::Tcp => tcp(server, query).await,
    }
}

async fn udp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let local: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; 4_096];
    let len = socket.recv(&mut buffer).await?;
    buffer.truncate(len);
    Ok(buffer)
}

async fn tcp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(query.len()).unwrap_or(u16::MAX);
    stream.write_all(&len.to_be_bytes()).await?;
    stream.write_all(query).await?;
    let len = usize::from(stream.read_u16().await?);
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata;
    use spore_sandbox::dns::RegistrarAction;
    use spore_sandbox::door::{Options, Sandbox};

    const DOMAIN: &str = "spore.example.edu";

    fn name(text: &str) -> Name {
        Name::from_str(text).expect("a name")
    }

    fn record(owner: &str, data: RData) -> Record {
        Record::from_rdata(name(owner), 3_600, data)
    }

    fn sandbox() -> Sandbox {
        Sandbox::open(None, Options::default()).expect("a world")
    }

    #[test]
    fn a_lame_server_says_nothing_about_ds() {
        let domain = name("spore.example.edu.");
        let empty = Message::query();
        assert!(delegated(&domain, &empty, &empty).is_err());
        // One that refers elsewhere, upwards, is as lame.
        let mut upwards = Message::query();
        let root = RData::NS(rdata::NS(name("a.root-servers.net.")));
        upwards.authorities.push(record(".", root));
        assert!(delegated(&domain, &upwards, &upwards).is_err());
        // An empty answer of the zone's own server is an answer, and so is a referral to the zone.
        let mut own = Message::query();
        own.metadata.authoritative = true;
        assert_eq!(delegated(&domain, &own, &own), Ok(Delegated::default()));
        let mut referral = Message::query();
        let server = RData::NS(rdata::NS(name("ns-1.awsdns-00.com.")));
        referral
            .authorities
            .push(record("spore.example.edu.", server));
        let said = delegated(&domain, &referral, &referral).expect("a referral");
        assert_eq!(said.name_servers, ["ns-1.awsdns-00.com"]);
        assert!(said.ds.is_empty());
    }

    #[tokio::test]
    async fn a_server_without_an_address_is_unknown_and_not_left_out() {
        let dns = Dns::new(&Target::Local(sandbox()));
        let mut referral = Message::query();
        for server in ["ns1.example.edu.", "ns.no-such-domain.edu."] {
            let data = RData::NS(rdata::NS(name(server)));
            referral.authorities.push(record("example.edu.", data));
        }
        let glue = RData::A(rdata::A::new(192, 0, 2, 1));
        referral.additionals.push(record("ns1.example.edu.", glue));
        let servers = dns.servers_of(&referral, &name("example.edu."), 0).await;
        let servers = servers.expect("one can be asked");
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[0].address, Ok(IpAddr::from([192, 0, 2, 1])));
        assert!(servers[1].address.is_err());
        // Without any nothing can be asked, and that is said.
        referral.additionals.clear();
        referral.authorities.remove(0);
        let servers = dns.servers_of(&referral, &name("example.edu."), 0).await;
        assert!(servers.expect_err("no server").contains("no-such-domain"));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_a_datagram_is_asked_for_over_tcp() {
        let sandbox = sandbox();
        let records: Vec<String> = (1..=30)
            .map(|tag| format!("{tag} 13 2 {}", "AB".repeat(32)))
            .collect();
        let zone = DOMAIN.to_owned();
        let servers = Some(vec!["ns1.elsewhere.example".to_owned()]);
        for action in [
            RegistrarAction::Delegate {
                zone: zone.clone(),
                name_servers: servers,
            },
            RegistrarAction::Ds {
                zone,
                records: records.clone(),
            },
        ] {
            let done = sandbox.with_world(|world, now| world.registrar(now, action));
            done.expect("stored").expect("the registrar does it");
        }
        let view = Dns::new(&Target::Local(sandbox)).parent(DOMAIN).await;
        let answers = view.all().expect("every server answers");
        assert!(!answers.is_empty());
        for answer in answers {
            assert_eq!(answer.ds.len(), records.len());
        }
    }
}
