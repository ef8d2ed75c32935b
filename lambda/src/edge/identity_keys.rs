//! The keys that a simulated AWS signs identity documents with. Only `sandbox serve` gives their address,
//! in SPORE_SANDBOX_IDENTITY_KEYS, and it counts only where AWS itself is an address of this machine: which
//! keys the real EC2 signs with is part of the program, and nothing around it can add one.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ::http::{Request, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::endpoint::is_plain_loopback;
use crate::proof::{KeyType, Keys};
use crate::protocol::Region;

/// The sandbox makes keys of a region when they are first asked for, which takes a second.
const ANSWER: Duration = Duration::from_secs(10);

/// Two keys of some 400 bytes for each region.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where the keys are asked for.
pub struct IdentityKeys {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

/// Why there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKeys {
    /// Of another form, or elsewhere.
    #[error("SPORE_SANDBOX_IDENTITY_KEYS is not an http URL of this machine")]
    Url,
    /// No answer, or not one of the sandbox.
    #[error("SPORE_SANDBOX_IDENTITY_KEYS: no keys are answered there")]
    Unanswered,
}

/// Of a region: each a DER SubjectPublicKeyInfo in base64.
#[derive(Deserialize)]
struct Published {
    rsa1024: String,
    rsa2048: String,
}

impl IdentityKeys {
    /// Those of the simulated AWS at an endpoint; none where that is not on this machine, or where no
    /// address of keys is given.
    ///
    /// # Errors
    /// When the keys' address is none of this machine.
    pub fn of(endpoint: Option<&str>, url: Option<&str>) -> Result<Option<Self>, NoKeys> {
        let (Some(endpoint), Some(url)) = (endpoint, url) else {
            return Ok(None);
        };
        let is_simulated = endpoint
            .parse()
            .is_ok_and(|endpoint: Uri| is_plain_loopback(&endpoint));
        if !is_simulated {
            return Ok(None);
        }
        let uri: Uri = url.parse().map_err(|_| NoKeys::Url)?;
        if !is_plain_loopback(&uri) {
            return Err(NoKeys::Url);
        }
        Ok(Some(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            uri,
        }))
    }

    /// The keys of all regions where there are instances now, in the place of AWS's.
    ///
    /// # Errors
    /// When they are not answered.
    pub async fn fetch(&self) -> Result<Keys, NoKeys> {
        let answered = tokio::time::timeout(ANSWER, self.answer()).await;
        let body = answered.ok().flatten().ok_or(NoKeys::Unanswered)?;
        read(&body).ok_or(NoKeys::Unanswered)
    }

    async fn answer(&self) -> Option<Bytes> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = self.uri.clone();
        let answer = self.client.request(request).await.ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        Some(body.collect().await.ok()?.to_bytes())
    }
}

fn read(body: &[u8]) -> Option<Keys> {
    let regions: BTreeMap<String, Published> = serde_json::from_slice(body).ok()?;
    let mut keys = Keys::aws();
    for (region, published) in regions {
        let region = Region::named(&region)?;
        for (of, text) in [
            (KeyType::Signature, published.rsa1024),
            (KeyType::Rsa2048, published.rsa2048),
        ] {
            let spki = STANDARD.decode(text).ok()?;
            keys = keys.with(region, of, &spki).ok()?;
        }
    }
    Some(keys)
}

impl fmt::Debug for IdentityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityKeys")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}
