//! Forms of ids as AWS writes them, each rule once. Whether there is such a thing nobody asks here.

/// An account: 12 digits (AWS Account Management Reference Guide, "AWS account identifiers").
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An instance: `i-` and 8 hex digits until 2016, 17 since (EC2 User Guide, "Resource IDs").
pub(crate) fn is_instance_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && is_lower_hex(digits)
}

/// A role, by its unique id: `AROA...` (IAM User Guide, "IAM identifiers"; IAM API Reference, `RoleId`).
pub(crate) fn is_role_id(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    text.starts_with("AROA") && (16..=128).contains(&text.len()) && text.bytes().all(is_char)
}

/// Hex digits in lower case, however many.
pub(crate) fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
