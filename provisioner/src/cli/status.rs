//! `status`: asks AWS and DNS, prints the report, and never writes.

use std::ffi::OsString;
use std::path::PathBuf;

use super::session::Session;
use super::{Code, Exit, Global, output, stack, updater, variable};
use crate::kind::hosted_zone::Records;
use crate::observe::{self, Purpose};
use crate::plan;
use crate::render::Paint;
use crate::status::facts::{Aws, Facts};
use crate::status::{chain, check, json, report, signals, text};

/// Columns where neither a terminal nor COLUMNS says how many.
const WIDTH: usize = 100;

/// How the report is to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For monitoring: a line, metrics, and the exit codes of plugins.
    Check,
}

/// `status`.
pub async fn status(
    global: &Global,
    named: Option<PathBuf>,
    form: Form,
    code: &Code,
) -> anyhow::Result<Exit> {
    match (look(global, named, code).await, form) {
        (Ok(None), Form::Text | Form::Json) => Ok(Exit::Error),
        (Err(error), Form::Text | Form::Json) => Err(error),
        // What is wrong with the document is on stderr already.
        (Ok(None), Form::Check) => Ok(failed("the stack document is not valid")),
        (Err(error), Form::Check) => Ok(failed(&format!("{error:#}"))),
        (Ok(Some(facts)), form) => Ok(print(&facts, form)?),
    }
}

/// Whether a command line that could not be read is a monitor's.
pub fn is_check(args: &[OsString]) -> bool {
    let has = |word: &str| args.iter().skip(1).any(|arg| arg == word);
    has("status") && has("--check")
}

/// Tells a monitor that nothing could be looked at. The code is that of UNKNOWN.
pub fn failed(why: &str) -> Exit {
    output::text(&check::failed(why));
    Exit::Waiting
}

fn print(facts: &Facts, form: Form) -> Result<Exit, serde_json::Error> {
    let report = report::of(facts);
    match form {
        Form::Text => output::text(&text::render(facts, &report, width(), Paint::Color)),
        Form::Json => {
            output::line(&serde_json::to_string_pretty(&json::render(
                facts, &report,
            ))?);
        }
        Form::Check => {
            output::text(&check::render(facts, &report));
            // The same numbers under other names (status/check.rs).
            return Ok(match check::exit_code(report.level) {
                0 => Exit::Done,
                1 => Exit::Error,
                2 => Exit::Pending,
                _ => Exit::Waiting,
            });
        }
    }
    // A report that lacks AWS is an error of this run; what it says of the zone is not.
    Ok(if facts.aws.is_ok() {
        Exit::Done
    } else {
        Exit::Error
    })
}

/// Everything there is to see; none when the document is not valid, which was said.
async fn look(
    global: &Global,
    named: Option<PathBuf>,
    code: &Code,
) -> anyhow::Result<Option<Facts>> {
    let Some(document) = stack::read(&stack::find(named)?)? else {
        return Ok(None);
    };
    let mut session = Session::open(global, &document).await?;
    session.find_code(&updater::source(&document, code)?);
    let desired = &session.desired;
    // Without credentials there is still DNS to look at. Those of another account are refused.
    let aws = match observe::caller(&session.read).await {
        Err(failure) => Err(format!("{failure}")),
        Ok(_) => Ok(in_aws(&session).await?),
    };
    let route53 = aws
        .as_ref()
        .map(|aws| aws.name_servers.clone())
        .unwrap_or_default();
    let survey = session
        .dns
        .survey(&desired.domain, &route53, &desired.stack.dns)
        .await;
    let survey = survey.map_err(anyhow::Error::msg)?;
    let at = session.clock.now();
    let anchors = survey
        .anchors
        .map_err(|why| anyhow::anyhow!("the root's trust anchor: {why}"))?;
    Ok(Some(Facts {
        at,
        domain: desired.domain.clone(),
        wants_dnssec: desired.dnssec,
        hostmaster: desired
            .stack
            .contacts
            .dns
            .as_ref()
            .map(|contact| contact.as_str().to_owned()),
        zones: chain::judge(&survey.seen, &anchors, at),
        cut_short: survey.cut_short,
        resolvers: survey.resolvers,
        signals: signals(&survey.seen, survey.nobody_answered),
        aws,
    }))
}

async fn in_aws(session: &Session) -> anyhow::Result<Aws> {
    let snapshot = session
        .snapshot(Records::FirstPage, Purpose::Review)
        .await?;
    let plan = plan::converge(&session.desired, &snapshot);
    Ok(crate::status::aws(&session.desired, &snapshot, &plan))
}

/// Columns of the terminal, if stdout is one.
fn width() -> usize {
    let told = variable("COLUMNS").and_then(|columns| columns.parse().ok());
    let seen = || {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        (size.ws_col > 0).then(|| usize::from(size.ws_col))
    };
    told.or_else(seen).unwrap_or(WIDTH)
}
