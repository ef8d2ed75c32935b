//! The edge of `status`: asks every server of every zone from the root down, and resolvers.
//!
//! It decides nothing: [`crate::status::chain`] judges what the servers answered.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::dnssec::{PublicKeyBuf, TrustAnchors};
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hyper::body::Bytes;

use super::{DEPTH_MAX, is_truncated, referral};
use super::{Dns, ROOT_HINTS, Server, Transport, UDP_PAYLOAD, over, text};
use crate::stack;
use crate::status::chain::{Answers, Asked, Seen, mnemonic};
use crate::status::facts::{Resolved, Resolver, Role, Trouble};
use crate::target::{self, Target};

/// An address at which nothing can answer: TEST-NET-1, for documents only (RFC 5737).
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));
/// How long nobody may take to answer, and a resolver, which has to ask others first.
const NOBODY_TIMEOUT: Duration = Duration::from_millis(1_500);
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(6);
/// Extended DNS errors (RFC 8914, section 2).
const EDE: u16 = 15;

/// What the walk found.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Zones from the root down, the stack's zone last if its parent was reached.
    pub seen: Vec<Seen>,
    /// Why the walk ended before the parent.
    pub cut_short: Option<String>,
    /// The root's trust anchor, or why there is none.
    pub anchors: Result<Vec<PublicKeyBuf>, String>,
    /// Resolvers and views.
    pub resolvers: Vec<Resolver>,
    /// Whether an answer came from an address where nobody is.
    pub nobody_answered: bool,
}

/// A server that resolves for others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// The resolver of a simulated world in this process.
    World,
    /// Over UDP, and TCP where truncated.
    Port(SocketAddr),
    /// Over HTTPS (RFC 8484).
    Https(String),
}

/// One question with its header bits.
struct Question {
    name: Name,
    rtype: RecordType,
    recursion: bool,
    checking_disabled: bool,
}

impl Question {
    fn bytes(&self) -> Result<(Message, Vec<u8>), String> {
        let mut query = Message::query();
        query.metadata.recursion_desired = self.recursion;
        query.metadata.checking_disabled = self.checking_disabled;
        // Asks for the AD bit as well (RFC 6840, section 5.7).
        query.metadata.authentic_data = self.recursion;
        query.add_query(Query::query(self.name.clone(), self.rtype));
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD).set_version(0);
        edns.enable_dnssec();
        query.set_edns(edns);
        let bytes = query.to_vec().map_err(|error| error.to_string())?;
        Ok((query, bytes))
    }
}

impl Dns {
    /// Asks everybody about `domain`. `route53`: the zone's servers as Route 53 has them, which are asked
    /// even where no parent server names them.
    ///
    /// # Errors
    /// When `domain` is no name.
    pub async fn survey(
        &self,
        domain: &str,
        route53: &BTreeSet<String>,
        settings: &stack::Dns,
    ) -> Result<Survey, String> {
        let name = Name::from_str(&format!("{domain}.")).map_err(|error| error.to_string())?;
        let zones = async {
            match settings.transport {
                stack::Transport::Udp => self.zones(&name, route53, Transport::Udp).await,
                stack::Transport::Tcp => self.zones(&name, route53, Transport::Tcp).await,
                // Name servers cannot be reached then, but what they sign can, through resolvers.
                stack::Transport::Https => self.through(&name, &self.written(settings)).await,
            }
        };
        let ((seen, cut_short), anchors, resolvers, nobody_answered) = tokio::join!(
            zones,
            self.anchors(),
            self.resolvers(&name, settings),
            self.somebody_at_nobody(),
        );
        Ok(Survey {
            seen,
            cut_short,
            anchors,
            resolvers,
            nobody_answered,
        })
    }

