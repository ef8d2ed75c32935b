//! What a failed call means for the run: the classes of failure, and how long each is worth waiting for.
//!
//! One table turns AWS's typed codes into classes. Where one code has two meanings the message
//! decides, from a closed list; an unknown text takes the safe meaning.

use std::time::Duration;

/// The meaning of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A rate limit: the same call later.
    Throttled,
    /// Another change of the same object is under way: the same call later.
    Busy,
    /// AWS does not see yet what was written a moment ago: the same call later, for a short time.
    Propagating,
    /// No answer, or one that does not say whether it was carried out.
    Unanswered,
    /// The object is there already.
    AlreadyThere,
    /// The object is gone.
    Gone,
    /// The caller may not.
    Denied,
    /// Credentials are missing, wrong or expired.
    Credentials,
    /// A quota, which waiting does not lift.
    Quota,
    /// The parent zone still vouches for this zone's keys, or AWS could not tell.
    StillTrusted,
    /// The request was understood and refused.
    Refused,
    /// Nothing this table knows. Never retried for a write.
    Unknown,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {}{message}", code_prefix(.code))]
pub struct Failure {
    /// Such as `route53:CreateHostedZone`.
    pub operation: String,
    /// Its meaning.
    pub class: Class,
    /// AWS's code; empty when there was no answer.
    pub code: String,
    /// AWS's text, or what happened instead of an answer.
    pub message: String,
}

fn code_prefix(code: &str) -> String {
    if code.is_empty() {
        String::new()
    } else {
        format!("{code}: ")
    }
}

/// The class of an error answer. `code` is AWS's error code, `status` the HTTP status.
pub fn classify(operation: &str, code: &str, message: &str, status: u16) -> Class {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ThrottledException" => Class::Throttled,
        // Lambda made neither role nor trust visible to itself yet: this text only, as the same code
        // means real mistakes (aws-facts section 2; aws-sdk-js issue 3498).
        "InvalidParameterValueException" if message.contains("cannot be assumed by Lambda") => {
            Class::Propagating
        }
        // API Gateway does not see the new logging role, or its trust, yet.
        // ("The role ARN does not have required permissions configured", "API Gateway could not
        // successfully write to CloudWatch Logs using the ARN specified"), nor a stage the account's
        // new setting ("CloudWatch Logs role ARN must be set in account settings to enable logging").
        "BadRequestException"
            if (operation == "apigateway:UpdateAccount" && message.contains("role"))
                || (["apigateway:UpdateAccount", "apigateway:UpdateStage"]
                    .contains(&operation)
                    && message.contains("CloudWatch Logs")) =>
        {
            Class::Propagating
        }
        // One code, two meanings: the object exists, or another change of it is under way.
        "ResourceConflictException" | "ConflictException" => {
            let makes = ["Create", "AddPermission", "Put"];
            let name = operation.split(':').nth(1).unwrap_or_default();
            let is_there = message.contains("already exist") || message.contains("exists");
            if is_there && makes.iter().any(|verb| name.starts_with(verb)) {
                Class::AlreadyThere
            } else {
                Class::Busy
            }
        }
        "PriorRequestNotComplete"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "OperationAbortedException" => Class::Busy,
        // Right after our own CreateKey or PutKeyPolicy, Route 53 may not see the key or its policy
        // yet (aws-facts section 2: "can be propagation: retry for a short, bounded time").
        "InvalidKMSArn" => Class::Propagating,
        // Only while signing is taken down: two meanings, told apart by the text; neither may be
        // forced. (Terraform's provider retries blindly; report 1 of the peers' lessons.)
        "KeySigningKeyInParentDSRecord" => {
            if message.contains("DNS lookup failure") {
                Class::Busy
            } else {
                Class::StillTrusted
            }
        }
        "HostedZoneAlreadyExists"
        | "KeySigningKeyAlreadyExists"
        | "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "QueryLoggingConfigAlreadyExists"
        | "AlreadyExistsException"
        | "ResourceAlreadyExistsException" => Class::AlreadyThere,
        "NoSuchHostedZone"
        | "NoSuchKeySigningKey"
        | "ResourceNotFoundException"
        | "NotFoundException"
        | "NoSuchEntity"
        | "NoSuchEntityException"
        | "NoSuchQueryLoggingConfig"
        | "ResourceNotFound"
        | "NoSuchChange" => Class::Gone,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => {
            Class::Denied
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature" => Class::Credentials,
        "TooManyHostedZones"
        | "TooManyKeySigningKeys"
        | "LimitExceededException"
        | "LimitExceeded"
        | "CodeStorageExceededException"
        | "LimitsExceeded" => Class::Quota,
        // A key that is scheduled for deletion already is what ScheduleKeyDeletion is asked for.
        "KMSInvalidStateException"
            if operation == "kms:ScheduleKeyDeletion" && message.contains("pending deletion") =>
        {
            Class::Gone
        }
        _ if status >= 500 => Class::Unanswered,
        "" => Class::Unknown,
        _ if (400..500).contains(&status) => Class::Refused,
        _ => Class::Unknown,
    }
}

