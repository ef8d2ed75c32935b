//! The command line: arguments, environment, prompts, printing, exit codes. The only place that
//! prints or reads the environment.

mod apply;
mod client_config;
mod edit;
mod handover;
mod names;
mod output;
mod policy;
mod records;
mod sandbox;
mod session;
mod stack;
mod status;
mod updater;
mod zone;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Any error, usage included.
    Error = 1,
    /// Changes are pending (`plan --detailed-exitcode` only).
    Pending = 2,
    /// Steps of ours are left that must wait.
    Waiting = 3,
    /// Refused as unsafe.
    Refused = 4,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// The word for it in JSON.
    fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Error => "error",
            Exit::Pending => "pending",
            Exit::Waiting => "waiting",
            Exit::Refused => "refused",
            Exit::Interrupted => "interrupted",
        }
    }
}

/// Plans and applies a DNSSEC-signed zone whose names EC2 instances keep up to date.
#[derive(Debug, Parser)]
#[command(name = "spore-infra", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Work on a simulated AWS kept in DIR: no credentials, no network. Waits cost nothing, unless a
    /// server holds DIR. The variable SPORE_SANDBOX says the same.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = DEFAULT_SANDBOX
    )]
    sandbox: Option<PathBuf>,
}

const DEFAULT_SANDBOX: &str = ".spore/sandbox";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write plans/DOMAIN.toml.
    Init {
        /// Domain of the zone, such as spore.example.edu.
        domain: String,
        /// Account that holds the stack, 12 digits.
        #[arg(long, value_name = "ID")]
        account: String,
        /// Accounts whose instances may have names; asked for on a terminal, else this account.
        #[arg(long, value_name = "ID", value_delimiter = ',')]
        instances: Vec<String>,
    },
    /// Check a stack document without touching AWS.
    Validate {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
    },
    /// Show what apply would change, and why. Never writes to AWS.
    ///
    /// With --out it also reads what costs calls of its own: subscription filters of the log groups, aliases and
    /// versions of the function, and the role by which API Gateway logs. `apply` and `status` always do.
    Plan {
        /// Stack documents; the only one in plans/ if left out.
        stack: Vec<PathBuf>,
        /// Also write the plan to FILE, for `spore-infra apply FILE`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Exit with 2 when changes are pending.
        #[arg(long)]
        detailed_exitcode: bool,
        #[command(flatten)]
        code: Code,
    },
    /// Make live AWS match the document, or carry out a plan file.
    Apply {
        /// Stack document or plan file; the only document in plans/ if left out.
        stack: Option<PathBuf>,
        #[command(flatten)]
        go: Go,
        #[command(flatten)]
        code: Code,
    },
    /// Take the stack down, never breaking resolution.
    Destroy {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        #[command(flatten)]
        go: Go,
        /// Also delete records that are not ours, after writing them to a zone file.
        #[arg(long)]
        include_records: bool,
        /// Also delete the log groups, with what they hold.
        #[arg(long)]
        delete_logs: bool,
    },
    /// Take over what exists under the stack's names and is no stack's: from then on apply makes it match
    /// the document, and destroy removes it. What is another stack's stays that stack's.
    Adopt {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        #[command(flatten)]
        go: Go,
    },
    /// Print the DS and DNSKEY records for the parent zone.
    Ds {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// Form of the output.
        #[arg(long, value_enum, default_value_t = DsFormat::Text)]
        format: DsFormat,
        /// Digest types; without it 2, and both in bind, json and text.
        #[arg(long, value_enum)]
        digest: Option<Digest>,
        /// Ask every parent server what it publishes, and say whether it is right: exit code 0 if so, 3
        /// while it is missing, 1 if it is wrong, too early or of a key that cannot sign, or a server does
        /// not answer. Text or --format json.
        #[arg(long)]
        check: bool,
    },
    /// Write a text for the people of the parent zone: what to do, why, not before when, how to check and
    /// undo it. Refused (3, 4) while the step must not be done.
    Handover {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// What they are to do.
        #[arg(long, value_enum)]
        step: HandoverStep,
        /// With ds-remove: only the DS records of this key tag, or of these only that of one digest type
        /// (TAG/TYPE) or with this digest (TAG/DIGEST, eight digits of it or more); may be repeated.
        #[arg(long, value_name = "TAG[/TYPE|/DIGEST]")]
        key_tag: Vec<crate::handover::pick::Pick>,
        /// Form of the text.
        #[arg(long, value_enum, default_value_t = HandoverForm::Text)]
        format: HandoverForm,
    },
    /// Write the zone as a master file (RFC 1035). What none can hold is in comments.
    Export {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// Write to FILE, which must not exist yet.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put the records of a master file into the zone; what changes is shown first. The zone's own NS and
    /// SOA records, aliases and names that instances hold by now stay as they are.
    Restore {
        /// Stack document and master file; the document may be left out if plans/ holds one.
        #[arg(required = true, num_args = 1..=2, value_names = ["STACK", "FILE"])]
        files: Vec<PathBuf>,
        #[command(flatten)]
        go: Go,
        /// Also delete what is not in the file.
        #[arg(long)]
        delete_extra: bool,
    },
    /// The zone's key-signing keys.
    Ksk {
        #[command(subcommand)]
        command: KskCommand,
    },
    /// The zone's signing.
    Dnssec {
        #[command(subcommand)]
        command: DnssecCommand,
    },
    /// Show the chain of trust from the root as each server and resolver shows it, the keys, who hears
    /// alarms, what is wrong, and who has to do what. Never writes.
    Status {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// Print JSON.
        #[arg(long, conflicts_with = "check")]
        json: bool,
        /// For monitoring: one line, metrics for Prometheus, and a plugin's exit codes, which are 0 OK,
        /// 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        code: Code,
    },
    /// Whose each name of the zone is, and freeing names.
    Names {
        #[command(subcommand)]
        command: NamesCommand,
    },
    /// Print what an instance needs to ask for a name, from the live stack. There is no secret in it.
    ClientConfig {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// Form of the output.
        #[arg(long, value_enum, default_value_t = ClientForm::Toml)]
        format: ClientForm,
        #[command(flatten)]
        code: Code,
    },
    /// The function that changes records: its code.
    Updater {
        #[command(subcommand)]
        command: UpdaterCommand,
    },
    /// Print what whoever runs this tool must be allowed, as IAM policies. Offline.
    Policy {
        /// Whose.
        #[arg(value_enum)]
        what: PolicyOf,
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        #[command(flatten)]
        ids: Ids,
        /// Print the requirements as JSON; policies always are.
        #[arg(long)]
        json: bool,
        /// Write the policy to DIR in parts that fit managed policies.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// The simulated AWS.
    Sandbox {
        #[command(subcommand)]
        command: SandboxCommand,
    },
    /// Print the JSON Schema of stack documents, for editors.
    Schema,
    /// Print a completion script.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands.
    Man {
        /// Folder for the pages of all commands, such as /usr/local/share/man/man1.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Options of commands that write.
#[derive(Debug, Clone, Args)]
struct Go {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// The longest single wait, such as a hold-down; what needs longer ends the run with exit code 3. That AWS's
    /// servers have got a change, a minute or so, is always waited for.
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = duration)]
    wait: Duration,
}

/// Where the updater's code comes from.
#[derive(Debug, Clone, Args)]
struct Code {
    /// Take the updater from a zip that a release ships or `updater build` wrote, and from nowhere
    /// else. Left out: that of the variable SPORE_UPDATER_ZIP, the zip beside this program, else a
    /// checkout of the sources.
    #[arg(long, value_name = "FILE")]
    updater_zip: Option<PathBuf>,
}

impl Code {
    fn given(&self) -> Option<PathBuf> {
        let told = || variable("SPORE_UPDATER_ZIP").map(PathBuf::from);
        self.updater_zip.clone().or_else(told)
    }
}

/// Forms of the DS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DsFormat {
    /// Records and their fields.
    Text,
    /// DS lines for a zone file.
    Bind,
    /// A dsset file, as dnssec-signzone writes it.
    Dsset,
    /// Field by field, for a registrar's web form.
    Fields,
    /// The DNSKEY line, for parents that compute the DS record.
    Dnskey,
    /// EPP update with DS data (RFC 5910).
    Epp,
    /// The extension of an EPP create, with DS data.
    EppCreate,
    /// EPP update with key data.
    EppKey,
    /// The extension of an EPP create, with key data.
    EppKeyCreate,
    /// For `aws route53domains associate-delegation-signer-to-domain --signing-attributes`.
    Route53domains,
    /// A script for nsupdate, which also takes out what is of none of the zone's keys.
    Nsupdate,
    /// JSON.
    Json,
}

