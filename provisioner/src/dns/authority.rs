//! Whether name servers speak for a zone, and show what was changed in it: asked directly, each of them,
//! before anybody is told to delegate to them, and before anything is counted from the change.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};
use jiff::Timestamp;

use super::{Dns, rrset};
use crate::condition::{Served, Shown};
use crate::snapshot::Theirs;

/// What former servers are asked for at the zone's name: what most zones have there, and the keys of a signed one.
const THEIR_TYPES: [RecordType; 7] = [
    RecordType::NS,
    RecordType::SOA,
    RecordType::DNSKEY,
    RecordType::A,
    RecordType::AAAA,
    RecordType::MX,
    RecordType::TXT,
];

impl Dns {
    /// Whether every given name server answers for `domain` with authority; the error says which does not.
    ///
    /// # Errors
    /// The first server that has no address, does not answer, or answers for something else.
    pub async fn speaks_for(&self, domain: &str, name_servers: &[String]) -> Result<(), String> {
        let apex = Name::from_str(&format!("{domain}.")).map_err(|error| error.to_string())?;
        if name_servers.is_empty() {
            return Err("the zone shows no name servers".into());
        }
        let checks = name_servers.iter().map(|server| {
            let apex = apex.clone();
            async move {
                let name =
                    Name::from_str(&format!("{server}.")).map_err(|error| error.to_string())?;
                let address = self.addresses(&name, 0).await?.into_iter().next();
                let address = address.ok_or_else(|| format!("{server} has no address"))?;
                let answer = self
                    .ask(address, &apex, RecordType::SOA)
                    .await
                    .map_err(|why| format!("{server} ({address}): {why}"))?;
                let is_soa = |record: &hickory_proto::rr::Record| {
                    record.name == apex && record.record_type() == RecordType::SOA
                };
                if answer.metadata.authoritative && answer.answers.iter().any(is_soa) {
                    Ok(())
                } else {
                    Err(format!(
                        "{server} ({address}) does not answer for {domain} yet"
                    ))
                }
            }
        });
        for check in futures_util::future::join_all(checks).await {
            check?;
        }
        Ok(())
    }

    /// Whether every given name server shows it; the error says which does not, or which did not say.
    ///
    /// # Errors
    /// The first server that has no address, does not answer, or still answers as before.
    pub async fn shows(&self, served: &Served, now: Timestamp) -> Result<(), String> {
        let servers = &served.name_servers;
        if servers.is_empty() {
            return Err("the zone shows no name servers".into());
        }
        let checks = servers.iter().map(|server| async move {
            match &served.shows {
                Shown::Signed { domain } => self.signs(server, domain, now).await,
                Shown::Ttl {
                    name,
                    rtype,
                    secs_max,
                } => self.has_ttl(server, name, rtype, *secs_max).await,
            }
        });
        let checks = futures_util::future::join_all(checks).await;
        checks.into_iter().collect()
    }

    /// The largest TTLs with which servers answer for `domain` that are not the zone's own; none where there are no such
    /// servers, or each of them says that it has no such zone: a resolver that asks those gets nothing. Who does not
    /// answer may do so again.
    pub async fn theirs(&self, domain: &str, name_servers: &BTreeSet<String>) -> Option<Theirs> {
        let apex = Name::from_str(&format!("{domain}.")).ok()?;
        let asked = name_servers
            .iter()
            .map(|server| self.of_server(server, &apex));
        let answers = futures_util::future::join_all(asked).await;
        answers.into_iter().flatten().reduce(|a, b| Theirs {
            ns_ttl_secs: a.ns_ttl_secs.max(b.ns_ttl_secs),
            ttl_secs: a.ttl_secs.max(b.ttl_secs),
        })
    }

    async fn of_server(&self, server: &str, apex: &Name) -> Option<Theirs> {
        let unknown = Some(Theirs::default());
        let Ok(name) = Name::from_str(&format!("{server}.")) else {
            return unknown;
        };
        let address = match self.addresses(&name, 0).await {
            Ok(addresses) => addresses.into_iter().next()?,
            Err(_) => return unknown,
        };
        let asked = THEIR_TYPES
            .iter()
            .map(|rtype| self.reply(address, apex, *rtype));
        let mut found = None;
        for reply in futures_util::future::join_all(asked).await {
            let Ok(reply) = reply else {
                found = found.or(unknown);
                continue;
            };
            let code = reply.metadata.response_code;
            let has_none = code == ResponseCode::Refused
                || code == ResponseCode::NotAuth
                || code == ResponseCode::NoError && !reply.metadata.authoritative;
            if has_none {
                continue;
            }
            let theirs = found.get_or_insert(Theirs::default());
            let records = reply.answers.iter().chain(&reply.authorities);
            for record in records.filter(|record| record.name == *apex) {
                let rtype = record.record_type();
                // A signature has the TTL of what it signs, which comes with it.
                if rtype == RecordType::RRSIG {
                    continue;
                }
                let ttl = if rtype == RecordType::NS {
                    &mut theirs.ns_ttl_secs
                } else {
                    &mut theirs.ttl_secs
                };
                *ttl = (*ttl).max(Some(record.ttl));
            }
        }
        found
    }

    async fn signs(&self, server: &str, domain: &str, now: Timestamp) -> Result<(), String> {
        let apex = Name::from_str(&format!("{domain}.")).map_err(|error| error.to_string())?;
        let answer = self.apex_at(server, &apex, RecordType::DNSKEY).await?;
        let keys = rrset::Keys {
            zone: apex.clone(),
            keys: rrset::dnskeys(&answer.answers, &apex).cloned().collect(),
        };
        if keys.keys.is_empty() {
            return Err(format!("{server} does not serve a DNSKEY yet"));
        }
        rrset::verify(&keys, &answer.answers, &apex, RecordType::DNSKEY, now)
            .map_err(|why| format!("{server} serves a DNSKEY, but {why}"))?;
        let proven = self.proves(server, &keys, now).await;
        proven.map_err(|why| why.to_string())
    }

    /// A server that has no such records, or answers with a referral, holds nobody's old answer.
    async fn has_ttl(
        &self,
        server: &str,
        name: &str,
        rtype: &str,
        secs_max: u32,
    ) -> Result<(), String> {
        let parse = |name: &str| Name::from_str(name).map_err(|error| error.to_string());
        let (owner, of_server) = (parse(name)?, parse(&format!("{server}."))?);
        let of_type = RecordType::from_str(rtype).map_err(|error| error.to_string())?;
        let address = self.addresses(&of_server, 0).await?.into_iter().next();
        let address = address.ok_or_else(|| format!("{server} has no address"))?;
        let answer = self.ask(address, &owner, of_type).await;
        let answer = answer.map_err(|why| format!("{server} ({address}): {why}"))?;
        let is_it = |record: &&Record| record.name == owner && record.record_type() == of_type;
        let found = answer.answers.iter().chain(&answer.authorities);
        match found.filter(is_it).map(|record| record.ttl).max() {
            Some(ttl) if ttl > secs_max => Err(format!(
                "{server} ({address}) still answers {name} {rtype} with a TTL of {ttl} s"
            )),
            Some(_) | None => Ok(()),
        }
    }
}
