//! Where the calls go: AWS, an emulator, a simulated world in this process or one that is served.
//! Resolved once, from flags and environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::SignedDuration;
use spore_sandbox::door::{OpenError, Options, Sandbox};
use spore_sandbox::store::StoreError;

use crate::clock::Clock;

/// How long to wait for another command that uses the same sandbox folder.
const FOLDER_WAIT: Duration = Duration::from_secs(30);

/// Where the calls go.
#[derive(Debug, Clone)]
pub enum Target {
    /// What the AWS SDK's own configuration says; `simulated` when that is a sandbox server.
    Aws {
        /// Base URL of what stands in AWS's place, where the configuration names one for all services.
        endpoint: Option<String>,
        /// Address of the simulated name servers, and how far the world is ahead of the host.
        simulated: Option<(String, SignedDuration)>,
    },
    /// A simulated world in this process.
    Local(Sandbox),
    /// The server that holds the sandbox folder.
    Served {
        /// Base URL.
        url: String,
        /// Base URL of the simulated name servers.
        dns: String,
        /// How far the world is ahead of the host.
        offset: SignedDuration,
    },
}

impl Target {
    /// The clock that goes with it.
    pub fn clock(&self) -> Clock {
        match self {
            Target::Local(sandbox) => Clock::World(sandbox.clone()),
            Target::Served { offset, .. } => Clock::Host { offset: *offset },
            Target::Aws { simulated, .. } => Clock::Host {
                offset: simulated
                    .as_ref()
                    .map_or(SignedDuration::ZERO, |(_, offset)| *offset),
            },
        }
    }

    /// A few words for headings.
    pub fn words(&self) -> String {
        match self {
            Target::Aws { endpoint: None, .. } => "AWS".into(),
            Target::Aws {
                endpoint: Some(url),
                simulated: None,
            } => format!("in AWS's place: {url}"),
            Target::Aws {
                endpoint: Some(url),
                simulated: Some(_),
            } => format!("simulated AWS at {url}"),
            Target::Local(_) => "sandbox".into(),
            Target::Served { url, .. } => format!("sandbox served at {url}"),
        }
    }
}

/// A sandbox folder: the process's own, or a server's.
pub async fn sandbox(dir: &Path, options: Options) -> Result<Target, OpenError> {
    let started = Clock::Host {
        offset: SignedDuration::ZERO,
    };
    let give_up = crate::condition::later(started.now(), FOLDER_WAIT);
    loop {
        match Sandbox::open(Some(PathBuf::from(dir)), options.clone()) {
            Ok(sandbox) => return Ok(Target::Local(sandbox)),
            Err(OpenError::Store(StoreError::Held { dir, pid, serve })) => {
                if let Some(serve) = &serve
                    && let Some(info) = info(&serve.url).await
                {
                    return Ok(Target::Served {
                        url: serve.url.clone(),
                        dns: info.dns,
                        offset: info.offset,
                    });
                }
                if started.now() >= give_up {
                    return Err(OpenError::Store(StoreError::Held { dir, pid, serve }));
                }
                let soon = crate::condition::later(started.now(), Duration::from_millis(100));
                // The host's clock, which nothing stops.
                started.sleep_until(soon).await.ok();
            }
            Err(other) => return Err(other),
        }
    }
}

/// What the SDK's configuration says. At a loopback endpoint a sandbox server may answer; it is
/// asked once where its name servers are and what time it is there.
pub async fn from_environment(endpoint: Option<String>) -> Target {
    let simulated = match endpoint.as_deref().filter(|url| is_loopback(url)) {
        Some(url) => info(url).await.map(|info| (info.dns, info.offset)),
        None => None,
    };
    Target::Aws {
        endpoint,
        simulated,
    }
}

fn is_loopback(url: &str) -> bool {
    url.parse::<http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
        .is_some_and(|host| {
            let host = host.trim_matches(['[', ']']);
            host == "localhost"
                || host
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        })
}

struct Info {
    dns: String,
    offset: SignedDuration,
}

async fn info(url: &str) -> Option<Info> {
    let body = request(
        "GET",
        &format!("{}/_spore/info", url.trim_end_matches('/')),
        "",
        Bytes::new(),
    )
    .await
    .ok()?;
    let info: serde_json::Value = serde_json::from_slice(&body).ok()?;
    Some(Info {
        dns: info.get("dns")?.as_str()?.to_owned(),
        offset: SignedDuration::try_from_secs_f64(info.get("offset_seconds")?.as_f64()?).ok()?,
    })
}

/// One plain HTTP request to a sandbox server.
pub async fn request(
    method: &str,
    url: &str,
    content_type: &str,
    body: Bytes,
) -> Result<Bytes, String> {
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", content_type)
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let exchange = async {
        let answer = client
            .request(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        if status.is_success() {
            Ok(body)
        } else {
            Err(format!(
                "{status}: {}",
                String::from_utf8_lossy(&body).trim_end()
            ))
        }
    };
    tokio::time::timeout(Duration::from_secs(60), exchange)
        .await
        .map_err(|_| "no answer within 60 s".to_owned())?
}