/// What the people of the parent zone are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HandoverStep {
    /// Delegate the zone.
    Delegate,
    /// Publish its DS record.
    DsAdd,
    /// Take DS records out.
    DsRemove,
    /// Withdraw the delegation.
    Teardown,
}

/// Forms of a hand-over text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HandoverForm {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// JSON.
    Json,
}

/// Digest types of the DS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Digest {
    /// SHA-256, which every validator knows.
    #[value(name = "2")]
    Sha256,
    /// SHA-384, where the registry wants it.
    #[value(name = "4")]
    Sha384,
    /// One record of each.
    Both,
}

#[derive(Debug, Subcommand)]
enum KskCommand {
    /// Show each key-signing key with its KMS key and DS record.
    List {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
    },
    /// Put another key in place of the present one, as far as can be done now. Run it again when the
    /// parent zone's people have acted; it goes on from what is live.
    Rotate {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        #[command(flatten)]
        go: Go,
        /// Keep the present key and take the second one away, as long as that is safe.
        #[arg(long)]
        abort: bool,
        /// Begin another rotation less than a day after one has ended, as for a key that somebody else has had
        /// the use of.
        #[arg(long, conflicts_with = "abort")]
        again: bool,
    },
}

#[derive(Debug, Subcommand)]
enum DnssecCommand {
    /// Turn signing off, once the parent has no DS record and no resolver remembers one. The document
    /// has to say `[dnssec] enabled = false` first.
    Disable {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        #[command(flatten)]
        go: Go,
    },
}

