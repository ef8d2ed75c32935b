//! The configuration file of the program on an instance: which updater it asks, and how it knows that
//! updater's answers.
//!
//! Whoever can write this file can make a name point anywhere that the updater allows this instance,
//! and can name another role whose answers are believed. So it belongs to root, nobody else may write
//! it, and there is no way to give its keys on the command line or in the environment. It holds no
//! secret: everybody may read it.
//!
//! `spore-infra client-config` prints it. It is TOML, kept so plain that a few lines in any language
//! read it: one `key = value` on a line; texts in double quotes without a backslash; `#` begins a
//! comment; no tables. An unknown key, one that is missing and one that is there twice are errors.
//!
//! ```toml
//! version      = 1
//! url          = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod/update-dns"
//! domain       = "spore.example.edu"
//! zone-id      = "Z0123456789ABCDEFGHIJ"
//! account      = "123456789012"
//! updater-role = "arn:aws:iam::123456789012:role/spore-spore_example_edu-updater"
//! name         = "my-instance"
//! families     = ["ipv4", "ipv6"]
//! lease        = "7d"
//! ```
//!
//! | key | |
//! |---|---|
//! | `version` | 1 |
//! | `url` | the whole URL of the updater; `https`, or `http` to this machine for the simulated AWS |
//! | `domain`, `zone-id` | the stack's; every signature names them, so one for another stack is of no use here |
//! | `account`, `updater-role` | the updater's account, and the role of its function in that account: answers must be signed by it |
//! | `name` | optional: the label to register. Else the instance's tag `Name`, if metadata shows tags, else the host name |
//! | `families` | optional, `["ipv4", "ipv6"]`: which addresses are registered, as far as the instance has them. `private-ipv4` in place of `ipv4` for the address in its subnet |
//! | `lease` | optional, `"7d"`: the stack's `[updater] lease`, a whole number of `s`, `m`, `h` or `d`. A third of it after the last time, names are renewed |

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;

use crate::name::RecordLabel;
use crate::protocol::RoleArn;

use super::endpoint;

/// Where the file is unless the command line names another.
pub const FILE: &str = "/etc/spore-register.toml";

/// A file of ten lines that is longer than this is something else.
const BYTES_MAX: u64 = 64 * 1024;

/// Bits of a mode that let the group or others write.
const WRITABLE: u32 = 0o022;

/// The version this program reads.
const VERSION: u64 = 1;

/// Leases are from an hour to a year: shorter ones than that no stack document may have, and renewals
/// must not come more often than names change.
const LEASE_SECS: std::ops::RangeInclusive<u64> = 60..=366 * 86_400;

/// What the program must know of its updater.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where requests are sent to.
    pub url: Uri,
    /// The stack's domain.
    pub domain: String,
    /// The stack's zone.
    pub zone_id: String,
    /// Who must have signed answers.
    pub updater_role: RoleArn,
    /// The label, if it does not follow from the instance.
    pub name: Option<RecordLabel>,
    /// Which addresses are registered; never empty.
    pub families: Vec<Family>,
    /// How long the updater keeps a name without renewal.
    pub lease: Duration,
}

/// An address that an instance can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The public IPv4 address.
    #[serde(rename = "ipv4")]
    PublicV4,
    /// The IPv4 address in the subnet.
    #[serde(rename = "private-ipv4")]
    PrivateV4,
    /// The IPv6 address.
    #[serde(rename = "ipv6")]
    V6,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Bad {
    /// It cannot be read.
    #[error("{0}; `spore-infra client-config` prints it")]
    Unreadable(io::Error),
    /// Somebody else could have written it.
    #[error("belongs to user {0}; it must belong to root: chown root it")]
    Owner(u32),
    /// Others may write it.
    #[error("may be written by others (mode {0:o}): chmod 644 it")]
    Mode(u32),
    /// It is too long to be one.
    #[error("is longer than {BYTES_MAX} bytes")]
    Long,
    /// It is not TOML, or has a key too many, too few or of the wrong type.
    #[error("{0}")]
    Form(#[from] toml::de::Error),
    /// A key has a value that cannot be.
    #[error("{key} {why}")]
    Value {
        /// Which.
        key: &'static str,
        /// What it should be.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct V1 {
    version: u64,
    url: String,
    domain: String,
    zone_id: String,
    account: String,
    updater_role: String,
    name: Option<String>,
    families: Option<Vec<Family>>,
    lease: Option<String>,
}

impl Family {
    /// As sentences have it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::PublicV4 => "public IPv4 address",
            Self::PrivateV4 => "private IPv4 address",
            Self::V6 => "IPv6 address",
        }
    }
}

