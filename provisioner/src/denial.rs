//! Whose policy refused a call, read from AWS's text, and what to do about it.
//!
//! AWS names the kind of policy in its refusals, for most services (IAM User Guide, "Troubleshoot access
//! denied error messages"): "because no ... policy allows the ... action", which is an implicit denial,
//! or "with an explicit deny in a ...". What the text does not say is not guessed. Only the hint is
//! derived from the text; nothing is decided by it.

use std::fmt;

/// The kind of policy that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Of the caller itself.
    Identity,
    /// The ceiling on the caller's rights.
    Boundary,
    /// Given when the session was made.
    Session,
    /// Of the organisation, for the caller's account.
    ServiceControl,
    /// Of the organisation, for resources.
    ResourceControl,
    /// Of the object that the call was about.
    Resource,
    /// Of the role that was to be assumed.
    Trust,
    /// Of the VPC endpoint that the call went through.
    Endpoint,
}

/// The kinds as AWS's texts name them.
const LAYERS: [(&str, Layer); 8] = [
    ("identity-based policy", Layer::Identity),
    ("permissions boundary", Layer::Boundary),
    ("session policy", Layer::Session),
    ("service control policy", Layer::ServiceControl),
    ("resource control policy", Layer::ResourceControl),
    ("resource-based policy", Layer::Resource),
    ("role trust policy", Layer::Trust),
    ("VPC endpoint policy", Layer::Endpoint),
];

/// What a refusal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The action, such as `kms:CreateKey`; the operation where the text names none.
    pub action: String,
    /// The resource, as AWS judged it; none where the text names none.
    pub resource: Option<String>,
    /// Whose policy, if the text says so.
    pub layer: Option<Layer>,
    /// Whether a statement denies it; else nothing allows it.
    pub is_explicit: bool,
}

impl Denial {
    /// Reads the text of a refused call.
    pub fn read(operation: &str, message: &str) -> Self {
        let after = |mark: &str| {
            let rest = message.split_once(mark)?.1.trim_start();
            let word = rest.split([' ', ',', '\n']).next()?;
            // The account's own text may end in a full stop; ARNs and `*` never do.
            let word = word.trim_end_matches('.');
            (!word.is_empty()).then(|| word.to_owned())
        };
        let (is_explicit, kind) = match message.split_once("with an explicit deny in ") {
            Some((_, kind)) => (true, kind),
            None => (
                false,
                message
                    .split_once("because no ")
                    .map_or("", |(_, kind)| kind),
            ),
        };
        let kind = ["the ", "an ", "a "]
            .iter()
            .find_map(|article| kind.strip_prefix(article))
            .unwrap_or(kind);
        let layer = LAYERS
            .iter()
            .find(|(name, _)| kind.starts_with(name))
            .map(|(_, layer)| *layer);
        Self {
            action: after("not authorized to perform: ").unwrap_or_else(|| operation.to_owned()),
            resource: after("on resource: ").or_else(|| after("on the resource: ")),
            layer,
            is_explicit,
        }
    }
}

impl fmt::Display for Denial {
    /// What to change, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = &self.action;
        let on = match self.resource.as_deref() {
            Some(resource) if resource != "*" => format!(" on {resource}"),
            Some(_) | None => String::new(),
        };
        let (which, whose) = match self.layer {
            Some(Layer::Identity) => (
                "the policies of whoever runs this",
                "`spore-infra policy operator` (or `reader`, for plan) prints what they need",
            ),
            Some(Layer::Boundary) => (
                "the permissions boundary of whoever runs this",
                "policies of the identity cannot go beyond it",
            ),
            Some(Layer::Session) => (
                "the session policy",
                "assume the role without one, or with a wider one",
            ),
            Some(Layer::ServiceControl) => (
                "a service control policy of the organisation",
                "no policy in this account can; ask those who administer the organisation",
            ),
            Some(Layer::ResourceControl) => (
                "a resource control policy of the organisation",
                "no policy in this account can; ask those who administer the organisation",
            ),
            Some(Layer::Resource) if action.starts_with("kms:") => (
                "the key's own policy",
                "KMS asks it first, and the policies of an identity count only as far as it says so",
            ),
            Some(Layer::Resource) => (
                "the resource's own policy",
                "it is asked besides the identity's",
            ),
            Some(Layer::Trust) => ("the role's trust policy", "it says who may assume the role"),
            Some(Layer::Endpoint) => (
                "the policy of the VPC endpoint that the call goes through",
                "or call from outside that network",
            ),
            None => {
                return write!(
                    f,
                    "AWS does not say whose policy refuses {action}{on}; compare with `spore-infra policy \
                     requirements`"
                );
            }
        };
        if self.is_explicit {
            write!(
                f,
                "{which} denies {action}{on}, whatever else allows it: change that statement; {whose}"
            )
        } else {
            write!(f, "{which} must allow {action}{on}; {whose}")
        }
    }
}

