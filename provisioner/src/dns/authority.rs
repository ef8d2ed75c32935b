//! Whether name servers speak for a zone, and show what was changed in it: asked directly, each of them,
//! before anybody is told to delegate to them, and before anything is counted from the change.

use std::str::FromStr as _;

use hickory_proto::rr::{Name, Record, RecordType};
use jiff::Timestamp;

use super::{Dns, rrset};
use crate::condition::{Served, Shown};

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

    async fn signs(&self, server: &str, domain: &str, now: Timestamp) -> Result<(), String> {
        let apex = Name::from_str(&format!("{domain}.")).map_err(|error| error.to_string())?;
        let answer = self.dnskeys_at(server, &apex).await?;
        let keys = rrset::Keys {
            zone: apex.clone(),
            keys: rrset::dnskeys(&answer.answers, &apex).cloned().collect(),
        };
        if keys.keys.is_empty() {
            return Err(format!("{server} does not serve a DNSKEY yet"));
        }
        rrset::verify(&keys, &answer.answers, &apex, RecordType::DNSKEY, now)
            .map_err(|why| format!("{server} serves a DNSKEY, but {why}"))
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
