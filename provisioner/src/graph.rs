//! The order of steps. Knows nothing of resources.

use std::collections::BTreeSet;

use crate::plan::{Step, StepId};

/// Sorts steps so that each comes after those it waits for; among the ready ones, by name. The
/// result depends only on the set of steps.
///
/// # Panics
/// When the steps wait for each other in a circle: the kinds' rules contradict each other.
pub fn order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by(|a, b| a.id.cmp(&b.id));
    let mut placed: BTreeSet<StepId> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(steps.len());
    while !steps.is_empty() {
        let ready = steps
            .iter()
            .position(|step| step.needs.is_subset(&placed) && step.settled.is_subset(&placed))
            .unwrap_or_else(|| {
                let names: Vec<_> = steps.iter().map(|step| step.id.to_string()).collect();
                panic!(
                    "invariant: steps form no circle, but these do: {}",
                    names.join(", ")
                )
            });
        let step = steps.remove(ready);
        placed.insert(step.id.clone());
        ordered.push(step);
    }
    ordered
}
