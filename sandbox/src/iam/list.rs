//! Pages of IAM's listings: `Marker`, `MaxItems`, `IsTruncated`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::validation;
use crate::listing::{self, Page};
use crate::world::AwsError;

/// Items of a page when the request does not say how many.
const MAX_ITEMS_DEFAULT: usize = 100;

/// `Marker` and `MaxItems` of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cut {
    marker: Option<String>,
    max_items: Option<usize>,
}

impl Cut {
    /// One page of items that are sorted by key. `of` names the listing, so that no other takes its
    /// markers.
    pub fn page<T>(
        &self,
        of: &str,
        items: impl IntoIterator<Item = (String, T)>,
    ) -> Result<(Vec<T>, Value), AwsError> {
        let after = match &self.marker {
            None => None,
            Some(marker) => {
                Some(listing::after(of, marker).ok_or_else(|| validation("Invalid Marker."))?)
            }
        };
        let most = self.max_items.unwrap_or(MAX_ITEMS_DEFAULT);
        let Page { items, next } = listing::page(items, after.as_deref(), most);
        let mut end = json!({ "IsTruncated": next.is_some() });
        if let Some(next) = next {
            end["Marker"] = listing::token(of, &next).into();
        }
        Ok((items, end))
    }

    /// One page as an answer.
    pub fn answer(
        &self,
        (of, member): (&str, &str),
        items: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Value, AwsError> {
        let (items, mut answer) = self.page(of, items)?;
        answer[member] = items.into();
        Ok(answer)
    }
}
