//! Who acts where the parent zone is this stack's to write: a command of this tool, and nobody has to be asked;
//! or, for records that are not the stack's to take out, whoever may change that zone.

use std::collections::BTreeSet;

use super::ticket::Ticket;
use super::{Facts, Handover, Step};
use crate::adoption;
use crate::ds::Ds;
use crate::kind::delegation::{self, Live};

/// Who does what a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doer {
    /// This command.
    Command(&'static str),
    /// Whoever may change the zone, by hand; then this command has the rest.
    Hand(&'static str),
    /// It is done, and on its way to the servers.
    Done,
}

/// The same outcome, for a parent zone that is this stack's to write.
pub fn told(step: &Step, facts: &Facts<'_>, live: &Live, outcome: Handover) -> Handover {
    let zone = live.words();
    let ticket = match outcome {
        Handover::Ticket(ticket) => ticket,
        Handover::Done(why) => return Handover::Done(why),
        Handover::NotYet(why) => {
            let command = facts.command(step);
            return Handover::NotYet(format!(
                "{why} (nobody has to be asked: {zone} is this stack's to write, and `{command}` does it when \
                 its time has come)"
            ));
        }
        Handover::Unsafe(why) => {
            return Handover::Unsafe(format!("{why} ({zone} is this stack's to write)"));
        }
    };
    match facts.doer(step, live, &ticket) {
        Doer::Command(command) => Handover::Ticket(Box::new(informed(*ticket, &zone, command))),
        Doer::Hand(command) => {
            let mut ticket = *ticket;
            ticket.to = format!("whoever may change {zone}");
            ticket.what.push(format!(
                "No command of this tool takes out what is not this stack's; then run `{command}`."
            ));
            Handover::Ticket(Box::new(ticket))
        }
        Doer::Done => Handover::NotYet(format!(
            "{zone} has it already, and not each of its servers shows that yet; ask again in a minute"
        )),
    }
}

/// A text that asks for nothing.
fn informed(ticket: Ticket, zone: &str, command: &'static str) -> Ticket {
    Ticket {
        to: format!("nobody: {zone} is this stack's to write"),
        subject: format!("{}: `{command}` does it", ticket.subject),
        what: vec![format!(
            "Nobody has to be asked: `{command}` writes this into {zone} when its time has come. The records, \
             for information:"
        )],
        sections: ticket
            .sections
            .into_iter()
            .filter(|section| section.is_commands())
            .collect(),
        command: Some(command),
        ..ticket
    }
}

impl Facts<'_> {
    /// The command that takes a step of this stack's.
    fn command(&self, step: &Step) -> &'static str {
        match step {
            Step::DsAdd | Step::DsRemove(_) if self.turn().is_some() => "spore-infra ksk rotate",
            Step::Delegate | Step::DsAdd => "spore-infra apply",
            Step::DsRemove(_) if !self.desired.dnssec => "spore-infra dnssec disable",
            Step::DsRemove(_) | Step::Teardown => "spore-infra destroy",
        }
    }

    fn doer(&self, step: &Step, live: &Live, ticket: &Ticket) -> Doer {
        let command = self.command(step);
        let in_zone: BTreeSet<Ds> = live
            .ds()
            .into_iter()
            .flat_map(|set| &set.values)
            .filter_map(|text| Ds::parse(text).ok())
            .collect();
        let leads_here = live
            .ns()
            .is_some_and(|set| delegation::delegates_to_us(self.desired, self.snapshot, set));
        match step {
            Step::Delegate if leads_here => Doer::Done,
            Step::Delegate if live.ns().is_some() => Doer::Command(adoption::COMMAND),
            Step::Delegate => Doer::Command(command),
            Step::DsAdd if !in_zone.iter().all(|ds| self.is_of_key(ds)) => Doer::Hand(command),
            Step::DsAdd => {
                let key = self.key.as_ref();
                let is_there = |key| {
                    in_zone
                        .iter()
                        .any(|ds: &Ds| ds.matches(&self.desired.domain, key))
                };
                if key.is_some_and(is_there) {
                    Doer::Done
                } else {
                    Doer::Command(command)
                }
            }
            Step::DsRemove(_) => {
                // The last words of a line are the record.
                let asked: Vec<Ds> = ticket
                    .records
                    .iter()
                    .filter_map(|line| Ds::parse(line.split_once(" IN DS ")?.1).ok())
                    .collect();
                if !asked.iter().any(|ds| in_zone.contains(ds)) {
                    return Doer::Done;
                }
                let is_all = in_zone.iter().all(|ds| asked.contains(ds));
                let are_ours = in_zone.iter().all(|ds| self.is_of_key(ds));
                if are_ours && (is_all || self.turn().is_some()) {
                    Doer::Command(command)
                } else {
                    Doer::Hand("spore-infra apply")
                }
            }
            Step::Teardown if live.ns().is_none() => Doer::Done,
            Step::Teardown if leads_here => Doer::Command(command),
            Step::Teardown => Doer::Hand(command),
        }
    }
}
