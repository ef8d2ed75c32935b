//! GetResources and GetTagKeys.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::owner::indexed;
use super::tag_set::Tags;
use super::{invalid, read};
use crate::listing::{self, Page};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "GetResources",
        needs: |_, _, _| vec![Need::new("tag:GetResources", "*")],
        run: get_resources,
    },
    Operation {
        name: "GetTagKeys",
        needs: |_, _, _| vec![Need::new("tag:GetTagKeys", "*")],
        run: get_tag_keys,
    },
];

/// Resources in a page, unless the request says so; AWS documents the bounds and no default.
const RESOURCES_DEFAULT: usize = 50;
const RESOURCES_MAX: usize = 100;

/// Keys in a page; AWS documents no number.
const KEYS_PER_PAGE: usize = 100;

/// "A PaginationToken is valid for a maximum of 15 minutes."
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetResources {
    pagination_token: Option<String>,
    tag_filters: Option<Vec<TagFilter>>,
    resources_per_page: Option<usize>,
    tags_per_page: Option<usize>,
    resource_type_filters: Option<Vec<String>>,
    include_compliance_details: Option<bool>,
    exclude_compliant_resources: Option<bool>,
    #[serde(rename = "ResourceARNList")]
    resource_arn_list: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagFilter {
    key: Option<String>,
    values: Option<Vec<String>>,
}

impl TagFilter {
    /// The key with one of the values; with any value if none is listed.
    fn accepts(&self, tags: &Tags) -> bool {
        let value = self.key.as_ref().and_then(|key| tags.get(key));
        match (value, self.values.as_deref().unwrap_or_default()) {
            (None, _) => false,
            (Some(_), []) => true,
            (Some(value), wanted) => wanted.contains(value),
        }
    }
}

impl GetResources {
    fn check(&self) -> Result<(), AwsError> {
        if self.include_compliance_details == Some(true)
            || self.exclude_compliant_resources == Some(true)
        {
            return Err(AwsError::not_modelled(
                "tag:GetResources with compliance details",
            ));
        }
        let others = self.has_filters() || self.has_page_members();
        if self.resource_arn_list.is_some() && others {
            return Err(invalid(
                "ResourceARNList excludes TagFilters, ResourceTypeFilters and all pagination \
                 parameters",
            ));
        }
        if self
            .tag_filters
            .iter()
            .flatten()
            .any(|filter| filter.key.is_none())
        {
            return Err(invalid("Each TagFilter must contain a key"));
        }
        if let Some(bad) = self
            .resource_type_filters
            .iter()
            .flatten()
            .find(|f| !is_type(f))
        {
            return Err(invalid(format!("Invalid resource type filter '{bad}'")));
        }
        if self
            .resources_per_page
            .is_some_and(|n| !(1..=RESOURCES_MAX).contains(&n))
        {
            return Err(invalid("ResourcesPerPage must be between 1 and 100"));
        }
        if self
            .tags_per_page
            .is_some_and(|n| !(100..=500).contains(&n) || n % 100 != 0)
        {
            return Err(invalid(
                "TagsPerPage must be between 100 and 500, in steps of 100",
            ));
        }
        Ok(())
    }

    fn has_filters(&self) -> bool {
        self.tag_filters
            .as_ref()
            .is_some_and(|filters| !filters.is_empty())
            || self
                .resource_type_filters
                .as_ref()
                .is_some_and(|filters| !filters.is_empty())
    }

    fn has_page_members(&self) -> bool {
        self.resources_per_page.is_some()
            || self.tags_per_page.is_some()
            || self
                .pagination_token
                .as_ref()
                .is_some_and(|token| !token.is_empty())
    }

    /// How many of these resources fit in one page.
    fn page_size(&self, resources: &[(String, &Tags)]) -> usize {
        let Some(tags_max) = self.tags_per_page else {
            return self.resources_per_page.unwrap_or(RESOURCES_DEFAULT);
        };
        let mut tags = 0;
        let fits = resources.iter().take_while(|(_, of_one)| {
            // "A resource with no tags is counted as having one tag."
            tags += of_one.len().max(1);
            tags <= tags_max
        });
        fits.count()
            .min(self.resources_per_page.unwrap_or(usize::MAX))
    }
}

/// A resource is found if it satisfies every tag filter and one of the type filters.
fn get_resources(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetResources = read(input)?;
    input.check()?;
    world.kms.expire(caller.now);
    let after = after("GetResources", input.pagination_token.as_deref(), caller)?;
    let types = input.resource_type_filters.as_deref().unwrap_or_default();
    let rest: Vec<(String, &Tags)> = indexed(world, caller)
        .into_iter()
        .filter(|(_, owner, _)| types.is_empty() || types.iter().any(|filter| owner.is_of(filter)))
        .filter(|(arn, ..)| {
            input
                .resource_arn_list
                .as_ref()
                .is_none_or(|list| list.contains(arn))
        })
        .filter(|(_, _, tags)| input.tag_filters.iter().flatten().all(|f| f.accepts(tags)))
        .filter(|(arn, ..)| after.as_ref().is_none_or(|after| arn > after))
        .map(|(arn, _, tags)| (arn, tags))
        .collect();
    let limit = if input.resource_arn_list.is_some() {
        rest.len()
    } else {
        input.page_size(&rest)
    };
    let items = rest.into_iter().map(|(arn, tags)| {
        let tags: Vec<_> = tags
            .iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        (arn.clone(), json!({ "ResourceARN": arn, "Tags": tags }))
    });
    let Page { items, next } = listing::page(items, None, limit);
    Ok(json!({
        "ResourceTagMappingList": items,
        "PaginationToken": token("GetResources", next, caller),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetTagKeys {
    pagination_token: Option<String>,
}

/// Keys in use; a resource that lost its tags adds none.
fn get_tag_keys(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: GetTagKeys = read(input)?;
    world.kms.expire(caller.now);
    let after = after("GetTagKeys", input.pagination_token.as_deref(), caller)?;
    let all = indexed(world, caller);
    let keys: BTreeSet<&String> = all.iter().flat_map(|(_, _, tags)| tags.keys()).collect();
    let items = keys.into_iter().map(|key| (key.clone(), key.clone()));
    let Page { items, next } = listing::page(items, after.as_deref(), KEYS_PER_PAGE);
    Ok(json!({ "TagKeys": items, "PaginationToken": token("GetTagKeys", next, caller) }))
}

/// `service` or `service:type`. Kinds that exist in AWS and not here are simply never found.
fn is_type(filter: &str) -> bool {
    let (service, kind) = filter.split_once(':').unwrap_or((filter, "any"));
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    !service.is_empty() && !kind.is_empty() && service.bytes().chain(kind.bytes()).all(good)
}

/// The token of the next page; on the last page it is empty, not absent.
fn token(listing: &str, next: Option<String>, caller: &Caller) -> String {
    next.map_or_else(String::new, |key| {
        listing::token(listing, &format!("{}\n{key}", caller.now.as_millisecond()))
    })
}

/// The key after which a page begins.
fn after(listing: &str, token: Option<&str>, caller: &Caller) -> Result<Option<String>, AwsError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let wrong = || invalid("The specified PaginationToken is invalid");
    let text = listing::after(listing, token).ok_or_else(wrong)?;
    let (issued, key) = text.split_once('\n').ok_or_else(wrong)?;
    let issued: i64 = issued.parse().map_err(|_| wrong())?;
    let age = caller.now.as_millisecond().saturating_sub(issued);
    if i128::from(age) > i128::try_from(TOKEN_LIFE.as_millis()).unwrap_or(0) {
        return Err(AwsError::new(
            "PaginationTokenExpiredException",
            "The PaginationToken is older than 15 minutes",
        ));
    }
    Ok(Some(key.to_owned()))
}
