//! Names a document may choose itself: of AWS objects, of tags, of people.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde_json::{Value, json};

use super::diagnostics::{Problem, quoted};
use super::form::{Form, Item, Refused};

/// A text that fits one sort of name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named<K> {
    text: String,
    sort: PhantomData<K>,
}

/// A sort of name: which characters, how many.
pub trait NameSort: Sized {
    /// What such a name is.
    const IS: &'static str;
    /// The characters allowed, in words.
    const CHARS: &'static str;
    /// Whether a character is allowed.
    fn allows(c: char) -> bool;
    /// The shortest and the longest.
    const LENGTH: (usize, usize);
    /// What else must hold.
    fn why_not(_text: &str) -> Option<&'static str> {
        None
    }
}

/// What AWS objects named by this tool begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prefix {}
/// A KMS alias, without `alias/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyAlias {}
/// A key-signing key in Route 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ksk {}
/// An IAM role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {}
/// An IAM path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IamPath {}
/// A Lambda function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {}
/// A REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestApi {}
/// A stage of a REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {}
/// A file beside the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileName {}
/// A person, a group, an address, a reason: one line for people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {}
/// The exact name or ARN of something others maintain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exact {}
/// The key of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagKey {}
/// The key of a tag somebody else may have set, AWS included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveTagKey {}
/// The value of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagValue {}

impl NameSort for Prefix {
    const IS: &'static str = "a prefix";
    // The characters every AWS name accepts, KSK names (no hyphen) and aliases (no dot) included.
    const CHARS: &'static str = "lower-case letters and digits";
    const LENGTH: (usize, usize) = (1, 20);
    fn allows(c: char) -> bool {
        c.is_ascii_lowercase() || c.is_ascii_digit()
    }
}

impl NameSort for KeyAlias {
    const IS: &'static str = "a KMS alias without `alias/`";
    const CHARS: &'static str = "letters, digits, slash, underscore and hyphen";
    const LENGTH: (usize, usize) = (1, 250);
    fn allows(c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-')
    }
    fn why_not(text: &str) -> Option<&'static str> {
        // KMS API, CreateAlias: aliases that begin with alias/aws/ are AWS's own.
        if text.starts_with("aws/") {
            return Some("begins with `aws/`, which is reserved for AWS");
        }
        text.starts_with("alias/")
            .then_some("has `alias/`, which is added by itself")
    }
}

impl NameSort for Ksk {
    // Route 53 API, CreateKeySigningKey.
    const IS: &'static str = "a KSK name";
    const CHARS: &'static str = "letters, digits and underscore";
    const LENGTH: (usize, usize) = (3, 128);
    fn allows(c: char) -> bool {
        c.is_ascii_alphanumeric() || c == '_'
    }
}

impl NameSort for RoleName {
    // IAM API, CreateRole.
    const IS: &'static str = "a role name";
    const CHARS: &'static str = "letters, digits and _+=,.@-";
    const LENGTH: (usize, usize) = (1, 64);
    fn allows(c: char) -> bool {
        c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
    }
}

impl NameSort for IamPath {
    // IAM API, CreateRole: pathType.
    const IS: &'static str = "an IAM path such as \"/dns/\"";
    const CHARS: &'static str = "printable ASCII without spaces";
    const LENGTH: (usize, usize) = (1, 512);
    fn allows(c: char) -> bool {
        c.is_ascii_graphic()
    }
    fn why_not(text: &str) -> Option<&'static str> {
        (!text.starts_with('/') || !text.ends_with('/')).then_some("does not begin and end with /")
    }
}

impl NameSort for Function {
    // Lambda API, CreateFunction.
    const IS: &'static str = "a function name";
    const CHARS: &'static str = "letters, digits, underscore and hyphen";
    const LENGTH: (usize, usize) = (1, 64);
    fn allows(c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
    }
}

impl NameSort for RestApi {
    // Narrower than API Gateway: the name is a metric dimension and a part of alarm names.
    const IS: &'static str = "an API name";
    const CHARS: &'static str = "letters, digits, underscore, hyphen and dot";
    const LENGTH: (usize, usize) = (1, 128);
    fn allows(c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
    }
}

impl NameSort for Stage {
    // API Gateway API, CreateStage.
    const IS: &'static str = "a stage name";
    const CHARS: &'static str = "letters, digits, underscore and hyphen";
    const LENGTH: (usize, usize) = (1, 128);
    fn allows(c: char) -> bool {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
    }
}

impl NameSort for FileName {
    const IS: &'static str = "a file name, relative to the document";
    const CHARS: &'static str = "printable characters";
    const LENGTH: (usize, usize) = (1, 1024);
    fn allows(c: char) -> bool {
        !c.is_control()
    }
}

impl NameSort for Line {
    const IS: &'static str = "one line of text";
    const CHARS: &'static str = "printable characters";
    // Five of them fit an alarm description of 1,024 characters (CloudWatch API, PutMetricAlarm).
    const LENGTH: (usize, usize) = (1, 200);
    fn allows(c: char) -> bool {
        !c.is_control()
    }
    fn why_not(text: &str) -> Option<&'static str> {
        text.trim().is_empty().then_some("is blank")
    }
}

impl NameSort for Exact {
    const IS: &'static str = "one exact name or ARN";
    const CHARS: &'static str = "printable ASCII without spaces and wildcards";
    // IAM API: the longest ARN.
    const LENGTH: (usize, usize) = (1, 2048);
    fn allows(c: char) -> bool {
        c.is_ascii_graphic() && c != '*'
    }
}

