//! Changes: PENDING until every name server of the zone serves them, then INSYNC.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::served::{Before, Pending};
use super::{ID_LETTERS, bare, needs, seconds, typed};
use crate::profile::Profile;
use crate::world::{AwsError, Caller, Operation, Random, World};

pub(super) static OPERATIONS: &[Operation] = &[Operation {
    name: "GetChange",
    needs: |_, _, input| needs::on("change", "GetChange", input, "Id"),
    run: get_change,
}];

/// One change as GetChange shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Change {
    account: String,
    submitted_at: Timestamp,
    in_sync_at: Timestamp,
    comment: Option<String>,
}

/// How long GetChange knows a change. AWS forgets them too, without saying when.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

/// When each of a zone's servers has a change that was made at `now`.
///
/// AWS: "changes generally propagate to all Route 53 name servers within 60 seconds"
/// (API reference, GetChange). One server takes the whole time, the others are current earlier.
pub(super) fn arrivals(profile: Profile, random: &mut Random, now: Timestamp) -> [Timestamp; 4] {
    let whole_millis = match profile {
        Profile::Aws => 30_000 + random.next() % 30_001,
        Profile::Fast => 2_000,
        Profile::Instant => return [now; 4],
    };
    let slowest = random.next() % 4;
    [0, 1, 2, 3].map(|server| {
        let millis = if server == slowest {
            whole_millis
        } else {
            whole_millis / 4 + random.next() % (whole_millis / 4 * 3)
        };
        now + Duration::from_millis(millis)
    })
}

/// Makes a change of a zone and returns its ChangeInfo. `zone_id` is one of a zone that exists.
pub(super) fn submit(
    world: &mut World,
    caller: &Caller,
    zone_id: &str,
    comment: Option<String>,
    before: Before,
) -> Value {
    let mut current_at = arrivals(world.profile, &mut world.random, caller.now);
    let mut in_sync_at = current_at;
    if let Some(zone) = world.route53.zones.get_mut(zone_id) {
        let lags = zone.name_servers.map(|number| world.dns.lag(number));
        for (at, lag) in current_at.iter_mut().zip(lags) {
            *at += lag;
        }
        zone.pending
            .retain(|pending| pending.current_at.iter().any(|at| *at > caller.now));
        // A server gets the changes of a zone in their order.
        if let Some(last) = zone.pending.last() {
            for (at, earlier) in current_at.iter_mut().zip(last.current_at) {
                *at = (*at).max(earlier);
            }
        }
        // That a server lags is not seen by what reports changes.
        in_sync_at = current_at;
        for (at, lag) in in_sync_at.iter_mut().zip(lags) {
            *at -= lag;
        }
        zone.pending.push(Pending { current_at, before });
    }
    record(world, caller, in_sync_at, comment)
}

/// Notes a change that reaches the servers at the given times, and returns its ChangeInfo.
pub(super) fn record(
    world: &mut World,
    caller: &Caller,
    current_at: [Timestamp; 4],
    comment: Option<String>,
) -> Value {
    let in_sync_at = current_at.into_iter().max().unwrap_or(caller.now);
    let id = format!("C{}", world.random.text(ID_LETTERS, 20));
    let change = Change {
        account: caller.account.clone(),
        submitted_at: caller.now,
        in_sync_at,
        comment,
    };
    let info = change_info(&id, &change, caller.now);
    let oldest = caller.now - REMEMBERED;
    world
        .route53
        .changes
        .retain(|_, change| change.submitted_at >= oldest);
    world.route53.changes.insert(id, change);
    info
}

fn change_info(id: &str, change: &Change, now: Timestamp) -> Value {
    let status = if change.in_sync_at <= now {
        "INSYNC"
    } else {
        "PENDING"
    };
    let mut info = json!({
        "Id": format!("/change/{id}"),
        "Status": status,
        "SubmittedAt": seconds(change.submitted_at),
    });
    if let Some(comment) = &change.comment {
        info["Comment"] = comment.as_str().into();
    }
    info
}

fn get_change(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        id: String,
    }
    let input: Input = typed(input)?;
    let id = bare("change", &input.id);
    let change = world
        .route53
        .changes
        .get(id)
        .filter(|change| change.account == caller.account)
        .ok_or_else(|| {
            AwsError::new(
                "NoSuchChange",
                format!("Could not find resource with ID: {id}"),
            )
        })?;
    Ok(json!({ "ChangeInfo": change_info(id, change, caller.now) }))
}
