//! One HTTPS request to AWS and its answer: signed, limited in size, never redirected. Says nothing about
//! how long to wait for it and whether to ask again.

use std::fmt;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Aws;
use super::endpoint::{Endpoints, Service};
use crate::ports::Failure;
use crate::protocol::sigv4::{self, Credentials, Scope};
use crate::protocol::{Region, Sha256};

/// A connection to a host in the same region takes milliseconds.
const CONNECT: Duration = Duration::from_secs(2);

/// The longest answer of Route 53 and EC2 that is read: 300 records, each with values of 4,000 characters,
/// would be longer, but those are not the updater's; then nothing is decided.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What SigV4 leaves as it is (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Keeps connections open between requests. One that was closed while the environment was frozen is
/// opened again before anything is sent.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoints: Endpoints,
}

/// A request to a service, before it is signed.
pub(super) struct Ask<'a> {
    pub(super) service: Service,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Http {
    pub(super) fn new(endpoints: Endpoints) -> Self {
        let mut plain = HttpConnector::new();
        plain.set_connect_timeout(Some(CONNECT));
        plain.set_nodelay(true);
        plain.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().with_webpki_roots();
        // Plain http is possible only where the endpoint says so, which is this machine.
        let connector = match endpoints.is_simulated() {
            true => tls.https_or_http().enable_http1().wrap_connector(plain),
            false => tls.https_only().enable_http1().wrap_connector(plain),
        };
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            endpoints,
        }
    }

    pub(super) fn is_simulated(&self) -> bool {
        self.endpoints.is_simulated()
    }

    /// Signs a request and sends it.
    pub(super) async fn signed(
        &self,
        home: Region,
        credentials: &Credentials,
        now: Timestamp,
        ask: Ask<'_>,
    ) -> Result<Answer, Failure> {
        let host = ask.service.host(home);
        let date = sigv4::date(now);
        let mut headers = vec![
            ("content-type", ask.content_type),
            ("host", &host),
            ("x-amz-date", &date),
        ];
        if let Some(token) = &credentials.token {
            headers.push(("x-amz-security-token", token));
        }
        let (service, region) = ask.service.scope(home);
        let authorization = sigv4::Request {
            method: ask.method.as_str(),
            path: ask.path,
            query: ask.query,
            headers: &headers,
            body: Sha256::of(ask.body.as_bytes()),
        }
        .authorization(
            credentials,
            &Scope {
                date: &date,
                region,
                service,
            },
        );
        headers.push(("authorization", &authorization));
        let target = target(ask.path, ask.query);
        self.send(
            ask.method,
            &host,
            &target,
            &headers,
            ask.body,
            ANSWER_BYTES_MAX,
        )
        .await
    }

    /// Sends a request as it is, and reads so many bytes of its answer at most.
    pub(super) async fn send(
        &self,
        method: Method,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: String,
        bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let uri = self.endpoints.uri(host, target).ok_or(Failure::Unusable)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).map_err(|_| Failure::Unusable)?;
            let mut value = HeaderValue::try_from(*value).map_err(|_| Failure::Unusable)?;
            // Not that hyper logs anything here; if it ever does, not these.
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        self.answer(request, bytes_max).await
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let answer = self.client.request(request).await;
        let (parts, body) = answer.map_err(|_| Failure::Unanswered)?.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let body = match Limited::new(body, bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Failure::Unusable);
            }
            Err(_) => return Err(Failure::Unanswered),
        };
        Ok(Answer {
            status: parts.status.as_u16(),
            content_type,
            body,
        })
    }
}

impl Aws {
    /// Asks with the updater's own rights.
    pub(super) async fn ask(&self, now: Timestamp, ask: Ask<'_>) -> Result<Answer, Failure> {
        let (http, credentials) = (&self.http, &self.credentials);
        http.signed(self.region, credentials, now, ask).await
    }
}

/// Path and query as they are sent.
fn target(path: &str, query: &[(&str, &str)]) -> String {
    let query = pairs(query);
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{query}"),
    }
}

/// Names and values as queries and forms have them.
pub(super) fn pairs(pairs: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

/// What a code of AWS's means here; `status` decides where there is none that is known. The codes are
/// those of the services' API references ("Common Errors") and of the Route 53 calls.
pub(super) fn failure(status: u16, code: Option<&str>) -> Failure {
    match code {
        Some(
            "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "TooManyRequestsException"
            | "SlowDown",
        ) => Failure::Throttled,
        Some("PriorRequestNotComplete") => Failure::Pending,
        Some("InvalidChangeBatch") => Failure::Conflict,
        Some(
            "AccessDenied"
            | "AccessDeniedException"
            | "UnauthorizedOperation"
            | "AuthFailure"
            | "OptInRequired"
            | "RegionDisabledException",
        ) => Failure::Denied,
        Some(_) | None => match status {
            429 => Failure::Throttled,
            500..=599 => Failure::Unanswered,
            _ => Failure::Unusable,
        },
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_encoded_as_it_is_signed() {
        assert_eq!(target("/", &[]), "/");
        assert_eq!(
            target("/a", &[("name", "a b/*"), ("type", "A")]),
            "/a?name=a%20b%2F%2A&type=A"
        );
        assert_eq!(pairs(&[("a", "-._~"), ("b", "=&+")]), "a=-._~&b=%3D%26%2B");
    }

    #[test]
    fn only_known_codes_mean_something() {
        assert_eq!(failure(400, Some("Throttling")), Failure::Throttled);
        assert_eq!(
            failure(503, Some("RequestLimitExceeded")),
            Failure::Throttled
        );
        assert_eq!(
            failure(400, Some("PriorRequestNotComplete")),
            Failure::Pending
        );
        assert_eq!(failure(400, Some("InvalidChangeBatch")), Failure::Conflict);
        assert_eq!(failure(403, Some("AccessDenied")), Failure::Denied);
        assert_eq!(failure(500, Some("InternalFailure")), Failure::Unanswered);
        assert_eq!(failure(503, None), Failure::Unanswered);
        assert_eq!(failure(404, Some("NoSuchHostedZone")), Failure::Unusable);
        assert_eq!(failure(200, None), Failure::Unusable);
        assert_eq!(failure(302, None), Failure::Unusable);
    }
}
