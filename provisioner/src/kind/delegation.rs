//! The delegation in the parent zone, where that zone is in this account.

use std::collections::BTreeMap;

use crate::addr::Addr;
use crate::arg::{Arg, Output, Outputs};
use crate::aws::Clients;
use crate::desired::Desired;
use crate::kind::{Limit, Look};
use crate::plan::Lowered;
use crate::retry::Failure;
use crate::snapshot::{Observation, Snapshot};

/// It as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {}

impl Live {
    /// Attributes by name, for plan files.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// What it needs.
pub fn converge(_addr: &Addr, _desired: &Desired, _snapshot: &Snapshot) -> Lowered {
    Lowered::default()
}

/// What it needs to be gone.
pub fn destroy(_addr: &Addr, _desired: &Desired, _snapshot: &Snapshot) -> Lowered {
    Lowered::default()
}

/// Its mutations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {}

impl Op {
    pub(super) fn map(&self, _f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match *self {}
    }

    pub(super) fn brings(&self) -> &'static [Output] {
        match *self {}
    }

    pub(super) fn action(&self) -> &'static str {
        match *self {}
    }

    pub(super) fn verb(&self) -> &'static str {
        match *self {}
    }

    pub(super) fn limit(&self) -> Limit {
        match *self {}
    }

    pub(super) fn is_removal(&self) -> bool {
        match *self {}
    }

    pub(super) fn look(&self) -> Option<Look> {
        match *self {}
    }
}

/// Reads it.
pub async fn observe(_read: &Clients, _desired: &Desired) -> Observation<Live> {
    Observation::Absent
}

/// Carries an operation out.
pub async fn perform(op: &Op, _write: &Clients) -> Result<Outputs, Failure> {
    match *op {}
}
