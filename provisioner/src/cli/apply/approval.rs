//! Whether what a person approved is still what would be done: the steps, and the live values that were
//! shown beside them.

use std::collections::BTreeMap;

use crate::addr::Addr;
use crate::plan::Plan;

/// Live attributes by address.
type Attributes = BTreeMap<Addr, BTreeMap<String, String>>;

/// Compares the plan that was shown with the one made under the lock.
///
/// # Errors
/// What moved, by the names of the attributes.
pub fn of_person(shown: &Plan, again: &Plan) -> Result<(), String> {
    if shown.step_digests() != again.step_digests() {
        let texts = moved(&shown.built_on, &again.built_on);
        return Err(if texts.is_empty() {
            "what is needed to be done".to_owned()
        } else {
            texts.join("; ")
        });
    }
    // The same steps do not mean the same change: what they replace may be something else by now.
    let touched = |plan: &Plan| -> Attributes {
        let is_changed = |addr: &Addr| shown.changes.iter().any(|change| change.addr == *addr);
        let attributes = plan.built_on.clone().into_iter();
        attributes.filter(|(addr, _)| is_changed(addr)).collect()
    };
    let texts = moved(&touched(shown), &touched(again));
    if texts.is_empty() {
        Ok(())
    } else {
        Err(texts.join("; "))
    }
}

/// What moved between two readings, in words.
pub fn moved(before: &Attributes, after: &Attributes) -> Vec<String> {
    let none = BTreeMap::new();
    let mut texts = Vec::new();
    for (addr, now) in after {
        let then = before.get(addr).unwrap_or(&none);
        texts.extend(
            differing(then, now)
                .into_iter()
                .map(|name| moved_text(addr, name, then, now)),
        );
    }
    texts
}

/// Names of the attributes that differ.
pub fn differing<'a>(
    then: &'a BTreeMap<String, String>,
    now: &'a BTreeMap<String, String>,
) -> Vec<&'a str> {
    let appeared = now.keys().filter(|name| !then.contains_key(*name));
    then.keys()
        .chain(appeared)
        .filter(|name| then.get(*name) != now.get(*name))
        .map(String::as_str)
        .collect()
}

/// One attribute that differs.
pub fn moved_text(
    addr: &Addr,
    name: &str,
    then: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> String {
    let shown = |values: &BTreeMap<String, String>| {
        values
            .get(name)
            .map_or("nothing", String::as_str)
            .to_owned()
    };
    format!("{addr} {name} was {} and is {}", shown(then), shown(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::kind::kms_key::Live;
    use crate::plan;
    use crate::snapshot::{Observation, Snapshot};

    fn plan_with(edit: impl FnOnce(&mut Live)) -> Plan {
        let mut snapshot: Snapshot = fixture::applied();
        if let Observation::Present(key) = &mut snapshot.kms_key {
            edit(key);
        }
        plan::converge(&fixture::desired(), &snapshot)
    }

    #[test]
    fn the_same_steps_on_other_values_are_not_what_was_approved() {
        let open = |action: &str| {
            let action = format!("kms:{action}");
            plan_with(move |key| key.policy = key.policy.replace("kms:Sign", &action))
        };
        let shown = open("*");
        assert_eq!(of_person(&shown, &open("*")), Ok(()));
        let again = open("Decrypt");
        assert_eq!(shown.step_digests(), again.step_digests());
        let moved = of_person(&shown, &again).expect_err("the policy is another one");
        assert!(moved.starts_with("kms_key/ksk policy was "), "{moved}");
        assert!(of_person(&shown, &plan_with(|key| key.state = "Disabled".into())).is_err());
    }

    #[test]
    fn what_is_not_touched_may_move() {
        let shown = plan_with(|key| key.state = "Disabled".into());
        let mut again = shown.clone();
        for (addr, attributes) in &mut again.built_on {
            if addr.to_string().starts_with("hosted_zone/") {
                attributes.insert("tags.owner".into(), "somebody".into());
            }
        }
        assert_eq!(of_person(&shown, &again), Ok(()));
    }
}
