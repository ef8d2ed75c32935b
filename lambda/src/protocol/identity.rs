//! Who signed a request, as STS says it. Read as strictly as it was asked for: an answer that is not
//! letter for letter of the form that STS writes says nothing. (CVE-2020-16250: Vault took a text that
//! an attacker had placed inside another answer for STS's word, because its reader was lenient.)
//!
//! ```text
//! <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
//!   <GetCallerIdentityResult>
//!     <Arn>arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0</Arn>
//!     <UserId>123456789012:aws:ec2-instance:i-0123456789abcdef0</UserId>
//!     <Account>123456789012</Account>
//!   </GetCallerIdentityResult>
//!   <ResponseMetadata><RequestId>...</RequestId></ResponseMetadata>
//! </GetCallerIdentityResponse>
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::ids::{is_account_id, is_instance_id, is_role_id};
use super::region::Partition;

/// STS writes under 600 bytes; a session name and a role name can add 128.
const ANSWER_BYTES_MAX: usize = 4096;

/// Of both its answers.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The role whose sessions are EC2 instances. A customer's role name cannot have a colon (IAM API
/// Reference, CreateRole), so nobody can make a role that looks like it.
const INSTANCE_ROLE: &str = "aws:ec2-instance";

/// What STS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsAnswer {
    /// HTTP status.
    pub status: u16,
    /// The header `content-type`; empty if there was none.
    pub content_type: String,
    /// The body. Whoever reads it from the network must stop after 64 KiB; here 4 KiB are too many.
    pub body: Vec<u8>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Where the account is.
    pub partition: Partition,
    /// 12 digits.
    pub account: String,
    /// Who it was in that account.
    pub caller: Caller,
}

/// A session that can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An EC2 instance, by its identity role.
    Instance {
        /// `i-` and 8 or 17 hex digits.
        id: String,
    },
    /// A session of a role of IAM. Whoever may assume the role chooses the session's name.
    Role {
        /// The role's name, without its path.
        name: String,
        /// The role's unique id, `AROA...`: another one after a role was made anew.
        id: String,
        /// The session's name.
        session: String,
    },
}

/// A role of IAM as its ARN names it. Names are unique in an account whatever the path, and sessions do
/// not show the path (IAM User Guide, "IAM identifiers"), so it is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleArn {
    partition: String,
    account: String,
    name: String,
}

/// Why STS's answer names nobody. The texts go to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// The signature is not that of the request which the updater rebuilt.
    #[error(
        "AWS STS does not accept the signature: it must be made over exactly this update, for this \
         zone, with the secret key of the same credentials"
    )]
    Signature,
    /// The credentials are over.
    #[error("the credentials have expired; read them from the instance metadata again")]
    Expired,
    /// STS does not know the credentials.
    #[error(
        "AWS STS does not know these credentials in this region; the region must be that of the \
         instance"
    )]
    Unknown,
    /// The account has switched STS off in that region.
    #[error("AWS STS is not active in this region for the caller's account")]
    RegionOff,
    /// STS refused for a reason that this code does not know.
    #[error("AWS STS refused the proof (status {0})")]
    Refused(u16),
    /// STS is throttling or failing: nothing is known about the proof.
    #[error("AWS STS could not be asked just now (status {0})")]
    Unavailable(u16),
    /// The answer is not of the form that STS writes.
    #[error("the answer was not one of AWS STS")]
    Form,
    /// The answer contradicts itself.
    #[error("the answer of AWS STS contradicts itself")]
    Contradiction,
    /// A user, a federated user, the account itself: nobody who can have a name.
    #[error("signed neither by an instance nor by a role")]
    NotASession,
}

impl StsAnswer {
    /// Who signed the request that this is the answer to.
    ///
    /// # Errors
    /// When the answer names nobody.
    pub fn identity(&self) -> Result<Identity, NoIdentity> {
        if self.status != 200 {
            return Err(self.refusal());
        }
        if self.body.len() > ANSWER_BYTES_MAX || !self.is_xml() {
            return Err(NoIdentity::Form);
        }
        let form = || NoIdentity::Form;
        let mut leaves = leaves(&self.body, "GetCallerIdentityResponse", References::Refused)
            .ok_or_else(form)?;
        let mut leaf = |path: &str| leaves.remove(path).ok_or(NoIdentity::Form);
        let arn = leaf("GetCallerIdentityResult/Arn")?;
        let user_id = leaf("GetCallerIdentityResult/UserId")?;
        let account = leaf("GetCallerIdentityResult/Account")?;
        leaf("ResponseMetadata/RequestId")?;
        if !leaves.is_empty() {
            return Err(NoIdentity::Form);
        }
        Identity::of(&arn, &user_id, &account)
    }