/// How an instance gets its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClientForm {
    /// The file itself, /etc/spore-register.toml.
    Toml,
    /// User data that writes the file.
    CloudInit,
    /// Local values with the file, its settings and user data.
    Terraform,
    /// For `aws ssm put-parameter --cli-input-json`.
    Ssm,
}

#[derive(Debug, Subcommand)]
enum NamesCommand {
    /// Show every name of the zone with its holder, last renewal, end of the lease and records. Never
    /// a part of them: what cannot be read is an error.
    List {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        code: Code,
    },
    /// Free one name, so that another may claim it: delete its owner's mark and the records beside it,
    /// if nobody renews it meanwhile. Records made by hand stay.
    Release {
        /// Stack document and name, complete or without the domain; the document may be left out if
        /// plans/ holds one.
        #[arg(required = true, num_args = 1..=2, value_names = ["STACK", "NAME"])]
        arguments: Vec<String>,
        #[command(flatten)]
        go: Go,
    },
    /// Free the names whose lease ended a day ago or earlier. Shows them; deletes only with --yes, and
    /// leaves what is renewed meanwhile, what cannot be read, and what was made by hand.
    Sweep {
        /// Stack document; the only one in plans/ if left out.
        stack: Option<PathBuf>,
        /// Names last renewed that long ago, instead of the lease and a day; at least 15 minutes more
        /// than the lease.
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        older_than: Option<Duration>,
        #[command(flatten)]
        go: Go,
        #[command(flatten)]
        code: Code,
    },
}

