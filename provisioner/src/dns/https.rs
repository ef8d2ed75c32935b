//! DNS over HTTPS (RFC 8484), for resolvers that a document names by URL.

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// The media type of DNS messages.
const MESSAGE: &str = "application/dns-message";
/// The largest answer read: a DNS message's length is 16 bits.
const SIZE_MAX: usize = 65_535;

/// Posts one message to a resolver's URL.
pub(super) async fn exchange(url: &str, query: &[u8]) -> Result<Vec<u8>, String> {
    let connector = Connector::builder()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build();
    let request = http::Request::builder()
        .method("POST")
        .uri(url)
        .header("content-type", MESSAGE)
        .header("accept", MESSAGE)
        .body(SdkBody::from(query))
        .map_err(|error| error.to_string())?;
    let request = HttpRequest::try_from(request).map_err(|error| error.to_string())?;
    let answer = connector
        .call(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("HTTP status {}", status.as_u16()));
    }
    let body = http_body_util::Limited::new(answer.into_body(), SIZE_MAX);
    let body = http_body_util::BodyExt::collect(body)
        .await
        .map_err(|error| error.to_string())?;
    Ok(body.to_bytes().to_vec())
}
