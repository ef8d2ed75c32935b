//! DescribeRegions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::{Filter, passes};
use super::{check_dry_run, of_all, read};
use crate::instance::region::REGIONS;
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "DescribeRegions",
    needs,
    run: describe_regions,
}];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeRegions {
    #[serde(default)]
    region_names: Vec<String>,
    all_regions: Option<bool>,
    dry_run: Option<bool>,
    #[serde(default)]
    filters: Vec<Filter>,
}

fn needs(_: &World, caller: &Caller, _: &Value) -> Vec<Need> {
    of_all("ec2:DescribeRegions", caller)
}

fn describe_regions(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: DescribeRegions = read(input)?;
    check_dry_run(input.dry_run)?;
    let is_known = |name: &String| REGIONS.iter().any(|(known, _)| known == name);
    if let Some(unknown) = input.region_names.iter().find(|name| !is_known(name)) {
        return Err(AwsError::new(
            "InvalidParameterValue",
            format!("Invalid region name {unknown}"),
        ));
    }
    let mut found = Vec::new();
    for (name, opt_in) in REGIONS {
        let is_used = world.uses_region(&caller.account, name);
        let status = match (opt_in, is_used) {
            (false, _) => "opt-in-not-required",
            (true, true) => "opted-in",
            (true, false) => "not-opted-in",
        };
        let is_named = input.region_names.iter().any(|wanted| wanted == name);
        let is_wanted = if input.region_names.is_empty() {
            is_used || input.all_regions == Some(true)
        } else {
            is_named
        };
        let endpoint = format!("ec2.{name}.amazonaws.com");
        let passes = passes(&input.filters, "ec2:DescribeRegions", |filter| {
            let value = match filter {
                "endpoint" => &endpoint,
                "opt-in-status" => status,
                "region-name" => name,
                _ => return None,
            };
            Some(vec![value.to_owned()])
        })?;
        if is_wanted && passes {
            found.push(json!({
                "RegionName": name, "Endpoint": endpoint, "OptInStatus": status,
            }));
        }
    }
    Ok(json!({ "Regions": found }))
}
