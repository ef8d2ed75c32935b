//! What each operation asks of the key it names: AWS's key-state table, in one place.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>, and each
//! operation's page of the API reference for aliases and for use across accounts.

/// The demands of one operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub operation: &'static str,
    /// Such as `kms:Sign`.
    pub action: &'static str,
    pub names: Names,
    pub reach: Reach,
    pub state: Fit,
}

/// How the key may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Key id or key ARN.
    Key,
    /// Also alias name or alias ARN.
    KeyOrAlias,
}

/// Whose keys may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// "Cross-account use: No."
    OwnAccount,
    /// "Cross-account use: Yes", if the key's policy allows the caller.
    AnyAccount,
}

/// The states in which the operation works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// In every state.
    Any,
    /// Enabled and Disabled; KMSInvalidStateException while deletion is pending.
    NotPendingDeletion,
    /// Enabled; DisabledException, KMSInvalidStateException while deletion is pending.
    Enabled,
    /// PendingDeletion alone.
    PendingDeletion,
}

macro_rules! rules {
    ($($constant:ident $operation:literal $names:ident $reach:ident $state:ident;)*) => {
        $(pub(super) const $constant: Rule = Rule {
            operation: $operation,
            action: concat!("kms:", $operation),
            names: Names::$names,
            reach: Reach::$reach,
            state: Fit::$state,
        };)*

        /// Every rule, for the tests.
        #[cfg(test)]
        pub(super) const ALL: &[Rule] = &[$($constant),*];
    };
}

rules! {
    CANCEL_KEY_DELETION     "CancelKeyDeletion"     Key        OwnAccount PendingDeletion;
    CREATE_ALIAS            "CreateAlias"           Key        OwnAccount NotPendingDeletion;
    CREATE_GRANT            "CreateGrant"           Key        AnyAccount Enabled;
    DECRYPT                 "Decrypt"               KeyOrAlias AnyAccount Enabled;
    DESCRIBE_KEY            "DescribeKey"           KeyOrAlias AnyAccount Any;
    DISABLE_KEY             "DisableKey"            Key        OwnAccount NotPendingDeletion;
    DISABLE_KEY_ROTATION    "DisableKeyRotation"    Key        OwnAccount Enabled;
    ENABLE_KEY              "EnableKey"             Key        OwnAccount NotPendingDeletion;
    ENABLE_KEY_ROTATION     "EnableKeyRotation"     Key        OwnAccount Enabled;
    ENCRYPT                 "Encrypt"               KeyOrAlias AnyAccount Enabled;
    GENERATE_DATA_KEY       "GenerateDataKey"       KeyOrAlias AnyAccount Enabled;
    GET_KEY_POLICY          "GetKeyPolicy"          Key        OwnAccount Any;
    GET_KEY_ROTATION_STATUS "GetKeyRotationStatus"  Key        AnyAccount Any;
    GET_PUBLIC_KEY          "GetPublicKey"          KeyOrAlias AnyAccount Enabled;
    LIST_ALIASES            "ListAliases"           Key        OwnAccount Any;
    LIST_GRANTS             "ListGrants"            Key        AnyAccount Any;
    LIST_KEY_POLICIES       "ListKeyPolicies"       Key        OwnAccount Any;
    LIST_RESOURCE_TAGS      "ListResourceTags"      Key        OwnAccount Any;
    PUT_KEY_POLICY          "PutKeyPolicy"          Key        OwnAccount Any;
    RETIRE_GRANT            "RetireGrant"           Key        AnyAccount Any;
    REVOKE_GRANT            "RevokeGrant"           Key        AnyAccount Any;
    SCHEDULE_KEY_DELETION   "ScheduleKeyDeletion"   Key        OwnAccount NotPendingDeletion;
    SIGN                    "Sign"                  KeyOrAlias AnyAccount Enabled;
    TAG_RESOURCE            "TagResource"           Key        OwnAccount NotPendingDeletion;
    UNTAG_RESOURCE          "UntagResource"         Key        OwnAccount NotPendingDeletion;
    UPDATE_ALIAS            "UpdateAlias"           Key        OwnAccount NotPendingDeletion;
    UPDATE_KEY_DESCRIPTION  "UpdateKeyDescription"  Key        OwnAccount NotPendingDeletion;
    VERIFY                  "Verify"                KeyOrAlias AnyAccount Enabled;
}
