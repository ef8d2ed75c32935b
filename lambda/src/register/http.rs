//! One HTTP request and its answer: limited in time and size, never redirected, by no proxy, and if need
//! be by one family of addresses only. Says nothing about whether to ask again.

use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// How long a connection may take to be made, over oceans too.
const CONNECT: Duration = Duration::from_secs(5);

/// The same to the metadata service, which is on the same host. Less than the service has for its answer, so
/// that no connection is told from no answer.
const CONNECT_HERE: Duration = Duration::from_secs(1);

/// No answer that is expected here is longer than a tenth of this.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

type Inner = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Connections by any address, by IPv4, by IPv6, and on this host.
#[derive(Debug)]
pub(super) struct Http {
    any: Inner,
    v4: Inner,
    v6: Inner,
    here: Inner,
}

/// Which addresses a connection may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    Any,
    V4,
    V6,
    /// The metadata service.
    Here,
}

/// A request.
pub(super) struct Ask<'a> {
    pub(super) via: Via,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: String,
    /// From the first byte sent to the last received.
    pub(super) within: Duration,
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// There is no answer. The texts are this machine's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// Nothing was sent.
    #[error("{0}")]
    Unreached(String),
    /// Something may have been sent.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The same.
    #[error("{0}")]
    Broken(String),
    /// An answer that is none of those expected here.
    #[error("an answer of more than {ANSWER_BYTES_MAX} bytes")]
    Long,
}

impl Http {
    pub(super) fn new() -> Self {
        let client = |local: Option<IpAddr>, connect| {
            let mut plain = HttpConnector::new();
            plain.set_connect_timeout(Some(connect));
            plain.set_nodelay(true);
            plain.enforce_http(false);
            // Bound to the unspecified address of a family, it only tries addresses of that family.
            plain.set_local_address(local);
            let tls = HttpsConnectorBuilder::new().with_webpki_roots();
            // Which URLs may be plain http is decided where they come from: metadata and this machine.
            let connector = tls.https_or_http().enable_http1().wrap_connector(plain);
            Client::builder(TokioExecutor::new()).build(connector)
        };
        Self {
            any: client(None, CONNECT),
            v4: client(Some(Ipv4Addr::UNSPECIFIED.into()), CONNECT),
            v6: client(Some(Ipv6Addr::UNSPECIFIED.into()), CONNECT),
            here: client(None, CONNECT_HERE),
        }
    }

    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Answer, Lost> {
        let unusable = || Lost::Unreached("the request cannot be written".to_owned());
        let mut request = Request::new(Full::new(Bytes::from(ask.body)));
        *request.method_mut() = ask.method;
        *request.uri_mut() = ask.uri;
        for (name, value) in ask.headers {
            let name = HeaderName::try_from(*name).map_err(|_| unusable())?;
            let mut value = HeaderValue::try_from(*value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        let client = match ask.via {
            Via::Any => &self.any,
            Via::V4 => &self.v4,
            Via::V6 => &self.v6,
            Via::Here => &self.here,
        };
        let answered = tokio::time::timeout(ask.within, answer(client, request)).await;
        answered.unwrap_or(Err(Lost::Silent(ask.within)))
    }
}

async fn answer(client: &Inner, request: Request<Full<Bytes>>) -> Result<Answer, Lost> {
    let answer = client.request(request).await.map_err(|error| {
        let text = cause(&error);
        match error.is_connect() {
            true => Lost::Unreached(text),
            false => Lost::Broken(text),
        }
    })?;
    let (parts, body) = answer.into_parts();
    let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(Lost::Long),
        Err(error) => return Err(Lost::Broken(error.to_string())),
    };
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}

/// The innermost cause, which is the one that says something.
fn cause(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

impl Answer {
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The sender's clock.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let text = self.header(header::DATE)?;
        Some(rfc2822::parse(text).ok()?.timestamp())
    }

    /// When the sender wants to be asked again (RFC 9110, section 10.2.3). The form with a date is not
    /// one that API Gateway or the updater writes.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let secs = self.header(header::RETRY_AFTER)?.trim().parse().ok()?;
        Some(Duration::from_secs(secs))
    }
}