/// What cannot be known offline, and narrows or widens a policy.
#[derive(Debug, Clone, Args)]
struct Ids {
    /// Id of the stack's hosted zone, once it exists: other zones are then out of reach.
    #[arg(long, value_name = "ID")]
    zone_id: Option<String>,
    /// ARN of the key behind a key-signing key that was made by hand, so that the operator can adopt it.
    #[arg(long, value_name = "ARN")]
    adopt_key: Option<String>,
}

/// What `policy` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PolicyOf {
    /// For `plan` and all that only reads.
    Reader,
    /// For `apply` and `destroy`; the reader's rights are in it.
    Operator,
    /// Both as a table: actions, resources, conditions, and why.
    Requirements,
}

#[derive(Debug, Subcommand)]
enum UpdaterCommand {
    /// Compile the updater, the same byte for byte everywhere, and print its digests.
    Build {
        /// Stack document, for its processor and its lock file; without one, this machine's processor.
        stack: Option<PathBuf>,
        /// Also write the zip to ZIP: bootstrap alone, as releases ship it; with --zone-id, the zip
        /// that the stack's function has.
        #[arg(long, value_name = "ZIP")]
        out: Option<PathBuf>,
        /// Id of the stack's hosted zone, which the function's configuration names.
        #[arg(long, value_name = "ID", requires = "stack")]
        zone_id: Option<String>,
        /// Pin this bootstrap in plans/NAME.updater.lock: the stack then takes no other.
        #[arg(long)]
        lock: bool,
        #[command(flatten)]
        code: Code,
    },
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Serve the simulated AWS over HTTP for boto3, the AWS CLI and others. Its time passes as the
    /// host's does: what waits, waits, until `sandbox advance` moves it.
    Serve {
        /// Address to listen on; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:4566")]
        listen: std::net::SocketAddr,
        /// Address of the resolver for delv, drill and others; 127.0.0.1:5353 or, where that is in
        /// use, a free port.
        #[arg(long)]
        dns: Option<std::net::SocketAddr>,
        /// Added to every answer.
        #[arg(long, default_value = "0s", value_parser = duration)]
        latency: Duration,
        /// Delays, lags and limits of a new world.
        #[arg(long, value_enum, default_value_t = ProfileArg::Fast)]
        profile: ProfileArg,
    },
    /// Throw the simulated world away and start afresh.
    Reset,
    /// Move the simulated clock ahead.
    Advance {
        /// By how much, such as 2d or 90min.
        #[arg(value_parser = duration)]
        duration: Duration,
    },
    /// Act as the registrar or the parent zone's hostmaster.
    Registrar {
        #[command(subcommand)]
        action: RegistrarCommand,
    },
    /// Let name servers of the simulated Internet fail or lag, or their answers be tampered with.
    Dns {
        #[command(subcommand)]
        action: DnsCommand,
    },
    /// Start and stop simulated EC2 instances. `sandbox serve` gives each a URL that is its metadata
    /// service and its way out: what is sent there comes from the instance.
    Instance {
        #[command(subcommand)]
        action: InstanceCommand,
    },
}

/// What goes wrong in the simulated DNS.
#[derive(Debug, Subcommand)]
enum DnsCommand {
    /// Let one name server misbehave, of whatever zone, or behave again.
    Server {
        /// Its name, as `status` shows it with its domain: ns-498.awsdns-62.com, ns1.example.edu.
        name: String,
        /// How: silent, servfail, refused, frozen (a parent's server keeps its delegations of now), or
        /// lag:10m (it gets every change ten minutes late); none lets it behave again.
        fault: Option<String>,
    },
    /// Change every answer of one name and type on its way, so that its signature no longer fits.
    Tamper {
        /// The name.
        name: String,
        /// The type, such as A.
        record_type: String,
        /// Let the answers pass as sent again.
        #[arg(long)]
        stop: bool,
    },
}