    /// The root's trust anchor: IANA's, as hickory ships it, or that of the simulated world.
    async fn anchors(&self) -> Result<Vec<PublicKeyBuf>, String> {
        let text = match (&self.target, self.world_url()) {
            (Target::Local(sandbox), _) => {
                sandbox.inspect(|world, _| world.root_anchor().zone_file())
            }
            (Target::Aws { .. } | Target::Served { .. }, Some(url)) => {
                let url = format!("{url}/_spore/root.key");
                let body = target::request("GET", &url, "", Bytes::new()).await?;
                String::from_utf8_lossy(&body).into_owned()
            }
            (Target::Aws { .. } | Target::Served { .. }, None) => {
                let anchors = TrustAnchors::default();
                let keys = (0..anchors.len()).filter_map(|index| anchors.get(index).cloned());
                return Ok(keys.collect());
            }
        };
        // `. TTL IN DNSKEY FLAGS 3 ALGORITHM KEY`
        let record: Vec<&str> = text.split_whitespace().skip(4).collect();
        let key = crate::ds::DnsKey::parse(&record.join(" ")).map_err(|error| error.to_string())?;
        let algorithm = hickory_proto::dnssec::Algorithm::from_u8(key.algorithm());
        Ok(vec![PublicKeyBuf::new(key.bytes().to_vec(), algorithm)])
    }

    /// Base URL of a served world.
    fn world_url(&self) -> Option<String> {
        let base = |dns: &str| {
            dns.trim_end_matches('/')
                .strip_suffix("/_spore/dns")
                .map(str::to_owned)
        };
        match &self.target {
            Target::Local(_)
            | Target::Aws {
                simulated: None, ..
            } => None,
            Target::Served { dns, .. } => base(dns),
            Target::Aws {
                simulated: Some((dns, _)),
                ..
            } => base(dns),
        }
    }

    /// Zones and their servers' answers; why the walk ended early, if it did.
    async fn zones(
        &self,
        domain: &Name,
        route53: &BTreeSet<String>,
        transport: Transport,
    ) -> (Vec<Seen>, Option<String>) {
        let (cuts, cut_short) = self.cuts(domain).await;
        let children = cuts.iter().skip(1).map(|(zone, _)| Some(zone));
        let last = if cut_short.is_none() {
            Some(domain)
        } else {
            None
        };
        let asked =
            cuts.iter()
                .zip(children.chain([last]))
                .map(|((zone, servers), child)| async move {
                    let servers = servers.iter().map(|server| {
                        self.ask_server(server, zone, child, (true, None), transport)
                    });
                    Seen {
                        zone: zone.clone(),
                        servers: join_all(servers).await,
                    }
                });
        let mut seen = join_all(asked).await;
        if cut_short.is_none()
            && let Some(parent) = seen.last()
        {
            let servers = self.servers_below(parent, domain, route53).await;
            let asked = servers.iter().map(|(server, in_parent)| {
                let in_route53 = (!route53.is_empty()).then(|| route53.contains(&server.name));
                self.ask_server(server, domain, None, (*in_parent, in_route53), transport)
            });
            let servers = join_all(asked).await;
            seen.push(Seen {
                zone: domain.clone(),
                servers,
            });
        }
        (seen, cut_short)
    }

    /// Zone cuts from the root to the parent of `domain`, with the servers of each; why the walk ended
    /// early, if it did. A question for DS is answered by the parent's side of a cut (RFC 4035, section
    /// 3.1.4.1).
    pub(super) async fn cuts(&self, domain: &Name) -> (Vec<(Name, Vec<Server>)>, Option<String>) {
        let servers = ROOT_HINTS.iter().map(|(name, address)| Server {
            name: (*name).to_owned(),
            address: Ok(IpAddr::from(*address)),
        });
        let mut cuts = vec![(Name::root(), servers.collect::<Vec<_>>())];
        for _ in 0..DEPTH_MAX {
            let Some((zone, servers)) = cuts.last().cloned() else {
                break;
            };
            let answer = match self.ask_any(&servers, domain, RecordType::DS).await {
                Ok(answer) => answer,
                Err(why) => return (cuts, Some(format!("{}: {why}", text(&zone)))),
            };
            let child = referral(&answer, &zone, domain).filter(|child| child != domain);
            let end = child.as_ref().unwrap_or(domain);
            // Servers that have a zone and its child skip the cut between them (uk and co.uk did). The
            // child may have more servers than those.
            for depth in zone.num_labels() + 1..end.num_labels() {
                let between = domain.trim_to(usize::from(depth));
                let own = match self.apex(&servers, &between).await {
                    Ok(Some(ns)) => self.servers_of(&ns, &between, 0).await,
                    Ok(None) => continue,
                    Err(why) => Err(why),
                };
                match own {
                    Ok(servers) => cuts.push((between, servers)),
                    Err(why) => return (cuts, Some(format!("{}: {why}", text(&between)))),
                }
            }
            let Some(child) = child else {
                return (cuts, None);
            };
            match self.servers_of(&answer, &child, 0).await {
                Ok(servers) => cuts.push((child, servers)),
                Err(why) => return (cuts, Some(why)),
            }
        }
        (
            cuts,
            Some(format!("more than {DEPTH_MAX} zone cuts above {domain}")),
        )
    }

