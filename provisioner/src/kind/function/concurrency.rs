//! How many copies of the function may run at once. What cannot be reserved is said, and less than that is
//! taken back: with 0, the console's "Throttle", nothing runs at all.

use super::Op;
use crate::addr::Addr;
use crate::desired::Desired;
use crate::kind;
use crate::plan::{After, Draft, Field, Lowered, Report, StepId};
use crate::snapshot::Snapshot;

/// Copies that may run at once: what one caller can ask for at most is the document's rate times this,
/// and no flood takes the account's whole concurrency.
pub(super) const CONCURRENCY: i32 = 10;
/// Concurrency that Lambda keeps unreserved for an account's other functions
/// (PutFunctionConcurrency).
const UNRESERVED_MIN: i32 = 100;

/// Reserved concurrency, where the account has enough of it.
pub(super) fn reserve(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    live: Option<i32>,
    fields: &mut Vec<Field>,
    lowered: &mut Lowered,
) {
    let free = match &snapshot.unreserved_concurrency {
        // What it has already, it can have less of.
        _ if live.is_some_and(|live| live > CONCURRENCY) => Ok(CONCURRENCY),
        Ok(Some(free)) => Ok(*free + live.unwrap_or(0) - UNRESERVED_MIN),
        Ok(None) => Ok(i32::MAX),
        Err(failure) => Err(failure),
    };
    let why_not = match free {
        Ok(free) if free >= CONCURRENCY => None,
        Ok(free) => Some(format!(
            "reserves no concurrency: the account has {} left and Lambda keeps {UNRESERVED_MIN} for \
             others; ask AWS for more (quota \"Concurrent executions\"). Until then a flood of requests \
             can take what other functions need, up to [api] throttle",
            free.saturating_add(UNRESERVED_MIN)
        )),
        Err(failure) => Some(format!(
            "reserves no concurrency, as how much of it is free cannot be read: {failure}"
        )),
    };
    if let Some(what) = why_not {
        let addr = addr.clone();
        lowered.report.push(Report::Warning { addr, what });
        // Less than it has to have is worse than what every function may take: with 0 nothing runs at all.
        if let Some(live) = live {
            fields.push(Field::gone("concurrency", live.to_string()));
            let name = desired.function_name();
            let op = kind::Op::Function(Op::DropConcurrency { name });
            lowered.drafts.push(Draft::new("no-concurrency", op));
        }
        return;
    }
    fields.push(Field {
        name: "concurrency".into(),
        before: live.map(|live| live.to_string()),
        after: Some(CONCURRENCY.to_string()),
    });
    lowered.drafts.push(
        Draft::new(
            "concurrency",
            kind::Op::Function(Op::SetConcurrency {
                name: desired.function_name(),
                copies: CONCURRENCY,
            }),
        )
        .after(After::Settled(StepId::new(addr, "create"))),
    );
}