/// What somebody does in EC2's console.
#[derive(Debug, Subcommand)]
enum InstanceCommand {
    /// Launch an instance, or start a stopped one again.
    Start {
        /// A stopped instance; without one, a new one is launched.
        #[arg(conflicts_with_all = ["tag", "account", "region", "no_public", "ipv6", "metadata_tags",
            "no_metadata", "hop_limit", "role"])]
        id: Option<String>,
        /// Tag it; may be repeated.
        #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
        tag: Vec<(String, String)>,
        /// Account it belongs to.
        #[arg(long, default_value = "123456789012")]
        account: String,
        /// Region it runs in.
        #[arg(long, default_value = "us-east-1")]
        region: String,
        /// Give it no public IPv4 address: it then goes out through a NAT gateway.
        #[arg(long)]
        no_public: bool,
        /// Give it an IPv6 address.
        #[arg(long)]
        ipv6: bool,
        /// Show its tags in its metadata.
        #[arg(long)]
        metadata_tags: bool,
        /// Switch its metadata service off.
        #[arg(long)]
        no_metadata: bool,
        /// How many network hops the answer with a metadata token survives: 1 keeps containers out.
        #[arg(long, default_value_t = 2)]
        hop_limit: u8,
        /// Name of the role that its programs have.
        #[arg(long)]
        role: Option<String>,
    },
    /// Stop an instance; it loses its public IPv4 address.
    Stop {
        /// The instance.
        id: String,
    },
    /// End an instance for good.
    Terminate {
        /// The instance.
        id: String,
    },
    /// Show all instances, with their URLs.
    List,
}

/// What registrars and hostmasters do.
#[derive(Debug, Subcommand)]
enum RegistrarCommand {
    /// Delegate a zone to its Route 53 name servers, or to those given.
    Delegate {
        /// The zone.
        zone: String,
        /// Name servers.
        name_servers: Vec<String>,
    },
    /// Set the DS records of a delegated zone: "TAG ALGORITHM TYPE DIGEST" each.
    Ds {
        /// The zone.
        zone: String,
        /// The records; none takes them all out.
        records: Vec<String>,
    },
    /// Take out the DS records, or the delegation with them.
    Withdraw {
        /// The zone.
        zone: String,
        /// Leave the delegation in place.
        #[arg(long)]
        ds_only: bool,
    },
    /// Sign a zone above ours: a top-level domain, or a parent outside Route 53. All are at first.
    Sign {
        /// The zone.
        zone: String,
    },
    /// Take the signing of a zone above ours back.
    Unsign {
        /// The zone.
        zone: String,
    },
}

/// Profiles of the simulated AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProfileArg {
    /// Documented delays, list lags and limits.
    Aws,
    /// In sync after 2 s, no lags, no limits.
    Fast,
    /// No delays at all.
    Instant,
}

