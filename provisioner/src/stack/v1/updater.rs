//! Version 1 of `[updater]`: whose instances may have names, which, and how they prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::ReadFile;
use crate::name::account_label;
use crate::stack::account::AccountId;
use crate::stack::arn::{Arn, Role};
use crate::stack::domain::{DomainName, Label};
use crate::stack::form::{Whole, Word};
use crate::stack::instances::{self, Accounts, Entry, InstanceAccount};
use crate::stack::naming::{FileName, Named};
use crate::stack::network::PrivateCidr;
use crate::stack::span::{DAY, HOUR, Lasting};
use crate::stack::table::Table;
use crate::stack::{Architecture, Naming, Proof, RecordType, Updater};

/// Names of one account fit one page of ListResourceRecordSets, 300 sets: a name has up to three,
/// its addresses and its owner's mark.
type Quota = Whole<1, 100>;

pub(super) fn updater(
    t: &mut Table<'_>,
    domain: Option<&DomainName>,
    own: Option<&AccountId>,
    file: &str,
    read: ReadFile<'_>,
) -> Option<Updater> {
    let name = t.maybe("name", "Exact name of the function.");
    let entries = t.maybe::<Vec<Entry>>(
        "accounts",
        "Accounts whose instances may have names: ids, { id, describe-role, label }, or [\"any\"]. \
         Left out: the stack's own account.",
    );
    let accounts_file = t.maybe::<Named<FileName>>(
        "accounts-file",
        "File with more of them, as `aws organizations list-accounts` prints it.",
    );
    let deny = t.or::<BTreeSet<AccountId>>("deny", "[]", "Accounts that may not.");
    let proofs = t.sound_or::<BTreeSet<Proof>>(
        "proofs",
        "[\"instance-role\"]",
        "How a caller proves who it is. An identity document can be replayed by who has seen it.",
    );
    let roles = t.sound_or::<BTreeSet<Arn<Role>>>(
        "roles",
        "[]",
        "Roles that may call with the proof iam-role.",
    );
    let naming = t.or(
        "naming",
        "\"per-account\"",
        "per-account: RECORD.ACCOUNT.DOMAIN. flat: RECORD.DOMAIN, with one account only.",
    );
    let record_types = t.or::<BTreeSet<RecordType>>(
        "record-types",
        "[\"A\", \"AAAA\"]",
        "Types of record an instance may have.",
    );
    // Shorter TTLs buy nothing, since a change itself takes up to a minute to be everywhere
    // (Route 53 API, GetChange); longer ones outlive an instance's address.
    let ttl = t.or::<Lasting<30, DAY>>("ttl", "\"60s\"", "TTL of records.");
    let lease = t.or::<Lasting<HOUR, { 365 * DAY }>>(
        "lease",
        "\"7 days\"",
        "How long a name stays its owner's without renewal.",
    );
    let quota = t.or::<Quota>("quota", "100", "Names an account may have.");
    let rate = t.or("rate", "\"10 per minute\"", "Requests a caller may make.");
    let reserved = t.or(
        "reserved",
        "[]",
        "Record labels refused besides the built-in ones.",
    );
    let require_tag = t.or(
        "require-tag",
        "\"spawn:managed=true\"",
        "Tag an instance must have, where DescribeInstances can be asked.",
    );
    let private_cidrs = t.or::<BTreeSet<PrivateCidr>>(
        "private-cidrs",
        "[]",
        "Private networks whose addresses may be registered.",
    );
    // Lambda API, CreateFunction: MemorySize.
    let memory = t.or::<Whole<128, 10_240>>("memory", "256", "Memory of the function in MiB.");
    // API Gateway gives up after 29 s; below 10 s the updater's own retries (8 s) do not fit.
    let timeout = t.or::<Lasting<10, 29>>("timeout", "\"20s\"", "Time a request may take.");
    let architecture = t.or("architecture", "\"x86_64\"", "Processor of the function.");

    if record_types.is_empty() {
        t.refuse("record-types", "nothing could be registered", None);
    }
    let accounts = accounts(t, entries, accounts_file.as_ref(), &deny, own, file, read);
    if let Some(accounts) = &accounts {
        judge_naming(t, naming, accounts);
        judge_labels(t, accounts, domain);
    }
    if let (Some(proofs), Some(roles)) = (&proofs, &roles) {
        judge_proofs(t, proofs, roles, accounts.as_ref());
    }
    Some(Updater {
        name,
        accounts: accounts?,
        deny,
        proofs: proofs?,
        roles: roles?,
        naming,
        record_types,
        ttl: ttl.0,
        lease: lease.0,
        quota: quota.0,
        rate,
        reserved,
        require_tag,
        private_cidrs: private_cidrs.into_iter().map(|network| network.0).collect(),
        memory_mib: memory.0,
        timeout: timeout.0,
        architecture,
    })
}

