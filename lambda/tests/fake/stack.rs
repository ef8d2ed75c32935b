//! A stack, two instances and a role for tests of proofs.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use serde_json::{Value, json};
use spore_updater::config::Config;
use spore_updater::proof::{Keys, Own, Verifier};
use spore_updater::protocol::sigv4::Credentials;

pub const DOMAIN: &str = "spore.example.edu";
pub const ZONE: &str = "Z0123456789ABC";

/// Runs a future that never waits.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A configuration that takes every proof, with changes.
pub fn config(change: impl FnOnce(&mut Value)) -> Config {
    let mut value = json!({
        "version": 1, "domain": DOMAIN, "zone_id": ZONE, "account": "123456789012",
        "region": "us-east-1", "accounts": "any", "deny": [],
        "proofs": ["instance-role", "identity-document", "iam-role"],
        "roles": ["arn:aws:iam::123456789012:role/apps/registrar"], "naming": "per-account",
        "record_types": ["A", "AAAA", "TXT"], "ttl_secs": 60, "lease_secs": 604800, "quota": 100,
        "rate": { "requests": 10, "per_secs": 60 }, "reserved": [],
        "require_tag": { "key": "spawn:managed", "value": "true" }, "private_cidrs": [],
        "contacts": { "owner": null, "security": null },
    });
    change(&mut value);
    value.to_string().parse().unwrap()
}

pub fn verifier() -> Verifier {
    verifier_of(&config(|_| {}), Keys::aws())
}

pub fn verifier_of(config: &Config, keys: Keys) -> Verifier {
    let own = Own {
        access_key_id: "ASIAUPDATER0000000001".to_owned(),
        function: "spore-updater".to_owned(),
    };
    Verifier::new(config, own, keys).unwrap()
}

pub fn credentials(key: &str, secret: &str, token: &str) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        secret: secret.to_owned(),
        token: Some(token.to_owned()),
    }
}