/// `KEY=VALUE`.
fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `90s`, `10min`, `2d`, `1h 30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: SignedDuration = text
        .parse()
        .or_else(|_| {
            let span: jiff::Span = text.parse()?;
            span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        })
        .map_err(|_| format!("{text:?} is not a duration such as 90s, 10min or 2d"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}

/// Runs one command.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && status::is_check(&args) => {
            let _ = error.print();
            return ExitCode::from(status::failed("the command line is wrong") as u8);
        }
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() {
                Exit::Error
            } else {
                Exit::Done
            };
            return ExitCode::from(code as u8);
        }
    };
    let exit = match dispatch(cli).await {
        Ok(exit) => exit,
        Err(error) => {
            output::error(&format!("{error:#}"));
            Exit::Error
        }
    };
    // Whatever was done is done; but what stdout got of it is not whole.
    let exit = match output::lost() {
        Some(why) => {
            output::error(&format!("stdout could not be written: {why}"));
            if exit == Exit::Done {
                Exit::Error
            } else {
                exit
            }
        }
        None => exit,
    };
    ExitCode::from(exit as u8)
}

async fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let mut global = cli.global;
    // Not clap's: to it a variable that is set to nothing is a mistake, which CI systems make of what is not set.
    global.sandbox = global
        .sandbox
        .or_else(|| variable("SPORE_SANDBOX").map(PathBuf::from));
    match cli.command {
        Command::Init {
            domain,
            account,
            instances,
        } => stack::init(&domain, &account, &instances),
        Command::Validate { stack } => stack::validate(stack),
        Command::Plan {
            stack,
            out,
            json,
            detailed_exitcode,
            code,
        } => apply::plan(&global, stack, out, json, detailed_exitcode, &code).await,
        Command::Apply { stack, go, code } => apply::apply(&global, stack, &go, &code).await,
        Command::Destroy {
            stack,
            go,
            include_records,
            delete_logs,
        } => {
            let options = crate::plan::DestroyOptions {
                include_records,
                delete_logs,
            };
            apply::destroy(&global, stack, &go, options).await
        }
        Command::Adopt { stack, go } => apply::adopt(&global, stack, &go).await,
        Command::Ds {
            stack,
            format,
            digest,
            check,
        } => records::ds(&global, stack, format, digest, check).await,
        Command::Handover {
            stack,
            step,
            key_tag,
            format,
        } => handover::handover(&global, stack, step, key_tag, format).await,
        Command::Export { stack, out } => zone::export(&global, stack, out).await,
        Command::Restore {
            files,
            go,
            delete_extra,
        } => zone::restore(&global, files, &go, delete_extra).await,
        Command::Ksk { command } => match command {
            KskCommand::List { stack } => records::keys(&global, stack).await,
            KskCommand::Rotate {
                stack,
                go,
                abort,
                again,
            } => {
                let how = match (abort, again) {
                    (true, _) => apply::Rotation::Abort,
                    (false, true) => apply::Rotation::Again,
                    (false, false) => apply::Rotation::GoOn,
                };
                apply::rotate(&global, stack, &go, how).await
            }
        },
        Command::Dnssec {
            command: DnssecCommand::Disable { stack, go },
        } => apply::unsign(&global, stack, &go).await,
        Command::Status {
            stack,
            json,
            check,
            code,
        } => {
            let form = match (json, check) {
                (_, true) => status::Form::Check,
                (true, false) => status::Form::Json,
                (false, false) => status::Form::Text,
            };
            status::status(&global, stack, form, &code).await
        }
        Command::Names { command } => match command {
            NamesCommand::List { stack, json, code } => {
                names::list(&global, stack, json, &code).await
            }
            NamesCommand::Release { arguments, go } => {
                names::release(&global, arguments, &go).await
            }
            NamesCommand::Sweep {
                stack,
                older_than,
                go,
                code,
            } => names::sweep(&global, stack, older_than, &go, &code).await,
        },
        Command::ClientConfig {
            stack,
            format,
            code,
        } => client_config::client_config(&global, stack, format, &code).await,
        Command::Updater {
            command:
                UpdaterCommand::Build {
                    stack,
                    out,
                    zone_id,
                    lock,
                    code,
                },
        } => updater::build(stack, out, zone_id.as_deref(), lock, &code),
        Command::Policy {
            what,
            stack,
            ids,
            json,
            out,
        } => policy::policy(what, stack, &ids, json, out),
        Command::Sandbox { command } => sandbox::run(&global, command).await,
        Command::Schema => {
            output::line(&serde_json::to_string_pretty(&crate::stack::schema())?);
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "spore-infra", &mut text);
            output::text(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
        Command::Man { out: Some(folder) } => {
            std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            clap_mangen::generate_to(Cli::command(), &folder)
                .with_context(|| folder.display().to_string())?;
            output::note(&format!("wrote the manual pages into {}", folder.display()));
            Ok(Exit::Done)
        }
        Command::Man { out: None } => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            output::text(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
    }
}

/// One variable of the environment; unset and empty are the same.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the environment is read"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let secs = |text| duration(text).map(|duration| duration.as_secs());
        for (text, expected) in [
            ("90s", 90),
            ("10min", 600),
            ("2d", 172_800),
            ("1h 30m", 5_400),
            ("0s", 0),
        ] {
            assert_eq!(secs(text), Ok(expected), "{text}");
        }
        for wrong in ["", "ten", "-5s", "5"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