    /// The NS set of a zone between two that these servers have: from the zone itself where they have it as
    /// well, else as they refer to it. None where there is no such zone.
    async fn apex(&self, servers: &[Server], name: &Name) -> Result<Option<Message>, String> {
        let soa = self.ask_any(servers, name, RecordType::SOA).await?;
        let is_soa =
            |record: &Record| record.name == *name && record.record_type() == RecordType::SOA;
        if referral(&soa, &Name::root(), name).is_some_and(|cut| cut == *name) {
            return Ok(Some(soa));
        }
        if !soa.metadata.authoritative || !soa.answers.iter().any(is_soa) {
            return Ok(None);
        }
        self.ask_any(servers, name, RecordType::NS).await.map(Some)
    }

    /// Name servers of the stack's zone: those that parent servers name, and those of Route 53. Each with
    /// whether the parent names it.
    async fn servers_below(
        &self,
        parent: &Seen,
        domain: &Name,
        route53: &BTreeSet<String>,
    ) -> Vec<(Server, bool)> {
        let mut glue = Vec::new();
        let mut named = BTreeSet::new();
        for server in &parent.servers {
            let child = server
                .answers
                .as_ref()
                .ok()
                .and_then(|answers| answers.child.as_ref());
            let Some((Ok(ns), _)) = child else {
                continue;
            };
            for record in ns.answers.iter().chain(&ns.authorities) {
                if let RData::NS(target) = &record.data
                    && record.name == *domain
                {
                    named.insert(text(&target.0));
                }
            }
            glue.extend(ns.additionals.iter().cloned());
        }
        let all: BTreeSet<&String> = named.iter().chain(route53).collect();
        let found = all.into_iter().map(|server| {
            let (glue, named) = (&glue, &named);
            async move {
                let name = Name::from_str(&format!("{server}."));
                let address = match name {
                    Err(error) => Err(error.to_string()),
                    Ok(name) => {
                        let known = glue.iter().filter(|record| record.name == name);
                        let mut addresses: Vec<IpAddr> = known.filter_map(super::address).collect();
                        let mut why = "its name has no address".to_owned();
                        if addresses.is_empty() {
                            match self.addresses(&name, 0).await {
                                Ok(found) => addresses = found,
                                Err(error) => {
                                    why = format!("its address could not be looked up: {error}");
                                }
                            }
                        }
                        addresses.sort_by_key(IpAddr::is_ipv6);
                        addresses.first().copied().ok_or(why)
                    }
                };
                let is_named = named.contains(server);
                let name = server.clone();
                (Server { name, address }, is_named)
            }
        });
        join_all(found).await
    }

    async fn ask_server(
        &self,
        server: &Server,
        zone: &Name,
        child: Option<&Name>,
        (in_parent, in_route53): (bool, Option<bool>),
        transport: Transport,
    ) -> Asked {
        let answers = match &server.address {
            Err(why) => Err(Trouble::NoAddress(why.clone())),
            Ok(address) => {
                let one = |name: &Name, rtype| self.put(*address, name.clone(), rtype, transport);
                let below = async {
                    match child {
                        None => None,
                        Some(child) => Some(tokio::join!(
                            one(child, RecordType::NS),
                            one(child, RecordType::DS)
                        )),
                    }
                };
                let (soa, ns, dnskey, child) = tokio::join!(
                    one(zone, RecordType::SOA),
                    one(zone, RecordType::NS),
                    one(zone, RecordType::DNSKEY),
                    below,
                );
                Ok(Answers {
                    soa,
                    ns,
                    dnskey,
                    child,
                })
            }
        };
        Asked {
            name: server.name.clone(),
            address: server.address.as_ref().ok().copied(),
            in_parent,
            in_route53,
            is_resolver: false,
            answers,
        }
    }