impl NameSort for TagKey {
    // Resource Groups Tagging API, TagResources; the narrowest of the services' rules.
    const IS: &'static str = "the key of a tag";
    const CHARS: &'static str = "letters, digits, space and _.:/=+-@";
    const LENGTH: (usize, usize) = (1, 128);
    fn allows(c: char) -> bool {
        is_tag_char(c)
    }
    fn why_not(text: &str) -> Option<&'static str> {
        let lower = text.to_lowercase();
        if lower.starts_with("aws:") {
            return Some("begins with `aws:`, which is reserved for AWS");
        }
        lower
            .starts_with("spore:")
            .then_some("begins with `spore:`, which is reserved for this tool")
    }
}

impl NameSort for LiveTagKey {
    const IS: &'static str = TagKey::IS;
    const CHARS: &'static str = TagKey::CHARS;
    const LENGTH: (usize, usize) = TagKey::LENGTH;
    fn allows(c: char) -> bool {
        is_tag_char(c)
    }
}

impl NameSort for TagValue {
    const IS: &'static str = "the value of a tag";
    const CHARS: &'static str = TagKey::CHARS;
    const LENGTH: (usize, usize) = (0, 256);
    fn allows(c: char) -> bool {
        is_tag_char(c)
    }
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]` (Resource Groups Tagging API). Rust's letters include the vowel
/// signs of Indic scripts, which are not `\p{L}`: those AWS refuses when the tag is set.
fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || "_.:/=+-@ ".contains(c)
}

impl<K> Named<K> {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K: NameSort> FromStr for Named<K> {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (shortest, longest) = K::LENGTH;
        let hint = format!(
            "{} has {shortest} to {longest} characters: {}",
            K::IS,
            K::CHARS
        );
        let refused =
            |why: &str| Refused::new(format!("{} {why}", quoted(text))).with_hint(hint.clone());
        if let Some(other) = text.chars().find(|c| !K::allows(*c)) {
            return Err(refused(&format!("contains {}", quoted(&other.to_string()))));
        }
        match text.chars().count() {
            0 if shortest > 0 => return Err(refused("is empty")),
            count if count < shortest => return Err(refused("is too short")),
            count if count > longest => return Err(refused("is too long")),
            _ => {}
        }
        if let Some(why) = K::why_not(text) {
            return Err(refused(why));
        }
        Ok(Self {
            text: text.to_owned(),
            sort: PhantomData,
        })
    }
}

impl<K> fmt::Display for Named<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<K: NameSort> Form for Named<K> {
    fn expected() -> String {
        format!("{} in quotes", K::IS)
    }

    fn schema() -> Value {
        let (shortest, longest) = K::LENGTH;
        json!({ "type": "string", "minLength": shortest, "maxLength": longest })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

/// A tag an instance must have, written `"key=value"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredTag {
    /// Its key, `aws:` included: those tags an instance's owner cannot set.
    pub key: Named<LiveTagKey>,
    /// Its exact value.
    pub value: Named<TagValue>,
}

impl FromStr for RequiredTag {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(Refused::new(format!("{} is not a tag", quoted(text)))
                .with_hint("write \"key=value\"".to_owned()));
        };
        Ok(Self {
            key: key.parse()?,
            value: value.parse()?,
        })
    }
}

impl Form for RequiredTag {
    fn expected() -> String {
        "a tag in quotes, such as \"spawn:managed=true\"".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[^=]+=" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<K: NameSort + fmt::Debug>(text: &str, expected: Result<(), &str>) {
        match (text.parse::<Named<K>>(), expected) {
            (Ok(name), Ok(())) => assert_eq!(name.as_str(), text),
            (Err(refused), Err(part)) => {
                assert!(refused.to_string().contains(part), "{text}: {refused}");
            }
            (other, _) => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn names_follow_their_service() {
        check::<Ksk>("spore_example_edu", Ok(()));
        check::<Ksk>("spore-host-ksk", Err("contains `-`"));
        check::<Ksk>("ab", Err("too short"));
        check::<KeyAlias>("spore/example", Ok(()));
        check::<KeyAlias>("alias/spore", Err("added by itself"));
        check::<KeyAlias>("aws/spore", Err("reserved"));
        check::<IamPath>("/", Ok(()));
        check::<IamPath>("/dns/", Ok(()));
        check::<IamPath>("dns", Err("begin and end"));
        check::<Exact>("arn:aws:iam::123456789012:policy/*", Err("contains `*`"));
        check::<Line>(" ", Err("blank"));
        check::<Line>("two\nlines", Err("contains `\\n`"));
        check::<Stage>("", Err("is empty"));
    }

    #[test]
    fn tags_follow_aws_and_keep_both_reserved_prefixes_free() {
        check::<TagKey>("cost center", Ok(()));
        check::<TagKey>("größe", Ok(()));
        check::<TagKey>("spawn:managed", Ok(()));
        check::<TagKey>("aws:x", Err("reserved for AWS"));
        check::<TagKey>("AWS:x", Err("reserved for AWS"));
        check::<TagKey>("spore:stack", Err("reserved for this tool"));
        check::<TagKey>("a&b", Err("contains `&`"));
        check::<TagKey>("", Err("is empty"));
        check::<TagKey>(&"k".repeat(129), Err("too long"));
        check::<TagValue>("", Ok(()));
        check::<TagValue>(&"v".repeat(257), Err("too long"));
    }
}