/// How long a class is retried, counted from the first failure of the step; `None`: not at all.
pub fn patience(class: Class) -> Option<Duration> {
    match class {
        // Route 53 answers a full bucket within seconds; five minutes outlast other users' bursts.
        Class::Throttled => Some(Duration::from_secs(300)),
        // Our own batch before may be what keeps a zone busy: 20 batches, as the TTLs of 10,000 records
        // need, with a pause of 16 s after each.
        Class::Busy => Some(Duration::from_secs(600)),
        Class::Propagating => Some(Duration::from_secs(120)),
        Class::Unanswered => Some(Duration::from_secs(60)),
        Class::AlreadyThere
        | Class::Gone
        | Class::Denied
        | Class::Credentials
        | Class::Quota
        | Class::StillTrusted
        | Class::Refused
        | Class::Unknown => None,
    }
}

/// The pause before attempt `number + 1` of a call (the first attempt is number 1): 1, 2, 4, ... 16 s.
pub fn pause(number: u32) -> Duration {
    Duration::from_secs(1 << number.saturating_sub(1).min(4))
}

/// The pause before poll `number + 1`: early polls first (2 s), then half as long again each, to 10 s.
pub fn poll(number: u32) -> Duration {
    let millis = (0..number).fold(2_000_u64, |pause, _| (pause * 3 / 2).min(10_000));
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_documented_meaning() {
        let check = |operation, code, message, status, class| {
            assert_eq!(
                classify(operation, code, message, status),
                class,
                "{code} {message}"
            );
        };
        let r53 = "route53:ChangeResourceRecordSets";
        check(r53, "Throttling", "Rate exceeded", 400, Class::Throttled);
        check(r53, "PriorRequestNotComplete", "", 400, Class::Busy);
        check(r53, "InvalidChangeBatch", "", 400, Class::Refused);
        check(r53, "", "", 503, Class::Unanswered);
        check(r53, "InternalFailure", "", 500, Class::Unanswered);
        check(r53, "", "", 0, Class::Unknown);
        let disable = "route53:DisableHostedZoneDNSSEC";
        let code = "KeySigningKeyInParentDSRecord";
        check(
            disable,
            code,
            "the parent has a DS",
            400,
            Class::StillTrusted,
        );
        check(
            disable,
            code,
            "Due to DNS lookup failure, we cannot",
            400,
            Class::Busy,
        );
        check(
            "kms:CreateKey",
            "LimitExceededException",
            "",
            400,
            Class::Quota,
        );
        check(
            "kms:CreateKey",
            "MalformedPolicyDocumentException",
            "",
            400,
            Class::Refused,
        );
        let bad = "BadRequestException";
        let (account, stage) = ("apigateway:UpdateAccount", "apigateway:UpdateStage");
        let no_right = "The role ARN does not have required permissions configured.";
        let unset = "CloudWatch Logs role ARN must be set in account settings to enable logging";
        check(account, bad, no_right, 400, Class::Propagating);
        check(stage, bad, unset, 400, Class::Propagating);
        check(stage, bad, "Invalid patch path", 400, Class::Refused);
        check(
            "sts:GetCallerIdentity",
            "ExpiredToken",
            "",
            403,
            Class::Credentials,
        );
    }

    #[test]
    fn polls_come_early_and_then_back_off() {
        let pauses: Vec<_> = (0..6).map(|n| poll(n).as_millis()).collect();
        assert_eq!(pauses, [2_000, 3_000, 4_500, 6_750, 10_000, 10_000]);
    }
}