    /// The same through resolvers that are told not to validate (CD): each stands in the place of the
    /// servers of every zone.
    async fn through(
        &self,
        domain: &Name,
        resolvers: &[(String, Result<Way, String>)],
    ) -> (Vec<Seen>, Option<String>) {
        let labels = usize::from(domain.num_labels());
        let names: Vec<Name> = (0..=labels).map(|depth| domain.trim_to(depth)).collect();
        let ask = |way: &Result<Way, String>, name: &Name, rtype| {
            let way = way.clone();
            let question = Question {
                name: name.clone(),
                rtype,
                recursion: true,
                checking_disabled: true,
            };
            async move {
                let answer = match &way {
                    Ok(way) => self.ask_way(way, &question).await,
                    Err(why) => Err(why.clone()),
                };
                answer.map_err(Trouble::Silent)
            }
        };
        let soas = names.iter().map(|name| {
            join_all(
                resolvers
                    .iter()
                    .map(|(_, way)| ask(way, name, RecordType::SOA)),
            )
        });
        let soas = join_all(soas).await;
        if let Some(why) = soas.first().and_then(|of_root| {
            of_root
                .iter()
                .all(Result::is_err)
                .then(|| of_root.iter().find_map(|one| one.as_ref().err()))
        }) {
            let why = why.map_or("no resolver is named".to_owned(), Trouble::words);
            return (Vec::new(), Some(format!("no resolver answers: {why}")));
        }
        let is_apex = |name: &Name, answers: &[Result<Message, Trouble>]| {
            let mut records = answers.iter().flatten().flat_map(|answer| &answer.answers);
            name == domain
                || records
                    .any(|record| record.name == *name && record.record_type() == RecordType::SOA)
        };
        let zones: Vec<(&Name, Vec<Result<Message, Trouble>>)> = names
            .iter()
            .zip(soas)
            .filter(|(name, answers)| is_apex(name, answers))
            .collect();
        let below = zones.iter().skip(1).map(|(name, _)| Some((*name).clone()));
        let below: Vec<Option<Name>> = below.chain([None]).collect();
        let seen = zones
            .into_iter()
            .zip(below)
            .map(|((zone, soas), child)| async move {
                let servers = resolvers.iter().zip(soas).map(|((name, way), soa)| {
                    let child = child.clone();
                    async move {
                        let below = async {
                            match &child {
                                None => None,
                                Some(child) => Some(tokio::join!(
                                    ask(way, child, RecordType::NS),
                                    ask(way, child, RecordType::DS)
                                )),
                            }
                        };
                        let (ns, dnskey, child) = tokio::join!(
                            ask(way, zone, RecordType::NS),
                            ask(way, zone, RecordType::DNSKEY),
                            below
                        );
                        Asked {
                            name: name.clone(),
                            address: None,
                            in_parent: true,
                            in_route53: None,
                            is_resolver: true,
                            answers: Ok(Answers {
                                soa,
                                ns,
                                dnskey,
                                child,
                            }),
                        }
                    }
                });
                Seen {
                    zone: zone.clone(),
                    servers: join_all(servers).await,
                }
            });
        (join_all(seen).await, None)
    }

    /// The document's resolvers.
    fn written(&self, settings: &stack::Dns) -> Vec<(String, Result<Way, String>)> {
        settings
            .resolvers
            .iter()
            .map(|resolver| self.way(resolver))
            .collect()
    }