    /// Whether STS said nothing about the proof, but that it cannot answer just now.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.status != 200 && matches!(self.refusal(), NoIdentity::Unavailable(_))
    }

    fn is_xml(&self) -> bool {
        let essence = self.content_type.split(';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case("text/xml")
    }

    /// What an answer with another status than 200 means. Only the error's code is read, and only to
    /// choose a sentence: all of these refuse.
    fn refusal(&self) -> NoIdentity {
        let code = (self.body.len() <= ANSWER_BYTES_MAX)
            .then(|| leaves(&self.body, "ErrorResponse", References::Ignored))
            .flatten()
            .and_then(|mut leaves| leaves.remove("Error/Code"));
        // STS API Reference, "Common Errors" and the errors of GetSessionToken (RegionDisabled...).
        match (self.status, code.as_deref()) {
            (429 | 500..=599, _) | (_, Some("Throttling" | "ThrottlingException")) => {
                NoIdentity::Unavailable(self.status)
            }
            (_, Some("SignatureDoesNotMatch" | "IncompleteSignature")) => NoIdentity::Signature,
            (_, Some("ExpiredToken" | "ExpiredTokenException")) => NoIdentity::Expired,
            (_, Some("InvalidClientTokenId" | "UnrecognizedClientException")) => {
                NoIdentity::Unknown
            }
            (_, Some("RegionDisabledException")) => NoIdentity::RegionOff,
            (_, Some(_) | None) => NoIdentity::Refused(self.status),
        }
    }
}

impl Identity {
    fn of(arn: &str, user_id: &str, account: &str) -> Result<Self, NoIdentity> {
        if !is_account_id(account) {
            return Err(NoIdentity::Form);
        }
        // The role of an instance has a colon in its name, so only the first five separate.
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", partition, service, "", of_account, resource] = parts.as_slice() else {
            return Err(NoIdentity::Form);
        };
        let partition = Partition::named(partition).ok_or(NoIdentity::Form)?;
        if of_account != account {
            return Err(NoIdentity::Contradiction);
        }
        let resource: Vec<&str> = resource.split('/').collect();
        let ("sts", &["assumed-role", role, session]) = (service, resource.as_slice()) else {
            return Err(NoIdentity::NotASession);
        };
        let caller = if role == INSTANCE_ROLE {
            if !is_instance_id(session) {
                return Err(NoIdentity::Form);
            }
            if user_id != format!("{account}:{INSTANCE_ROLE}:{session}") {
                return Err(NoIdentity::Contradiction);
            }
            Caller::Instance {
                id: session.to_owned(),
            }
        } else {
            if !is_iam_name(role) || !is_iam_name(session) {
                return Err(NoIdentity::Form);
            }
            let (id, of_session) = user_id.split_once(':').ok_or(NoIdentity::Form)?;
            if !is_role_id(id) {
                return Err(NoIdentity::Form);
            }
            if of_session != session {
                return Err(NoIdentity::Contradiction);
            }
            Caller::Role {
                name: role.to_owned(),
                id: id.to_owned(),
                session: session.to_owned(),
            }
        };
        Ok(Self {
            partition,
            account: account.to_owned(),
            caller,
        })
    }
}

impl RoleArn {
    /// The role's account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whether this identity is a session of the role.
    pub fn has(&self, identity: &Identity) -> bool {
        match &identity.caller {
            Caller::Instance { .. } => false,
            Caller::Role { name, .. } => {
                self.partition == identity.partition.name()
                    && self.account == identity.account
                    && self.name == *name
            }
        }
    }
}

/// Reads `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`; anything else is no role's ARN.
impl FromStr for RoleArn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split(':').collect();
        let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
            return Err(());
        };
        let path = resource.strip_prefix("role/").ok_or(())?;
        let name = path.rsplit('/').next().unwrap_or(path);
        if Partition::named(partition).is_none() || !is_account_id(account) || !is_iam_name(name) {
            return Err(());
        }
        Ok(Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Whether entity references are read over or refuse the whole. Of an error's message nothing is used,
/// so what it quotes does not matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum References {
    Refused,
    Ignored,
}