/// The accounts of the list and of the file, without the denied ones. `None` when a problem left
/// them unknown.
fn accounts(
    t: &mut Table<'_>,
    entries: Option<Vec<Entry>>,
    accounts_file: Option<&Named<FileName>>,
    deny: &BTreeSet<AccountId>,
    own: Option<&AccountId>,
    file: &str,
    read: ReadFile<'_>,
) -> Option<Accounts> {
    let mut these = BTreeMap::new();
    let mut is_clear = true;
    for entry in entries.iter().flatten() {
        match entry {
            Entry::Any if entries.as_ref().is_some_and(|all| all.len() > 1) => {
                t.refuse(
                    "accounts",
                    "\"any\" stands alone",
                    "write [\"any\"]".to_owned(),
                );
                return None;
            }
            Entry::Any if t.is_written("accounts-file") => {
                let hint = "leave out one of the two keys".to_owned();
                t.refuse("accounts-file", "every account is allowed already", hint);
                return None;
            }
            Entry::Any => return Some(Accounts::Any),
            Entry::One(id, account) => {
                if these.insert(id.clone(), account.clone()).is_some() {
                    t.refuse("accounts", format!("{id} appears twice"), None);
                }
                if deny.contains(id) {
                    t.refuse("deny", format!("{id} is also in `accounts`"), None);
                    is_clear = false;
                }
            }
        }
    }
    if let Some(name) = accounts_file {
        for id in listed_in(t, name, file, read)? {
            these.entry(id).or_default();
        }
    }
    match (t.is_written("accounts"), t.is_written("accounts-file")) {
        (false, false) => {
            these.insert(own?.clone(), InstanceAccount::default());
        }
        (true, _) if entries.is_none() => return None,
        (_, true) if accounts_file.is_none() => return None,
        (true | false, true | false) => {}
    }
    these.retain(|id, _| !deny.contains(id));
    if !is_clear {
        return None;
    }
    if these.is_empty() {
        let hint = "leave the key out for the stack's own account".to_owned();
        t.refuse("accounts", "no account is left, nobody could call", hint);
        return None;
    }
    Some(Accounts::These(these))
}

fn listed_in(
    t: &mut Table<'_>,
    name: &Named<FileName>,
    file: &str,
    read: ReadFile<'_>,
) -> Option<BTreeSet<AccountId>> {
    let path = Path::new(file).with_file_name(name.as_str());
    let shown = path.display();
    let listed = match read(&path) {
        Ok(text) => instances::listed(&text),
        Err(error) => {
            t.refuse("accounts-file", format!("{shown}: {error}"), None);
            return None;
        }
    };
    listed
        .map_err(|refused| {
            t.refuse(
                "accounts-file",
                format!("{shown}: {}", refused.what),
                refused.hint,
            )
        })
        .ok()
}

fn judge_naming(t: &mut Table<'_>, naming: Naming, accounts: &Accounts) {
    let is_one = matches!(accounts, Accounts::These(these) if these.len() == 1);
    if naming == Naming::Flat && !is_one {
        let what = "flat names need exactly one account, else two could claim the same name";
        t.refuse("naming", what, "write \"per-account\"".to_owned());
    }
}

/// Two accounts with one label would share their names.
fn judge_labels(t: &mut Table<'_>, accounts: &Accounts, domain: Option<&DomainName>) {
    let Accounts::These(these) = accounts else {
        return;
    };
    let mut owners: BTreeMap<String, &AccountId> = BTreeMap::new();
    for (id, account) in these {
        let label = account
            .label
            .as_ref()
            .map_or_else(|| account_label(id), Label::to_string);
        if let Some(other) = owners.insert(label.clone(), id) {
            let what = format!("{other} and {id} would share the label {label}");
            t.refuse("accounts", what, None);
        }
    }
    let labels = these.values().filter_map(|account| account.label.as_ref());
    if let Some(domain) = domain {
        for label in labels.filter(|label| !domain.has_room_for(label)) {
            let what = format!("names below {label}.{domain} would be too long");
            t.refuse("accounts", what, None);
        }
    }
}

/// Roles without their proof would be let in by nobody's decision, or not at all.
fn judge_proofs(
    t: &mut Table<'_>,
    proofs: &BTreeSet<Proof>,
    roles: &BTreeSet<Arn<Role>>,
    accounts: Option<&Accounts>,
) {
    if proofs.is_empty() {
        let hint = "leave the key out, or write [\"instance-role\"]".to_owned();
        t.refuse("proofs", "without a proof nobody could call", hint);
    } else if proofs.contains(&Proof::IamRole) && roles.is_empty() {
        let hint = "write `roles = [\"arn:aws:iam::123456789012:role/NAME\"]`".to_owned();
        t.refuse("roles", "the proof iam-role needs at least one", hint);
    } else if !proofs.contains(&Proof::IamRole) && !roles.is_empty() {
        let hint = "add \"iam-role\" to `proofs`".to_owned();
        t.refuse("roles", "only the proof iam-role uses them", hint);
    }
    let Some(Accounts::These(these)) = accounts else {
        return;
    };
    for role in roles
        .iter()
        .filter(|role| !these.keys().any(|id| id.as_str() == role.account()))
    {
        t.refuse(
            "roles",
            format!("{role} is in an account that may not have names"),
            None,
        );
    }
}

impl Word for Proof {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("instance-role", Self::InstanceRole),
        ("identity-document", Self::IdentityDocument),
        ("iam-role", Self::IamRole),
    ];
}

impl Word for Naming {
    const WORDS: &'static [(&'static str, Self)] =
        &[("per-account", Self::PerAccount), ("flat", Self::Flat)];
}

impl Word for RecordType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("A", Self::A), ("AAAA", Self::Aaaa), ("TXT", Self::Txt)];
}

impl Word for Architecture {
    const WORDS: &'static [(&'static str, Self)] =
        &[("arm64", Self::Arm64), ("x86_64", Self::X86_64)];
}