    fn way(&self, resolver: &stack::Resolver) -> (String, Result<Way, String>) {
        let (name, way) = match resolver {
            stack::Resolver::Address(address) => (address.to_string(), Way::Port(*address)),
            stack::Resolver::Https(url) => (url.clone(), Way::Https(url.clone())),
        };
        (name, self.allowed(way))
    }

    /// One question to an authoritative server; whatever it answers counts.
    async fn put(
        &self,
        server: IpAddr,
        name: Name,
        rtype: RecordType,
        transport: Transport,
    ) -> Result<Message, Trouble> {
        let question = Question {
            name,
            rtype,
            recursion: false,
            checking_disabled: false,
        };
        let (query, bytes) = question.bytes().map_err(Trouble::Failing)?;
        let mut answer = self
            .exchange(server, &bytes, transport)
            .await
            .map_err(Trouble::Silent)?;
        if is_truncated(&answer) {
            let whole = self.exchange(server, &bytes, Transport::Tcp).await;
            answer =
                whole.map_err(|why| Trouble::Failing(format!("truncated, and over TCP: {why}")))?;
        }
        fitting(&query, &answer).map_err(Trouble::Failing)
    }

    /// Whether an answer comes from an address where nobody is. Only on real networks.
    async fn somebody_at_nobody(&self) -> bool {
        let Target::Aws {
            simulated: None, ..
        } = &self.target
        else {
            return false;
        };
        let question = Question {
            name: Name::root(),
            rtype: RecordType::SOA,
            recursion: true,
            checking_disabled: false,
        };
        let Ok((query, bytes)) = question.bytes() else {
            return false;
        };
        let to = SocketAddr::new(NOBODY, 53);
        let asked = over(to, &bytes, Transport::Udp);
        match tokio::time::timeout(NOBODY_TIMEOUT, asked).await {
            Ok(Ok(answer)) => fitting(&query, &answer).is_ok(),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn resolvers(&self, domain: &Name, settings: &stack::Dns) -> Vec<Resolver> {
        let mut all: Vec<(String, Role, Result<Way, String>)> = Vec::new();
        let written = [
            (&settings.resolvers, Role::Resolver),
            (&settings.also_check, Role::View),
        ];
        for (list, role) in written {
            all.extend(list.iter().map(|resolver| {
                let (name, way) = self.way(resolver);
                (name, role, way)
            }));
        }
        if settings.resolvers.is_empty() {
            let system = self.system_resolvers().await;
            all.extend(
                system
                    .into_iter()
                    .map(|(name, way)| (name, Role::Resolver, Ok(way))),
            );
        }
        let asked = all.into_iter().map(|(name, role, way)| async move {
            let answer = match way {
                Ok(way) => self.resolved(&way, domain).await,
                Err(why) => Err(why),
            };
            Resolver { name, role, answer }
        });
        join_all(asked).await
    }

    /// A simulated world is asked about on this machine only: nothing of it is on the network.
    fn allowed(&self, way: Way) -> Result<Way, String> {
        let is_simulated = !matches!(
            self.target,
            Target::Aws {
                simulated: None,
                ..
            }
        );
        let is_here = match &way {
            Way::World => true,
            Way::Port(address) => address.ip().is_loopback(),
            Way::Https(_) => false,
        };
        if is_simulated && !is_here {
            Err("not asked: it knows nothing of the simulated world".into())
        } else {
            Ok(way)
        }
    }

    async fn system_resolvers(&self) -> Vec<(String, Way)> {
        if let Target::Local(_) = &self.target {
            return vec![("the sandbox's".to_owned(), Way::World)];
        }
        if let Some(url) = self.world_url() {
            let url = format!("{url}/_spore/info");
            let info = target::request("GET", &url, "", Bytes::new()).await.ok();
            let info =
                info.and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok());
            let port = info.and_then(|info| info.get("resolver")?.as_str()?.parse().ok());
            return port
                .map(|port: SocketAddr| (format!("the sandbox's, {port}"), Way::Port(port)))
                .into_iter()
                .collect();
        }
        // resolv.conf(5): at most three are used.
        let text = tokio::task::spawn_blocking(|| std::fs::read_to_string("/etc/resolv.conf"));
        let text = text.await.ok().and_then(Result::ok).unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                line.strip_prefix("nameserver")?
                    .trim()
                    .parse::<IpAddr>()
                    .ok()
            })
            .take(3)
            .map(|address| {
                let way = Way::Port(SocketAddr::new(address, 53));
                (format!("this system's, {address}"), way)
            })
            .collect()
    }

    async fn resolved(&self, way: &Way, domain: &Name) -> Result<Resolved, String> {
        let ask = |name: &Name, rtype, checking_disabled| {
            let question = Question {
                name: name.clone(),
                rtype,
                recursion: true,
                checking_disabled,
            };
            async move { self.ask_way(way, &question).await }
        };
        let root = Name::root();
        let (soa, keys, root) = tokio::join!(
            ask(domain, RecordType::SOA, false),
            ask(domain, RecordType::DNSKEY, true),
            ask(&root, RecordType::SOA, false),
        );
        let soa = soa?;
        let code = soa.metadata.response_code;
        let unchecked = if code == hickory_proto::op::ResponseCode::ServFail {
            ask(domain, RecordType::SOA, true).await.ok()
        } else {
            None
        };
        Ok(Resolved {
            code: mnemonic(code),
            has_data: soa
                .answers
                .iter()
                .any(|record| record.name == *domain && record.record_type() == RecordType::SOA),
            authentic: soa.metadata.authentic_data,
            code_unchecked: unchecked.map(|answer| mnemonic(answer.metadata.response_code)),
            extended: extended(&soa),
            validates: root.ok().map(|answer| answer.metadata.authentic_data),
            key_tags: keys.ok().filter(is_told).map(|answer| {
                super::rrset::dnskeys(&answer.answers, domain)
                    .filter_map(|key| key.calculate_key_tag().ok())
                    .collect()
            }),
        })
    }

    async fn ask_way(&self, way: &Way, question: &Question) -> Result<Message, String> {
        let (query, bytes) = question.bytes()?;
        let answer = match way {
            Way::World => {
                let Target::Local(sandbox) = &self.target else {
                    return Err("there is no simulated world in this process".into());
                };
                let stream = spore_sandbox::dns::Transport::Stream;
                sandbox.resolve(&bytes, stream).ok_or("no answer")?
            }
            Way::Port(address) => {
                let asked = async {
                    let answer = over(*address, &bytes, Transport::Udp).await?;
                    if is_truncated(&answer) {
                        over(*address, &bytes, Transport::Tcp).await
                    } else {
                        Ok(answer)
                    }
                };
                let answer = tokio::time::timeout(RESOLVER_TIMEOUT, asked).await;
                answer
                    .map_err(|_| "no answer in time".to_owned())?
                    .map_err(|error| error.to_string())?
            }
            Way::Https(url) => {
                let asked = super::https::exchange(url, &bytes);
                let answer = tokio::time::timeout(RESOLVER_TIMEOUT, asked).await;
                answer.map_err(|_| "no answer in time".to_owned())??
            }
        };
        fitting(&query, &answer)
    }
}

