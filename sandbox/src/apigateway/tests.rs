//! The control plane judged from outside: what was written is read back.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::profile::Profile;
use crate::world::AwsError;

fn call(bench: &mut Bench, name: &str, input: Value) -> Result<Value, AwsError> {
    bench.call("apigateway", name, input)
}