/// AWS's text of a refusal with what to do about it, and without encoded parts: those hold details of
/// policies that only who may call sts:DecodeAuthorizationMessage is meant to read.
pub fn explained(operation: &str, message: &str) -> String {
    const ENCODED: &str = "ncoded authorization failure message:";
    let shown = match message.split_once(ENCODED) {
        None => message.to_owned(),
        Some((before, after)) => {
            let after = after.trim_start();
            let rest = after.split_once(char::is_whitespace).map_or("", |it| it.1);
            format!("{before}{ENCODED} (left out) {rest}")
                .trim_end()
                .to_owned()
        }
    };
    format!("{shown}; {}", Denial::read(operation, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the IAM User Guide's page, for a user, and what each says.
    #[test]
    fn aws_texts_are_told_apart() {
        let user = "User: arn:aws:iam::777788889999:user/JohnDoe is not authorized to perform: ";
        let check = |end: &str, action, resource: Option<&str>, layer, is_explicit| {
            let expected = Denial {
                action: String::from(action),
                resource: resource.map(str::to_owned),
                layer,
                is_explicit,
            };
            assert_eq!(Denial::read("a:B", &format!("{user}{end}")), expected);
        };
        let list = "codecommit:ListRepositories";
        for (kind, layer) in [
            ("service control policy", Layer::ServiceControl),
            ("resource control policy", Layer::ResourceControl),
            ("VPC endpoint policy", Layer::Endpoint),
            ("permissions boundary", Layer::Boundary),
            ("session policy", Layer::Session),
            ("resource-based policy", Layer::Resource),
            ("identity-based policy", Layer::Identity),
            ("role trust policy", Layer::Trust),
        ] {
            let implicit = format!("{list} because no {kind} allows the {list} action");
            check(&implicit, list, None, Some(layer), false);
            for article in ["a", "an", "the"] {
                let explicit =
                    format!("{list} on resource: * with an explicit deny in {article} {kind}");
                check(&explicit, list, Some("*"), Some(layer), true);
            }
        }
        // With the policy's ARN, as newer texts have it.
        check(
            "kms:CreateKey on resource: * with an explicit deny in a service control policy: \
             arn:aws:organizations::777788889999:policy/o-1/service_control_policy/p-1",
            "kms:CreateKey",
            Some("*"),
            Some(Layer::ServiceControl),
            true,
        );
        check("a:C", "a:C", None, None, false);
    }

    #[test]
    fn a_text_that_says_nothing_is_not_guessed_at() {
        let denial = Denial::read("route53:GetDNSSEC", "Access Denied");
        assert_eq!((denial.layer, denial.resource.as_deref()), (None, None));
        assert!(denial.to_string().contains("route53:GetDNSSEC"));
    }

    #[test]
    fn encoded_parts_are_not_shown() {
        let text = "You are not authorized to perform this operation. Encoded authorization failure \
                    message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abcdef_xyz more";
        let shown = explained("ec2:DescribeInstances", text);
        assert!(!shown.contains("4GIOHl"), "{shown}");
        assert!(shown.contains("(left out) more"), "{shown}");
    }
}
