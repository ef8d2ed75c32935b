//! Whether name servers speak for a zone: asked directly, each of them, before anybody is told to
//! delegate to them.

use std::str::FromStr as _;

use hickory_proto::rr::{Name, RecordType};

use super::Dns;

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
}
