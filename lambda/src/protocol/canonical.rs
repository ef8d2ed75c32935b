//! Texts that both sides hash: one member per line, in a fixed order, with no way for a value to become
//! a line. The grammar is in [`crate::protocol`].

use std::fmt::{self, Write as _};

use ring::digest;

/// What a caller asks for, as it was sent: the members that a proof binds. Nothing here is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The label.
    pub record_name: Option<String>,
    /// The address.
    pub ip_address: Option<String>,
    /// `UPSERT` or `DELETE`.
    pub action: Option<String>,
    /// `A`, `AAAA` or `TXT`.
    pub record_type: Option<String>,
    /// In seconds.
    pub ttl: Option<u32>,
    /// The text of a TXT record.
    pub text: Option<String>,
    /// The owner mark that the caller believes to be there.
    pub owner: Option<String>,
}

/// A SHA-256 digest; written as 64 hex digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl Update {
    /// The canonical update.
    pub fn canonical(&self) -> String {
        let ttl = self.ttl.map(|secs| secs.to_string());
        lines(
            "spore/1 update",
            &[
                ("record_name", self.record_name.as_deref()),
                ("ip_address", self.ip_address.as_deref()),
                ("action", self.action.as_deref()),
                ("record_type", self.record_type.as_deref()),
                ("ttl", ttl.as_deref()),
                ("text", self.text.as_deref()),
                ("owner", self.owner.as_deref()),
            ],
        )
    }

    /// The hash that is signed.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.canonical().as_bytes())
    }
}

impl Sha256 {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(hash)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A title and members, as [`crate::protocol`] writes them down.
pub(super) fn lines(title: &str, members: &[(&str, Option<&str>)]) -> String {
    let mut text = format!("{title}\n");
    for (name, value) in members {
        text.push_str(name);
        if let Some(value) = value {
            text.push('=');
            quote(value, &mut text);
        }
        text.push('\n');
    }
    text
}

/// Percent-encodes whatever is not unreserved (RFC 3986, section 2.3), as SigV4 does too.
pub(super) fn quote(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes every text");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[a-c=%\n\r\u{e9}\u{2028}]{0,6}")
    }

    fn update() -> impl Strategy<Value = Update> {
        let ttl = proptest::option::of(0..20_u32);
        (text(), text(), text(), text(), ttl, text(), text()).prop_map(
            |(record_name, ip_address, action, record_type, ttl, text, owner)| Update {
                record_name,
                ip_address,
                action,
                record_type,
                ttl,
                text,
                owner,
            },
        )
    }

    proptest! {
        #[test]
        fn two_updates_never_share_a_canonical_form(one in update(), other in update()) {
            prop_assert_eq!(one == other, one.canonical() == other.canonical());
        }

        #[test]
        fn no_value_adds_a_line(update in update()) {
            let canonical = update.canonical();
            prop_assert_eq!(canonical.lines().count(), 8);
            prop_assert!(canonical.is_ascii());
        }
    }

    #[test]
    fn an_empty_text_is_not_an_absent_one() {
        let absent = Update::default();
        let empty = Update {
            text: Some(String::new()),
            ..Update::default()
        };
        assert_ne!(absent.canonical(), empty.canonical());
    }
}
