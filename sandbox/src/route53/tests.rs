//! Behaviour of the operations, called as the codec calls them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod batches;
mod changes;
mod dnssec;
mod query_logging;
mod routing;
mod zones;

pub(crate) use dnssec::Signer;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::operation;
use crate::profile::Profile;
use crate::wire::check;
use crate::wire::model::model;
use crate::world::{AwsError, Caller, World};

/// A world, a caller and a clock.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    account: String,
}

impl Bench {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            world: World::new(7, profile),
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            account: "123456789012".into(),
        }
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Acts for another account from here on.
    fn switch(&mut self, account: &str) {
        self.account = account.into();
    }

    fn caller(&self) -> Caller {
        Caller {
            account: self.account.clone(),
            arn: format!("arn:aws:iam::{}:user/test", self.account),
            user_id: "AIDATEST".into(),
            region: "us-east-1".into(),
            now: self.now,
            source: crate::world::Via::Host.source(),
        }
    }

    /// Calls an operation between the codec's checks: input and output conform to the shapes, and an
    /// error is one of the operation's.
    pub(crate) fn call(&mut self, name: &str, mut input: Value) -> Result<Value, AwsError> {
        // Every SDK sends ids without their prefix (botocore's `fix_route53_ids`).
        for member in ["Id", "HostedZoneId", "DelegationSetId"] {
            if let Some((_, id)) = input[member].as_str().and_then(|id| id.rsplit_once('/')) {
                input[member] = id.to_owned().into();
            }
        }
        if let Some(members) = input.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        let model = model("route53").unwrap();
        let shapes = &model.operations[name];
        if let Some(side) = &shapes.input {
            let problems = check::constraints(model, model.shape(&side.shape), &input);
            assert_eq!(problems, [""; 0], "{name} {input}");
        }
        let caller = self.caller();
        let operation = operation(name).unwrap();
        assert_ne!((operation.needs)(&self.world, &caller, &input), []);
        let answer = (operation.run)(&mut self.world, &caller, input);
        match &answer {
            Ok(output) => {
                let side = shapes.output.as_ref().unwrap();
                check::conforms(model, model.shape(&side.shape), output, name).unwrap();
            }
            Err(error) => {
                let common = ["AccessDenied", "NotImplemented"].contains(&error.code.as_str());
                assert!(
                    common || shapes.errors.contains(&error.code),
                    "{name}: {error}"
                );
            }
        }
        answer
    }

    /// The call's output; it must succeed.
    pub(crate) fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    /// Code and message of the call's refusal.
    fn refused(&mut self, name: &str, input: Value) -> (String, String) {
        let error = self.call(name, input).unwrap_err();
        (error.code, error.message)
    }

    /// Creates a zone and returns its id without prefix.
    pub(crate) fn zone(&mut self, name: &str, reference: &str) -> String {
        let input = json!({ "Name": name, "CallerReference": reference });
        let output = self.ok("CreateHostedZone", input);
        let id = output["HostedZone"]["Id"].as_str().unwrap();
        id.strip_prefix("/hostedzone/").unwrap().to_owned()
    }

    /// Changes records: (action, name, type, TTL, values).
    pub(crate) fn batch(
        &mut self,
        zone: &str,
        changes: &[(&str, &str, &str, u32, &[&str])],
    ) -> Result<Value, AwsError> {
        let changes: Vec<Value> = changes
            .iter()
            .map(|(action, name, record_type, ttl, values)| {
                let values: Vec<Value> = values.iter().map(|v| json!({ "Value": v })).collect();
                json!({
                    "Action": action,
                    "ResourceRecordSet": {
                        "Name": name, "Type": record_type, "TTL": ttl, "ResourceRecords": values,
                    },
                })
            })
            .collect();
        let input = json!({ "HostedZoneId": zone, "ChangeBatch": { "Changes": changes } });
        self.call("ChangeResourceRecordSets", input)
    }

    /// Name and type of each record set, in the listed order.
    fn listed(&mut self, zone: &str) -> Vec<String> {
        let output = self.ok("ListResourceRecordSets", json!({ "HostedZoneId": zone }));
        let sets = output["ResourceRecordSets"].as_array().unwrap();
        sets.iter()
            .map(|set| {
                format!(
                    "{} {}",
                    set["Name"].as_str().unwrap(),
                    set["Type"].as_str().unwrap()
                )
            })
            .collect()
    }
}
