//! Replacing variables in texts: access log formats, gateway responses, mock responses.
//!
//! These take variables only. A template with more (VTL directives, `$input`, `$util`) is not
//! modelled, which [`only_variables`] tells.

/// Replaces `$context.x`, `$stageVariables.x` and `$method.request.x.y`, each also as `${…}`.
pub(super) fn replaced(
    template: &str,
    value: impl Fn(&str) -> Option<String>,
    none: &str,
) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = match rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
            Some((name, after)) => (name, after),
            None => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
                    .unwrap_or(rest.len());
                // A full stop or hyphen after a variable ends the sentence, not the name.
                let name = rest[..end].trim_end_matches(['.', '-']);
                (name, &rest[name.len()..])
            }
        };
        let is_variable = ["context.", "stageVariables.", "method.request."]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if is_variable {
            out.push_str(&value(name).unwrap_or_else(|| none.to_owned()));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

/// Whether a template needs nothing but variables.
pub(super) fn only_variables(template: &str) -> bool {
    let has_directive = template
        .match_indices('#')
        .any(|(at, _)| template[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()));
    !has_directive && !template.contains("$input") && !template.contains("$util")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let value = |name: &str| match name {
            "context.requestId" => Some("r-1".to_owned()),
            "stageVariables.a" => Some("1".to_owned()),
            _ => None,
        };
        assert_eq!(replaced(template, value, "-"), expected, "{template}");
    }

    #[test]
    fn variables_are_replaced_and_nothing_else() {
        check("{\"id\":\"$context.requestId\"}", "{\"id\":\"r-1\"}");
        check("${context.requestId}x $context.requestId.", "r-1x r-1.");
        check("$stageVariables.a$context.none", "1-");
        check("5 $ and $other.x", "5 $ and $other.x");
        assert!(only_variables("{\"a\":$context.error.messageString} #1"));
        assert!(!only_variables("#set($a = 1)"));
        assert!(!only_variables("$input.json('$')"));
    }
}
