//! What the updater and its clients must agree on, byte for byte: which text is signed, which request
//! to AWS's STS carries the signature, and how the answer is signed back. Pure: no clock, no network.
//! Whoever writes another client needs this file and `tests/vectors/protocol.json`.
//!
//! # A request
//!
//! The caller does not send a request to STS, it sends what only it can know of one. Everything else
//! is a constant or computed from what the updater received, so that nobody can make the updater ask
//! STS something else (Google Project Zero, "Enter the Vault", 2020: rebuild, do not validate):
//!
//! ```text
//! POST / HTTP/1.1
//! host: sts.REGION.SUFFIX                        amazonaws.com; cn-*: amazonaws.com.cn; eusc-*: amazonaws.eu
//! content-type: application/x-www-form-urlencoded; charset=utf-8
//! x-amz-date: DATE                               20261122T060000Z, at most 120 s from now
//! x-amz-security-token: TOKEN
//! x-spore-audience: spore/1 request DOMAIN ZONEID
//! x-spore-nonce: NONCE                           32 hex digits in lower case
//! x-spore-sha256: SHA256                         of the canonical update, 64 hex digits in lower case
//! authorization: AWS4-HMAC-SHA256 Credential=KEY/YYYYMMDD/REGION/sts/aws4_request, SignedHeaders=
//!     content-type;host;x-amz-date;x-amz-security-token;x-spore-audience;x-spore-nonce;x-spore-sha256,
//!     Signature=SIGNATURE
//!
//! Action=GetCallerIdentity&Version=2011-06-15
//! ```
//!
//! (`authorization` is one line.) The signature is that of AWS Signature Version 4 over exactly these
//! headers. What is sent to the updater is the member `proof` of the request, seven texts, with no
//! other member beside them and none missing:
//!
//! ```text
//! { "type": "instance-role" or "iam-role", "region": REGION, "access_key_id": KEY, "date": DATE,
//!   "token": TOKEN, "signature": SIGNATURE, "nonce": NONCE }
//! ```
//!
//! # The canonical update
//!
//! UTF-8 lines, each ended by one LF, in this order and all of them always there:
//!
//! ```text
//! spore/1 update
//! record_name=my-instance
//! ip_address=203.0.113.7
//! action
//! record_type=A
//! ttl=60
//! text
//! owner
//! ```
//!
//! A line is the member's name alone when the request has no such member (or the answer has null), else
//! the name, `=` and the value with every byte of its UTF-8 but `A-Z a-z 0-9 - . _ ~` written as `%` and
//! two hex digits in upper case (RFC 3986, section 2; Python's `quote(value, safe="")`). So an empty text
//! (`text=`) differs from none, and no value can end its line. Values are those that were sent, before
//! anything is lowered or filled in; `ttl` is written in decimal.
//!
//! # The answer
//!
//! The same once more, signed by the updater's own role with the audience `spore/1 response DOMAIN
//! ZONEID`, the nonce of the request, and the hash of the canonical answer:
//!
//! ```text
//! spore/1 answer
//! request=SHA256                                 of the canonical update
//! success=true
//! code=ok
//! message
//! error
//! record=my-instance.1kpqzg2c.spore.example.edu
//! change_id=/change/C123
//! owner=...
//! request_id=...
//! timestamp=2026-11-22T06:00:00Z
//! ```
//!
//! The answer's member `proof` has the form of the request's, with the type `updater-role` and without
//! `nonce`, since only the caller's own can be right. The client rebuilds the request, sends it to STS
//! and compares the role in STS's answer with the one it was configured to expect.

mod answer;
mod call;
mod canonical;
mod identity;
mod ids;
mod region;
pub mod sigv4;

pub use answer::{AnswerProof, AnswerRefused, AnswerType, Outcome};
pub(crate) use call::Signed;
pub use call::{
    ACTION, Audience, CONTENT_TYPE, Call, Malformed, Nonce, SIGNED_HEADERS, SignedProof, SignedType,
};
pub use canonical::{Sha256, Update};
pub use identity::{Caller, Identity, NoIdentity, RoleArn, StsAnswer};
pub(crate) use ids::{is_account_id, is_instance_id, is_lower_hex, is_role_id};
pub use region::{Partition, REGIONS, Region};