/// The answer, if it is to this question.
fn fitting(query: &Message, answer: &[u8]) -> Result<Message, String> {
    let answer = Message::from_vec(answer).map_err(|error| error.to_string())?;
    if answer.metadata.id == query.metadata.id && answer.queries == query.queries {
        Ok(answer)
    } else {
        Err("the answer is not to our question".into())
    }
}

/// Whether an answer says which records there are; an error says nothing of them.
fn is_told(answer: &Message) -> bool {
    use hickory_proto::op::ResponseCode::{NXDomain, NoError};
    matches!(answer.metadata.response_code, NoError | NXDomain)
}

/// Extended DNS errors of an answer: two octets of code, then text (RFC 8914, section 2).
fn extended(answer: &Message) -> Vec<(u16, String)> {
    let options = answer.edns.iter().flat_map(|edns| &edns.options().options);
    options
        .filter_map(|(_, option)| {
            let hickory_proto::rr::rdata::opt::EdnsOption::Unknown(EDE, data) = option else {
                return None;
            };
            let (code, text) = data.split_first_chunk::<2>()?;
            let text = String::from_utf8_lossy(text)
                .trim_end_matches('\0')
                .to_owned();
            Some((u16::from_be_bytes(*code), text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::chain;
    use crate::status::facts::{Verdict, Zone};
    use spore_sandbox::dns::RegistrarAction;
    use spore_sandbox::door::{Options, Sandbox};

    const ZONE: &str = "example.edu";

    fn world() -> Sandbox {
        Sandbox::open(None, Options::default()).expect("a world")
    }

    fn name(text: &str) -> Name {
        Name::from_str(text).expect("a name")
    }

    async fn judged(sandbox: &Sandbox, seen: &[Seen]) -> Vec<Zone> {
        let anchors = Dns::new(&Target::Local(sandbox.clone())).anchors().await;
        chain::judge(seen, &anchors.expect("the world has one"), sandbox.now())
    }

    async fn by_servers(sandbox: &Sandbox) -> Vec<Zone> {
        let dns = Dns::new(&Target::Local(sandbox.clone()));
        let route53 = BTreeSet::new();
        let (seen, cut_short) = dns
            .zones(&name("example.edu."), &route53, Transport::Udp)
            .await;
        assert_eq!(cut_short, None);
        judged(sandbox, &seen).await
    }

    async fn by_resolver(sandbox: &Sandbox) -> Vec<Zone> {
        let dns = Dns::new(&Target::Local(sandbox.clone()));
        let resolvers = [("resolver".to_owned(), Ok(Way::World))];
        let (seen, cut_short) = dns.through(&name("example.edu."), &resolvers).await;
        assert_eq!(cut_short, None);
        judged(sandbox, &seen).await
    }

    fn words(zones: &[Zone]) -> Vec<(&str, &str)> {
        let word = |zone: &'_ Zone| zone.verdict.word();
        zones
            .iter()
            .map(|zone| (zone.name.as_str(), word(zone)))
            .collect()
    }

    #[tokio::test]
    async fn servers_and_resolvers_lead_to_the_same_verdicts() {
        let sandbox = world();
        let secure = [(".", "secure"), ("edu", "secure"), (ZONE, "secure")];
        assert_eq!(words(&by_servers(&sandbox).await), secure);
        assert_eq!(words(&by_resolver(&sandbox).await), secure);

        let action = RegistrarAction::Signing {
            zone: ZONE.to_owned(),
            signed: false,
        };
        let done = sandbox.with_world(|world, now| world.registrar(now, action));
        done.expect("stored").expect("the registrar does it");
        let insecure = [(".", "secure"), ("edu", "secure"), (ZONE, "insecure")];
        assert_eq!(words(&by_servers(&sandbox).await), insecure);
        assert_eq!(words(&by_resolver(&sandbox).await), insecure);
    }

    #[tokio::test]
    async fn a_tampered_record_is_bogus_and_so_is_everything_below() {
        let sandbox = world();
        let tld = spore_sandbox::dns::DnsName::parse("edu").expect("a name");
        let done = sandbox.with_world(|world, _| world.tamper(&tld, "DNSKEY", true));
        done.expect("stored");
        let bogus = [(".", "secure"), ("edu", "bogus"), (ZONE, "bogus")];
        assert_eq!(words(&by_servers(&sandbox).await), bogus);
        assert_eq!(words(&by_resolver(&sandbox).await), bogus);
    }

    /// The keys of another root prove nothing.
    #[tokio::test]
    async fn without_the_right_anchor_nothing_is_secure() {
        let sandbox = world();
        let dns = Dns::new(&Target::Local(sandbox.clone()));
        let (seen, _) = dns
            .zones(&name("example.edu."), &BTreeSet::new(), Transport::Udp)
            .await;
        let anchors = TrustAnchors::default();
        let iana: Vec<PublicKeyBuf> = anchors.get(0).cloned().into_iter().collect();
        let zones = chain::judge(&seen, &iana, sandbox.now());
        assert!(
            zones
                .iter()
                .all(|zone| matches!(zone.verdict, Verdict::Bogus(_))),
            "{zones:#?}"
        );
    }
}