impl Config {
    /// Reads the file. Who owns it and who may write it is asked of the file that is read, so that it
    /// cannot be exchanged in between. Files of the user who runs the program are good as well, since that
    /// user could run another program just as well.
    ///
    /// # Errors
    /// When it cannot be read, others may have written it, or it is not exactly what it should be.
    pub fn read(path: &Path) -> Result<Self, Bad> {
        let file = File::open(path).map_err(Bad::Unreadable)?;
        let metadata = file.metadata().map_err(Bad::Unreadable)?;
        let (owner, mode) = (metadata.uid(), metadata.mode());
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(Bad::Owner(owner));
        }
        if mode & WRITABLE != 0 {
            return Err(Bad::Mode(mode & 0o7777));
        }
        let mut text = String::new();
        let mut limited = file.take(BYTES_MAX + 1);
        limited.read_to_string(&mut text).map_err(Bad::Unreadable)?;
        match u64::try_from(text.len()) {
            Ok(0..=BYTES_MAX) => text.parse(),
            Ok(_) | Err(_) => Err(Bad::Long),
        }
    }
}

impl FromStr for Config {
    type Err = Bad;

    fn from_str(text: &str) -> Result<Self, Bad> {
        let read: V1 = toml::from_str(text)?;
        if read.version != VERSION {
            let why = format!("{} is not one this program reads: 1", read.version);
            return Err(bad("version", why));
        }
        let url = url(&read.url).map_err(|why| bad("url", why))?;
        if !is_domain(&read.domain) {
            return Err(bad(
                "domain",
                "is not a domain in lower case without a last dot",
            ));
        }
        let is_id = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !(1..=32).contains(&read.zone_id.len()) || !read.zone_id.bytes().all(is_id) {
            return Err(bad("zone-id", "is not the id of a zone, such as Z0123ABC"));
        }
        if read.account.len() != 12 || !read.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad("account", "is not 12 digits"));
        }
        let updater_role = read.updater_role.parse();
        let updater_role =
            updater_role.map_err(|()| bad("updater-role", "is not the ARN of a role"))?;
        // The account is written twice so that one careless edit does not trust another's role.
        if read.updater_role.split(':').nth(4) != Some(&read.account) {
            return Err(bad("updater-role", "is not of `account`"));
        }
        let name = read.name.map(|name| name.parse()).transpose();
        Ok(Self {
            url,
            domain: read.domain,
            zone_id: read.zone_id,
            updater_role,
            name: name.map_err(|why| bad("name", format!("cannot be registered: {why}")))?,
            families: families(read.families)?,
            lease: lease(read.lease.as_deref().unwrap_or("7d"))?,
        })
    }
}

fn bad(key: &'static str, why: impl Into<String>) -> Bad {
    let why = why.into();
    Bad::Value { key, why }
}

fn url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.is_empty() || authority.contains('@') || uri.query().is_some() {
        return Err("is not a URL of scheme, host and path".to_owned());
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if endpoint::is_loopback(&uri) => Ok(uri),
        Some(_) | None => Err("is not https; plain http is for this machine only".to_owned()),
    }
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_char = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(is_char)
    };
    text.len() <= 253 && text.split('.').count() >= 2 && text.split('.').all(is_label)
}

fn families(read: Option<Vec<Family>>) -> Result<Vec<Family>, Bad> {
    let mut families = read.unwrap_or_else(|| vec![Family::PublicV4, Family::V6]);
    families.sort_unstable();
    families.dedup();
    if families.is_empty() {
        return Err(bad("families", "is empty"));
    }
    if families.contains(&Family::PublicV4) && families.contains(&Family::PrivateV4) {
        let why = "has ipv4 and private-ipv4; a name has one IPv4 address here";
        return Err(bad("families", why));
    }
    Ok(families)
}

/// A whole number and its unit.
fn lease(text: &str) -> Result<Duration, Bad> {
    let wrong = || {
        bad(
            "lease",
            "is not of the form `7d`: a number and s, m, h or d",
        )
    };
    let unit = text.chars().last().ok_or_else(wrong)?;
    let secs_each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let secs = number.checked_mul(secs_each).ok_or_else(wrong)?;
    if !LEASE_SECS.contains(&secs) {
        return Err(bad("lease", "is not between a minute and a year"));
    }
    Ok(Duration::from_secs(secs))
}