/// The texts of a small XML document by path below the root: elements without attributes or prefixes,
/// each at most once, in the one namespace. None for anything else: comments, processing instructions,
/// CDATA, a document type, a second root.
fn leaves(body: &[u8], root: &str, references: References) -> Option<BTreeMap<String, String>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text);
    let mut is_first = true;
    // Names of the open elements, and whether the innermost one has elements of its own.
    let mut open: Vec<(String, bool)> = Vec::new();
    let mut seen: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut content = String::new();
    let mut is_over = false;
    loop {
        match reader.read_event().ok()? {
            Event::Decl(_) if is_first => {}
            Event::Start(start) if !is_over => {
                let name = element(&start, open.is_empty().then_some(root))?;
                if !content.trim_ascii().is_empty() || open.len() >= 4 {
                    return None;
                }
                content.clear();
                if let Some(parent) = open.last_mut() {
                    parent.1 = true;
                }
                open.push((name, false));
                if seen.insert(path(&open), None).is_some() {
                    return None;
                }
            }
            Event::End(_) => {
                let path = path(&open);
                let (_, has_elements) = open.pop()?;
                if has_elements {
                    if !content.trim_ascii().is_empty() {
                        return None;
                    }
                } else {
                    seen.insert(path, Some(content.clone()));
                }
                content.clear();
                is_over = open.is_empty();
            }
            Event::Text(text) => {
                let text = text.into_inner();
                if open.is_empty() && !text.trim_ascii().is_empty() {
                    return None;
                }
                content.push_str(&text);
            }
            Event::GeneralRef(_) if references == References::Ignored && !open.is_empty() => {}
            Event::Eof if is_over => break,
            Event::Start(_)
            | Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_)
            | Event::Eof => return None,
        }
        is_first = false;
    }
    Some(
        seen.into_iter()
            .filter_map(|(path, text)| Some((path, text?)))
            .collect(),
    )
}

/// The name of an element without a prefix. The root must be this one in STS's namespace; below it no
/// element has attributes, so that nothing changes the namespace.
fn element(start: &BytesStart<'_>, root: Option<&str>) -> Option<String> {
    let name = start.name().into_inner().to_owned();
    if name.contains(':') {
        return None;
    }
    let mut attributes = start.attributes();
    if let Some(root) = root {
        let namespace = attributes.next()?.ok()?;
        let is_it = name == root
            && namespace.key.into_inner() == "xmlns"
            && namespace.value.as_ref() == NAMESPACE;
        if !is_it {
            return None;
        }
    }
    attributes.next().is_none().then_some(name)
}

/// Below the root.
fn path(open: &[(String, bool)]) -> String {
    let names: Vec<&str> = open.iter().skip(1).map(|(name, _)| name.as_str()).collect();
    names.join("/")
}

/// A role's or a session's name: `[\w+=,.@-]{1,64}` (IAM API Reference, CreateRole; STS API Reference,
/// AssumeRole).
fn is_iam_name(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_char)
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, account, name) = (&self.partition, &self.account, &self.name);
        write!(f, "arn:{partition}:iam::{account}:role/{name}")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_sts_says_what_to_do() {
        let check = |status, code: &str, expected| {
            let body = format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>It isn&apos;t so</Message></Error>\
                 <RequestId>x</RequestId></ErrorResponse>"
            );
            let answer = StsAnswer {
                status,
                content_type: "text/xml".to_owned(),
                body: body.into_bytes(),
            };
            assert_eq!(answer.identity(), Err(expected), "{status} {code}");
        };
        check(403, "SignatureDoesNotMatch", NoIdentity::Signature);
        check(403, "ExpiredToken", NoIdentity::Expired);
        check(403, "InvalidClientTokenId", NoIdentity::Unknown);
        check(403, "RegionDisabledException", NoIdentity::RegionOff);
        check(403, "AccessDenied", NoIdentity::Refused(403));
        check(400, "Throttling", NoIdentity::Unavailable(400));
        check(429, "x", NoIdentity::Unavailable(429));
        check(503, "ServiceUnavailable", NoIdentity::Unavailable(503));
        // Whatever it says, and even if it is no XML at all.
        check(500, "SignatureDoesNotMatch", NoIdentity::Unavailable(500));
        check(403, "<", NoIdentity::Refused(403));
        check(302, "x", NoIdentity::Refused(302));
    }

    #[test]
    fn a_roles_arn_is_read_without_its_path() {
        let role = |text: &str| text.parse::<RoleArn>();
        let plain = role("arn:aws:iam::123456789012:role/registrar").unwrap();
        assert_eq!(
            role("arn:aws:iam::123456789012:role/a/b/registrar"),
            Ok(plain.clone())
        );
        assert_eq!(
            plain.to_string(),
            "arn:aws:iam::123456789012:role/registrar"
        );
        for other in [
            "",
            "registrar",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:user/registrar",
            "arn:aws:iam::12345678901:role/registrar",
            "arn:aws:iam:us-east-1:123456789012:role/registrar",
            "arn:aws:sts::123456789012:assumed-role/registrar/x",
            "arn:azure:iam::123456789012:role/registrar",
            "arn:aws:iam::123456789012:role/regis trar",
            "arn:aws:iam::123456789012:role/aws:ec2-instance",
            "arn:aws:iam::123456789012:role/*",
        ] {
            assert_eq!(role(other), Err(()), "{other}");
        }
    }
}
