//! Version 1 of the configuration file: its exact form, and what its values may be. The stack document
//! has the same bounds; those without which the updater would be open to somebody are repeated here, since
//! whoever can write the zip's file need not have used it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Deserialize;

use super::{Accounts, Contacts, Naming, Proof, Rate, RecordType, Tag, Wrong};
use crate::address::is_private;
use crate::allowed::TTL_SECS_MIN;
use crate::name::account_label;
use crate::protocol::{RoleArn, is_account_id};
use crate::survey::QUOTA_MAX;

pub(super) const VERSION: u64 = 1;

const HOUR_SECS: u32 = 3_600;

const DAY_SECS: u32 = 24 * HOUR_SECS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(rename = "version")]
    _version: u64,
    domain: String,
    zone_id: String,
    account: String,
    region: String,
    accounts: WrittenAccounts,
    deny: BTreeSet<String>,
    proofs: BTreeSet<Proof>,
    roles: BTreeSet<String>,
    naming: Naming,
    record_types: BTreeSet<RecordType>,
    ttl_secs: u32,
    lease_secs: u32,
    quota: u32,
    rate: Rate,
    reserved: BTreeSet<String>,
    require_tag: Tag,
    private_cidrs: BTreeSet<String>,
    contacts: Contacts,
}

/// `"any"` or `{ "these": [...] }`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenAccounts {
    Any,
    These(Vec<Account>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    id: String,
    label: Option<String>,
    describe_role: Option<String>,
}

impl Config {
    /// The configuration, if its values can be.
    pub(super) fn judged(self) -> Result<super::Config, Wrong> {
        let accounts = match self.accounts {
            WrittenAccounts::Any => Accounts::Any,
            WrittenAccounts::These(these) => Accounts::These(listed(these)?),
        };
        for account in &self.deny {
            account_id("deny", account)?;
        }
        account_id("account", &self.account)?;
        must(
            is_domain(&self.domain),
            "domain",
            &self.domain,
            "is not a domain in lower case",
        )?;
        must(
            is_zone_id(&self.zone_id),
            "zone_id",
            &self.zone_id,
            "is not the id of a hosted zone",
        )?;
        must(
            !self.region.is_empty(),
            "region",
            &self.region,
            "is not a region",
        )?;
        must(
            !self.proofs.is_empty(),
            "proofs",
            "[]",
            "would let nobody in",
        )?;
        must(
            !self.record_types.is_empty(),
            "record_types",
            "[]",
            "would allow nothing",
        )?;
        must(
            (TTL_SECS_MIN..=DAY_SECS).contains(&self.ttl_secs),
            "ttl_secs",
            &self.ttl_secs.to_string(),
            "is not from 30 seconds to a day",
        )?;
        // Without one every name would be free as soon as it is held.
        must(
            (HOUR_SECS..=365 * DAY_SECS).contains(&self.lease_secs),
            "lease_secs",
            &self.lease_secs.to_string(),
            "is not from an hour to 365 days",
        )?;
        must(
            (1..=QUOTA_MAX).contains(&self.quota),
            "quota",
            &self.quota.to_string(),
            "is not from 1 to 100, what can be counted",
        )?;
        // Names without an account's label are told apart by nothing but who was first.
        let is_one = matches!(&accounts, Accounts::These(these) if these.len() == 1);
        must(
            self.naming == Naming::PerAccount || is_one,
            "naming",
            "flat",
            "is for exactly one account",
        )?;
        for word in &self.reserved {
            // Labels are compared in lower case: another spelling would reserve nothing.
            must(
                is_label(word),
                "reserved",
                word,
                "is not a label in lower case",
            )?;
        }
        let rate = format!("{}/{}", self.rate.requests, self.rate.per_secs);
        let is_rate = self.rate.requests > 0 && self.rate.per_secs > 0;
        must(is_rate, "rate", &rate, "would let nobody in")?;
        let private_cidrs = self
            .private_cidrs
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()?;
        Ok(super::Config {
            domain: self.domain,
            zone_id: self.zone_id,
            account: self.account,
            region: self.region,
            accounts,
            deny: self.deny,
            proofs: self.proofs,
            roles: self.roles,
            naming: self.naming,
            record_types: self.record_types,
            ttl_secs: self.ttl_secs,
            lease_secs: self.lease_secs,
            quota: self.quota,
            rate: self.rate,
            reserved: self.reserved,
            require_tag: self.require_tag,
            private_cidrs,
            contacts: self.contacts,
        })
    }
}

fn listed(these: Vec<Account>) -> Result<BTreeMap<String, super::Account>, Wrong> {
    let mut listed = BTreeMap::new();
    // What is below a label is one account's: two accounts with one label could take each other's names.
    let mut labels = BTreeSet::new();
    for account in these {
        account_id("accounts", &account.id)?;
        let label = account.label.clone().or_else(|| account_label(&account.id));
        let label = label.unwrap_or_default();
        must(
            is_label(&label),
            "accounts",
            &label,
            "is not a label in lower case",
        )?;
        must(
            labels.insert(label.clone()),
            "accounts",
            &label,
            "is the label of two accounts",
        )?;
        if let Some(role) = &account.describe_role {
            let is_there = role
                .parse::<RoleArn>()
                .is_ok_and(|role| role.account() == account.id);
            must(
                is_there,
                "accounts",
                role,
                "is not the ARN of a role in that account",
            )?;
        }
        let known = super::Account {
            label: account.label,
            describe_role: account.describe_role,
        };
        let is_new = listed.insert(account.id.clone(), known).is_none();
        must(is_new, "accounts", &account.id, "appears twice")?;
    }
    must(!listed.is_empty(), "accounts", "[]", "would let nobody in")?;
    Ok(listed)
}

fn account_id(member: &'static str, id: &str) -> Result<(), Wrong> {
    must(
        is_account_id(id),
        member,
        id,
        "is not an account id of 12 digits",
    )
}

fn is_domain(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_char))
}

fn is_label(text: &str) -> bool {
    is_domain(text) && !text.contains('.') && text.len() <= 63
}

/// As AWS writes ids in answers, without `/hostedzone/`.
fn is_zone_id(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    text.starts_with('Z') && text.bytes().all(is_char)
}

fn network(text: &str) -> Result<IpNet, Wrong> {
    let exact = text
        .parse::<IpNet>()
        .ok()
        .filter(|network| network.trunc() == *network);
    let network = exact.ok_or_else(|| Wrong::Value {
        member: "private_cidrs",
        value: text.to_owned(),
        why: "is not a network",
    })?;
    must(
        is_private(network),
        "private_cidrs",
        text,
        "is not private (RFC 1918, RFC 4193)",
    )?;
    Ok(network)
}

fn must(holds: bool, member: &'static str, value: &str, why: &'static str) -> Result<(), Wrong> {
    if holds {
        return Ok(());
    }
    Err(Wrong::Value {
        member,
        value: value.to_owned(),
        why,
    })
}
