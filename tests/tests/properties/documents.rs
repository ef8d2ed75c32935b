//! Generated stack documents, always read through the parser: a property never meets settings that no
//! document can have.

use std::fmt::Write as _;
use std::io;

use proptest::prelude::*;
use spore_infra::desired::Desired;
use spore_infra::stack;

/// The account of every generated document.
pub const ACCOUNT: &str = "123456789012";

/// What a document says, as far as these properties vary it.
#[derive(Debug, Clone)]
pub struct Document {
    /// The zone.
    pub domain: String,
    /// `[dnssec] enabled`.
    pub dnssec: bool,
    /// Users that administer the key.
    pub admins: Vec<String>,
    /// The document's own tags.
    pub tags: Vec<(String, String)>,
    /// `[names] prefix`.
    pub prefix: Option<String>,
}

impl Document {
    /// Its text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "version = 1\ndomain = \"{}\"\naccount = \"{ACCOUNT}\"\n[dnssec]\nenabled = {}\n",
            self.domain, self.dnssec
        );
        if !self.admins.is_empty() {
            let arns: Vec<String> = self
                .admins
                .iter()
                .map(|name| format!("\"arn:aws:iam::{ACCOUNT}:user/{name}\""))
                .collect();
            writeln!(text, "key-admins = [{}]", arns.join(", ")).unwrap();
        }
        if let Some(prefix) = &self.prefix {
            writeln!(text, "[names]\nprefix = \"{prefix}\"").unwrap();
        }
        text.push_str("[tags]\n");
        for (key, value) in &self.tags {
            writeln!(text, "\"{key}\" = \"{value}\"").unwrap();
        }
        text
    }

    /// What it wants.
    ///
    /// # Panics
    /// When the parser refuses it: then the generator is wrong, or the parser is.
    pub fn desired(&self) -> Desired {
        let text = self.text();
        match stack::parse("generated.toml", &text, &|_| {
            Err(io::ErrorKind::NotFound.into())
        }) {
            Ok(stack) => Desired::of(&stack),
            Err(problems) => panic!(
                "a generated document is valid: {}",
                stack::report("generated.toml", &text, &problems, false)
            ),
        }
    }
}

/// Any document; the domain lies below `example.edu`, whose parent the sandbox knows.
pub fn documents() -> impl Strategy<Value = Document> {
    (
        domains(),
        prop::bool::weighted(0.85),
        prop::collection::btree_set("[a-z][a-z0-9]{0,20}", 0..3),
        prop::collection::btree_map(
            "[a-zA-Z][a-zA-Z0-9 ._/=+@-]{0,20}[a-z]",
            "[ -!#-\\[\\]-~]{0,30}",
            0..4,
        ),
        prop::option::weighted(0.3, "[a-z][a-z0-9]{0,9}"),
    )
        .prop_map(|(domain, dnssec, admins, tags, prefix)| Document {
            domain,
            dnssec,
            admins: admins.into_iter().collect(),
            tags: tags
                .into_iter()
                // AWS allows letters, digits and a few signs in values; the stack's own words are refused.
                .map(|(key, value)| {
                    (
                        key,
                        value
                            .chars()
                            .filter(|c| is_tag_char(*c))
                            .collect::<String>()
                            .trim()
                            .to_owned(),
                    )
                })
                .filter(|(key, _)| !key.starts_with("aws") && !key.starts_with("spore"))
                .collect(),
            prefix,
        })
}

fn is_tag_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c)
}

/// Documents that the sandbox's caller, the account's root, can apply: KMS refuses a policy under which
/// its own author could not change it, so keys with named administrators are theirs to make.
pub fn applicable() -> impl Strategy<Value = Document> {
    documents().prop_map(|document| Document {
        admins: Vec::new(),
        ..document
    })
}

/// Short names, names with hyphens and digits, and names that are as long as a zone may be here.
fn domains() -> impl Strategy<Value = String> {
    let label = "[a-z]([a-z0-9]|-[a-z0-9]){0,8}";
    let long = "[a-z][a-z0-9]{50,62}";
    prop_oneof![
        4 => label.prop_map(|label| format!("{label}.example.edu")),
        2 => (label, label).prop_map(|(a, b)| format!("{a}.{b}.example.edu")),
        1 => long.prop_map(|label| format!("{label}.example.edu")),
    ]
}
