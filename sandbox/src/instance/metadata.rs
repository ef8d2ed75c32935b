//! The instance metadata service (IMDS) of one instance, version 2 and, where it is left on, 1
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>).
//!
//! Which requests are answered is decided here; what the categories hold is in [`tree`]. Only `/latest/`
//! is served, no dated version.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::Instance;
use crate::wire::text::percent_decode;
use crate::world::{Request, Response, World};

mod tree;

use tree::Leaf;

/// What metadata says.
#[derive(Debug)]
pub struct Told {
    /// The answer. None: silence, which is what an answer that runs out of hops looks like.
    pub response: Option<Response>,
    /// Whether the world changed, because credentials or keys were made for the answer.
    pub wrote: bool,
}

/// Header that asks for a token, with its life in seconds; answers with a token have it as well.
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

/// Longest life of a token: six hours.
const TTL_SECS_MAX: u32 = 21_600;

/// Where instances ask: `169.254.169.254` at AWS, the instance's listener here.
pub fn is_metadata(path: &str) -> bool {
    path == "/latest" || path.starts_with("/latest/")
}

/// An error as the service words it.
fn error(status: u16, title: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{status} - {title}</title>\n </head>\n <body>\n  \
         <h1>{status} - {title}</h1>\n </body>\n</html>\n"
    );
    answer(status, "text/html", body)
}

fn answer(status: u16, kind: &str, body: String) -> Response {
    Response {
        status,
        headers: vec![
            ("content-type".into(), kind.into()),
            ("server".into(), "EC2ws".into()),
        ],
        body: body.into_bytes(),
    }
}

impl Told {
    fn said(response: Response) -> Self {
        Self {
            response: Some(response),
            wrote: false,
        }
    }
}

impl World {
    /// Answers a request for an instance's metadata from so many network hops away: 1 on the instance
    /// itself, 2 in a container behind a bridge. None: there is no such instance, or it does not run.
    pub fn metadata(
        &mut self,
        now: Timestamp,
        id: &str,
        hops: u8,
        request: &Request,
    ) -> Option<Told> {
        let one = self.instances.get(id).filter(|one| one.is_up())?;
        if !one.options.endpoint {
            return Some(Told::said(error(403, "Forbidden")));
        }
        let is_token = request.path == "/latest/api/token";
        if request.method == "PUT" && is_token {
            // The answer is on the way, but not for long enough.
            let response = (hops <= one.options.hop_limit).then(|| token(one, request, now));
            return Some(Told {
                response,
                wrote: false,
            });
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") || is_token {
            return Some(Told::said(error(405, "Method Not Allowed")));
        }
        if !is_let_in(one, request, now) {
            return Some(Told::said(error(401, "Unauthorized")));
        }
        Some(self.category(now, id, request))
    }

    fn category(&mut self, now: Timestamp, id: &str, request: &Request) -> Told {
        let missing = || Told::said(error(404, "Not Found"));
        let rest = request.path.strip_prefix("/latest").unwrap_or_default();
        let Ok(path) = percent_decode(rest, false) else {
            return missing();
        };
        let Some(found) = self
            .instances
            .get(id)
            .and_then(|one| tree::find(one, &path))
        else {
            return missing();
        };
        let mut wrote = false;
        let text = match found {
            Leaf::Text(text) => Some(text),
            Leaf::IdentityCredentials => {
                self.identity_credentials(id, now).map(|(held, is_new)| {
                    wrote = is_new;
                    held.text()
                })
            }
            Leaf::ProfileCredentials => self.profile_credentials(id, now).map(|given| {
                given.map_or_else(
                    |refused| refused,
                    |(held, is_new)| {
                        wrote = is_new;
                        held.text()
                    },
                )
            }),
            Leaf::Signature { region, document } => {
                // The first one makes the region's key.
                wrote = true;
                self.raw_signature(&region, &document)
            }
            Leaf::SignedMessage {
                region,
                document,
                made,
            } => {
                wrote = true;
                self.signed_message(&region, &document, made)
            }
        };
        match text {
            None => missing(),
            Some(text) => {
                let mut response = answer(200, "text/plain", text);
                if request.method == "HEAD" {
                    response.body.clear();
                }
                Told {
                    response: Some(response),
                    wrote,
                }
            }
        }
    }
}

/// A new token, or why not. A forwarded request gets none: who sends it may be no program of the
/// instance.
fn token(one: &Instance, request: &Request, now: Timestamp) -> Response {
    if request.header("x-forwarded-for").is_some() {
        return error(403, "Forbidden");
    }
    let ttl = request
        .header(TTL_HEADER)
        .and_then(|text| text.trim().parse::<u32>().ok());
    let Some(ttl) = ttl.filter(|ttl| (1..=TTL_SECS_MAX).contains(ttl)) else {
        return error(400, "Bad Request");
    };
    let until = now.as_second().saturating_add(i64::from(ttl));
    let mut text = until.to_be_bytes().to_vec();
    text.extend(seal(one, &text));
    let mut response = answer(200, "text/plain", BASE64_STANDARD.encode(text));
    response.headers.push((TTL_HEADER.into(), ttl.to_string()));
    response
}

/// A token needs no memory: it says when it ends, sealed with the instance's own key.
fn seal(one: &Instance, text: &[u8]) -> Vec<u8> {
    mac(one, text).finalize().into_bytes().to_vec()
}

fn mac(one: &Instance, text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&one.token_key.0)
        .expect("HMAC takes keys of every length (RFC 2104)");
    mac.update(text);
    mac
}

/// Whether a request may read: with a good token, or without one where none is required.
fn is_let_in(one: &Instance, request: &Request, now: Timestamp) -> bool {
    let Some(token) = request.header(TOKEN_HEADER) else {
        return !one.options.tokens_required;
    };
    let Ok(bytes) = BASE64_STANDARD.decode(token) else {
        return false;
    };
    let Some((until, sealed)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let is_ours = mac(one, until).verify_slice(sealed).is_ok();
    is_ours && now.as_second() < i64::from_be_bytes(*until)
}
