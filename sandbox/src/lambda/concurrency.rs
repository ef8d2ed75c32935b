//! Concurrency: the account's quota, what functions reserve of it, and GetAccountSettings.

use serde::Deserialize;
use serde_json::{Value, json};

use super::archive::{UNZIPPED_MAX, ZIPPED_MAX};
use super::function::Function;
use super::name::Target;
use super::{Region, State, invalid, needs, read};
use crate::world::{AwsError, Caller, Need, Operation, World};

/// "Concurrent executions: 1,000" and "Storage for uploaded functions: 75 GB"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const LIMIT_DEFAULT: u32 = 1000;
const CODE_BYTES_MAX: u64 = 80_530_636_800;

/// "Lambda requires at least 100 unreserved concurrent executions per account"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>). An account whose
/// quota is below that can reserve nothing: its whole quota is the minimum.
const UNRESERVED_MIN: u32 = 100;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutFunctionConcurrency",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:PutFunctionConcurrency",
            )]
        },
        run: put_function_concurrency,
    },
    Operation {
        name: "DeleteFunctionConcurrency",
        needs: |world, caller, input| {
            let action = "lambda:DeleteFunctionConcurrency";
            vec![needs::of_function(world, caller, input, action)]
        },
        run: |world, caller, input| {
            let input: OneFunction = read(input)?;
            let target = Target::unqualified(caller, &input.function_name)?;
            world.lambda.function_mut(caller, &target)?.reserved = None;
            Ok(json!({}))
        },
    },
    Operation {
        name: "GetFunctionConcurrency",
        needs: |world, caller, input| {
            vec![needs::of_function(
                world,
                caller,
                input,
                "lambda:GetFunctionConcurrency",
            )]
        },
        run: |world, caller, input| {
            let input: OneFunction = read(input)?;
            let target = Target::unqualified(caller, &input.function_name)?;
            let function = world.lambda.function(caller, &target)?;
            Ok(match function.reserved {
                Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
                None => json!({}),
            })
        },
    },
    Operation {
        name: "GetAccountSettings",
        needs: |_, _, _| vec![Need::new("lambda:GetAccountSettings", "*")],
        run: get_account_settings,
    },
];

impl State {
    /// Sets the quota of concurrent executions, as AWS does on request and for new accounts.
    pub fn set_concurrency_limit(&mut self, account: &str, region: &str, limit: u32) {
        self.region_mut(account, region).concurrency_limit = Some(limit);
    }
}

impl Region {
    pub(super) fn concurrency_limit(&self) -> u32 {
        self.concurrency_limit.unwrap_or(LIMIT_DEFAULT)
    }

    /// What all functions but one reserve together.
    fn reserved_by_others(&self, name: &str) -> u32 {
        let others = self.functions.iter().filter(|(other, _)| *other != name);
        others.filter_map(|(_, function)| function.reserved).sum()
    }

    /// What is left for functions that reserve nothing.
    pub(super) fn unreserved(&self) -> u32 {
        self.concurrency_limit()
            .saturating_sub(self.reserved_by_others(""))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneFunction {
    function_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutFunctionConcurrency {
    function_name: String,
    reserved_concurrent_executions: u32,
}

fn put_function_concurrency(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: PutFunctionConcurrency = read(input)?;
    let target = Target::unqualified(caller, &input.function_name)?;
    world.lambda.function(caller, &target)?;
    let wanted = input.reserved_concurrent_executions;
    let region = world.lambda.region_mut(&caller.account, &caller.region);
    let limit = region.concurrency_limit();
    let minimum = UNRESERVED_MIN.min(limit);
    let taken = region
        .reserved_by_others(&target.name)
        .saturating_add(wanted);
    if taken.saturating_add(minimum) > limit && wanted > 0 {
        return Err(invalid(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's \
             UnreservedConcurrentExecution below its minimum value of [{minimum}]."
        )));
    }
    world.lambda.function_mut(caller, &target)?.reserved = Some(wanted);
    Ok(json!({ "ReservedConcurrentExecutions": wanted }))
}

fn get_account_settings(world: &mut World, caller: &Caller, _: Value) -> Result<Value, AwsError> {
    let region = world.lambda.region_mut(&caller.account, &caller.region);
    let sizes = region.functions.values().flat_map(Function::stored);
    let stored: u64 = sizes.map(|code| code.size).sum();
    Ok(json!({
        "AccountLimit": {
            "TotalCodeSize": CODE_BYTES_MAX,
            "CodeSizeUnzipped": UNZIPPED_MAX,
            "CodeSizeZipped": ZIPPED_MAX,
            "ConcurrentExecutions": region.concurrency_limit(),
            "UnreservedConcurrentExecutions": region.unreserved(),
        },
        "AccountUsage": {
            "TotalCodeSize": stored,
            "FunctionCount": region.functions.len(),
        },
    }))
}

impl Function {
    /// Code that counts as stored: of $LATEST and of each version.
    fn stored(&self) -> impl Iterator<Item = &super::function::Code> {
        let releases = [&self.latest].into_iter().chain(self.versions.values());
        releases.map(|release| &release.code)
    }
}
