//! Credential reports: a table of an account's users and their credentials, made on request
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{State, needs};
use crate::profile::Profile;
use crate::world::{AwsError, Caller, Operation, World};

/// A report: as the account was when it was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Report {
    made: Timestamp,
    ready_from: Timestamp,
    csv: String,
}

/// "You can generate a credential report as often as once every four hours."
const VALID: SignedDuration = SignedDuration::from_hours(4);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GenerateCredentialReport",
        needs: |_, _, _| needs::of_all("iam:GenerateCredentialReport"),
        run: generate_credential_report,
    },
    Operation {
        name: "GetCredentialReport",
        needs: |_, _, _| needs::of_all("iam:GetCredentialReport"),
        run: get_credential_report,
    },
];

fn generate_credential_report(
    world: &mut World,
    caller: &Caller,
    _: Value,
) -> Result<Value, AwsError> {
    let now = caller.now;
    let old = world.iam.account(&caller.account);
    let old = old.and_then(|account| account.report.as_ref());
    if let Some(report) = old.filter(|report| now.duration_since(report.made) < VALID) {
        return Ok(if report.ready_from <= now {
            json!({ "State": "COMPLETE" })
        } else {
            json!({ "State": "INPROGRESS" })
        });
    }
    let description = match old {
        None => "No report exists. Starting a new report generation task",
        Some(_) => "Report has expired. Starting a new report generation task",
    };
    // Nobody publishes how long it takes; clients ask every second or two.
    let takes = match world.profile {
        Profile::Aws => Duration::from_secs(2),
        Profile::Fast | Profile::Instant => Duration::ZERO,
    };
    let csv = csv(&world.iam, caller);
    world.iam.account_mut(caller).report = Some(Report {
        made: now,
        ready_from: now.saturating_add(takes).unwrap_or(now),
        csv,
    });
    Ok(json!({ "State": "STARTED", "Description": description }))
}

fn get_credential_report(world: &mut World, caller: &Caller, _: Value) -> Result<Value, AwsError> {
    let report = world.iam.account(&caller.account);
    let Some(report) = report.and_then(|account| account.report.as_ref()) else {
        return Err(AwsError::new(
            "ReportNotPresent",
            "No report exists. Please generate a new report.",
        ));
    };
    if report.ready_from > caller.now {
        return Err(AwsError::new(
            "ReportInProgress",
            "Report generation is in progress.",
        ));
    }
    if caller.now.duration_since(report.made) >= VALID {
        return Err(AwsError::new(
            "ReportExpired",
            "The report has expired. Please generate a new report.",
        ));
    }
    Ok(json!({
        "Content": BASE64.encode(&report.csv),
        "ReportFormat": "text/csv",
        "GeneratedTime": report.made.as_second(),
    }))
}

const COLUMNS: &str = "user,arn,user_creation_time,password_enabled,password_last_used,\
    password_last_changed,password_next_rotation,mfa_active,access_key_1_active,\
    access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
    access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,\
    cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

/// The table. No name or ARN can have a comma but a user's name, which is quoted then.
fn csv(state: &State, caller: &Caller) -> String {
    let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let key = |created: Option<Timestamp>| match created {
        Some(created) => format!("true,{},N/A,N/A,N/A", time(created)),
        None => "false,N/A,N/A,N/A,N/A".to_owned(),
    };
    let certificates = "false,N/A,false,N/A";
    let mut table = format!(
        "{COLUMNS}\n<root_account>,arn:aws:iam::{}:root,{},not_supported,no_information,\
         not_supported,not_supported,false,{},{},{certificates}",
        caller.account,
        time(state.opened(caller)),
        key(None),
        key(None),
    );
    let users = state.account(&caller.account).into_iter();
    for user in users.flat_map(|account| account.users.values()) {
        let quoted = |text: &str| {
            if text.contains(',') {
                format!("\"{text}\"")
            } else {
                text.to_owned()
            }
        };
        let mut created = state.keys_of(user).map(|(_, key)| key.created);
        let keys = [key(created.next()), key(created.next())].join(",");
        table.push_str(&format!(
            "\n{},{},{},false,N/A,N/A,N/A,false,{keys},{certificates}",
            quoted(&user.name),
            quoted(&user.arn),
            time(user.created),
        ));
    }
    table
}
