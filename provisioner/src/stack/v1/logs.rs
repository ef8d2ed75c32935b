//! Version 1 of `[logs]`: what is logged, how long.

use serde_json::{Value, json};

use crate::stack::Logs;
use crate::stack::diagnostics::Problem;
use crate::stack::form::{Form, Item, Whole};
use crate::stack::table::Table;

pub(super) fn logs(t: &mut Table<'_>) -> Logs {
    Logs {
        retention_days: t
            .or::<Retention>("retention-days", "30", "Days a log event is kept.")
            .0,
        encrypt: t.or(
            "encrypt",
            "true",
            "Whether log groups have a key of the stack.",
        ),
        // Off, because a query log holds the address of every resolver, often with a part of its
        // client's (RFC 7871): personal data that no protection of the stack needs.
        queries: t.or(
            "queries",
            "false",
            "Whether Route 53 logs every question. It holds addresses of people who ask.",
        ),
    }
}

/// A retention CloudWatch Logs offers (API, PutRetentionPolicy). "Never" is not among them here.
struct Retention(u16);

const RETENTIONS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

impl Form for Retention {
    fn expected() -> String {
        "a number of days that CloudWatch Logs offers".to_owned()
    }

    fn schema() -> Value {
        json!({ "enum": RETENTIONS })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        let days = Whole::<1, { u16::MAX as u32 }>::read(item)?.0;
        RETENTIONS
            .iter()
            .find(|offered| u32::from(**offered) == days)
            .map(|days| Self(*days))
            .ok_or_else(|| {
                let longer = RETENTIONS
                    .iter()
                    .find(|offered| u32::from(**offered) > days);
                let hint = match longer {
                    Some(longer) => format!("the next longer one it offers is {longer}"),
                    None => "the longest it offers is 3653".to_owned(),
                };
                vec![
                    item.problem(format!("{days} is not {}", Self::expected()))
                        .with_hint(hint),
                ]
            })
    }
}
