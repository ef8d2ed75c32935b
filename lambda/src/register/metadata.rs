//! What the instance's metadata says of it (EC2 User Guide, "Instance metadata categories"), by version 2
//! of its service only: a token first, which no forwarded request gets.
//!
//! A category that is not there is 404 and means that the instance has none. Any other answer, and
//! none, means that nothing is known.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::protocol::Region;
use crate::protocol::sigv4::Credentials;

use super::config::Family;
use super::endpoint::Endpoints;
use super::http::{Ask, Http, Lost, Via};
use super::trouble::NoInstance;

/// For one pass over the metadata.
const TOKEN_SECS: &str = "60";

/// The service is on the same host.
const ANSWER: Duration = Duration::from_secs(2);

/// How often one thing is asked for: the service drops packets when it is asked much at once (EC2 User
/// Guide, "Query throttling").
const TRIES: usize = 3;

const TOKEN: &str = "api/token";
const IDENTITY: &str = "meta-data/identity-credentials/ec2/security-credentials/ec2-instance";
const INSTANCE_ID: &str = "meta-data/instance-id";
const REGION: &str = "meta-data/placement/region";
const TAGS: &str = "meta-data/tags/instance";
const TAG_NAME: &str = "meta-data/tags/instance/Name";

/// The metadata, for a minute.
#[derive(Debug)]
pub(super) struct Metadata<'a> {
    http: &'a Http,
    endpoints: &'a Endpoints,
    token: Token,
    ahead: SignedDuration,
}

/// Never shown.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What the tag `Name` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NameTag {
    /// Metadata shows no tags at all.
    Off,
    /// There is no such tag.
    None,
    /// This.
    Is(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    code: String,
    access_key_id: String,
    secret_access_key: String,
    token: String,
}

impl<'a> Metadata<'a> {
    /// Asks for a token.
    pub(super) async fn open(http: &'a Http, endpoints: &'a Endpoints) -> Result<Self, NoInstance> {
        let mut last = NoInstance::HopLimit;
        for _ in 0..TRIES {
            let sent = http
                .send(Ask {
                    via: Via::Here,
                    method: Method::PUT,
                    uri: endpoints.metadata(TOKEN).ok_or(NoInstance::Form("path"))?,
                    headers: &[("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECS)],
                    body: String::new(),
                    within: ANSWER,
                })
                .await;
            let answer = match sent {
                Ok(answer) => answer,
                // A connection is made, so something is there: what does not arrive is the answer.
                Err(Lost::Silent(_)) => {
                    last = NoInstance::HopLimit;
                    continue;
                }
                Err(lost) => {
                    last = NoInstance::Unreached(lost.to_string());
                    continue;
                }
            };
            return match answer.status {
                200 => {
                    let token = text(&answer.body).ok_or(NoInstance::Form("token"))?;
                    Ok(Self {
                        http,
                        endpoints,
                        token: Token(token),
                        ahead: ahead(endpoints, answer.date()),
                    })
                }
                403 => Err(NoInstance::Off),
                status => Err(NoInstance::Unusual {
                    status,
                    path: TOKEN,
                }),
            };
        }
        Err(last)
    }

    /// The time: this machine's, and in a simulated world that world's.
    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.ahead).unwrap_or(now)
    }

    /// Which instance it is, as the metadata says: to tell its own disk from a copy. It proves nothing.
    pub(super) async fn instance_id(&self) -> Result<String, NoInstance> {
        let id = self.read(INSTANCE_ID).await?;
        id.ok_or(NoInstance::Form("instance id"))
    }

    /// Where the instance is.
    pub(super) async fn region(&self) -> Result<Region, NoInstance> {
        let name = self.read(REGION).await?.ok_or(NoInstance::Form("region"))?;
        Region::named(&name).ok_or(NoInstance::Region(name))
    }

    /// Credentials of the identity role. Metadata replaces them before they end, so they are read
    /// whenever they are needed.
    pub(super) async fn credentials(&self) -> Result<Credentials, NoInstance> {
        let text = self.read(IDENTITY).await?.ok_or(NoInstance::NoIdentity)?;
        // What is wrong with the text is not told: it holds a secret.
        let given: Given =
            serde_json::from_str(&text).map_err(|_| NoInstance::Form("credentials"))?;
        if given.code != "Success" {
            return Err(NoInstance::Form("credentials"));
        }
        Ok(Credentials {
            access_key_id: given.access_key_id,
            secret: given.secret_access_key,
            token: Some(given.token),
        })
    }

    /// The tag `Name`.
    pub(super) async fn name_tag(&self) -> Result<NameTag, NoInstance> {
        if self.read(TAGS).await?.is_none() {
            return Ok(NameTag::Off);
        }
        let name = self.read(TAG_NAME).await?;
        Ok(name.map_or(NameTag::None, NameTag::Is))
    }

    /// The addresses of these families, as far as the instance has them.
    pub(super) async fn addresses(&self, families: &[Family]) -> Result<Vec<IpAddr>, NoInstance> {
        let mut found = Vec::new();
        for family in families {
            let path = match family {
                Family::PublicV4 => "meta-data/public-ipv4",
                Family::PrivateV4 => "meta-data/local-ipv4",
                Family::V6 => "meta-data/ipv6",
            };
            let Some(text) = self.read(path).await? else {
                continue;
            };
            let address: IpAddr = text.parse().map_err(|_| NoInstance::Form("address"))?;
            if address.is_ipv6() != (*family == Family::V6) {
                return Err(NoInstance::Form("address of that family"));
            }
            found.push(address);
        }
        Ok(found)
    }

    /// What a category says; none if there is none.
    async fn read(&self, path: &'static str) -> Result<Option<String>, NoInstance> {
        let uri = self.endpoints.metadata(path);
        let uri = uri.ok_or(NoInstance::Form("path"))?;
        let mut why = String::new();
        for _ in 0..TRIES {
            let sent = self
                .http
                .send(Ask {
                    via: Via::Here,
                    method: Method::GET,
                    uri: uri.clone(),
                    headers: &[("x-aws-ec2-metadata-token", &self.token.0)],
                    body: String::new(),
                    within: ANSWER,
                })
                .await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(lost) => {
                    why = lost.to_string();
                    continue;
                }
            };
            return match answer.status {
                200 => Ok(Some(text(&answer.body).ok_or(NoInstance::Form("text"))?)),
                404 => Ok(None),
                status => Err(NoInstance::Unusual { status, path }),
            };
        }
        Err(NoInstance::Lost { path, why })
    }
}

fn text(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// How far a simulated world's clock is ahead of this machine's. On a real instance the clock is the
/// machine's own business, whatever metadata says.
fn ahead(endpoints: &Endpoints, date: Option<Timestamp>) -> SignedDuration {
    match date.filter(|_| endpoints.is_simulated()) {
        Some(date) => date.duration_since(Timestamp::now()),
        None => SignedDuration::ZERO,
    }
}
