//! What an instance has to know to ask the updater for a name: the file of `spore-register`, and the ways
//! it gets onto instances. Pure; everything in it was read from live AWS but for the lease and the
//! families, which only the document has.
//!
//! Nothing in it is secret: it says where to ask and whose answer to believe. Whoever could change it on
//! an instance could send its proof elsewhere, so that the file is root's alone to write.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::addr::Kind;
use crate::desired::Desired;
use crate::kind::rest_api;
use crate::snapshot::{Observation, Snapshot};
use crate::stack::RecordType;

/// Where the client looks for its file.
pub const PATH: &str = "/etc/spore-register.toml";

/// Version of the file's format.
const VERSION: u32 = 1;

/// Characters of a parameter's value (Systems Manager API, PutParameter, standard tier).
const PARAMETER_CHARS_MAX: usize = 4_096;

/// What an instance needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The updater's URL.
    pub url: String,
    /// The zone's name.
    pub domain: String,
    /// The zone's id.
    pub zone_id: String,
    /// The account of the stack.
    pub account: String,
    /// ARN of the role that the updater's answers are signed with.
    pub updater_role: String,
    /// How long a name lasts without renewal.
    pub lease: Duration,
    /// Kinds of addresses that may be registered.
    pub families: Vec<&'static str>,
}

/// Host names of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// AWS's own.
    Aws,
    /// A server that stands for AWS, by its base URL.
    Emulator(String),
}

/// From live AWS.
///
/// # Errors
/// When something of the stack that answers instances is missing or could not be read; the text says
/// what, and what to do.
pub fn of(desired: &Desired, snapshot: &Snapshot, door: &Door) -> Result<ClientConfig, String> {
    let zone = present(&snapshot.hosted_zone, "the hosted zone")?;
    let role = snapshot.roles.get(&desired.addr(Kind::Role));
    let role = present(role.unwrap_or(&Observation::Absent), "the updater's role")?;
    present(&snapshot.function, "the updater's function")?;
    let api = present(&snapshot.rest_api, "the REST API")?;
    let stage = desired.stack.api.stage.as_str();
    let is_served = |stage: &rest_api::Stage| stage.hash().is_some();
    if !api.stages.get(stage).is_some_and(is_served) {
        return Err(missing(&format!(
            "stage {stage} of the REST API with its deployment"
        )));
    }
    let (id, region, path) = (&api.id, &desired.region, rest_api::PATH);
    let url = match door {
        Door::Aws => format!("https://{id}.execute-api.{region}.amazonaws.com/{stage}{path}"),
        Door::Emulator(base) => format!(
            "{}/restapis/{id}/{stage}/_user_request_{path}",
            base.trim_end_matches('/')
        ),
    };
    let types = &desired.stack.updater.record_types;
    let families: Vec<&str> = [(RecordType::A, "ipv4"), (RecordType::Aaaa, "ipv6")]
        .into_iter()
        .filter_map(|(rtype, family)| types.contains(&rtype).then_some(family))
        .collect();
    if families.is_empty() {
        return Err(
            "[updater] record-types has neither A nor AAAA, so that spore-register has no address to \
             register"
                .into(),
        );
    }
    Ok(ClientConfig {
        url,
        domain: desired.domain.clone(),
        zone_id: zone.id.clone(),
        account: desired.account.clone(),
        updater_role: format!(
            "arn:aws:iam::{}:role{}{}",
            desired.account,
            role.path,
            desired.role_name()
        ),
        lease: desired.stack.updater.lease,
        families,
    })
}

fn present<'a, L>(seen: &'a Observation<L>, what: &str) -> Result<&'a L, String> {
    match seen {
        Observation::Present(live) => Ok(live),
        Observation::Absent => Err(missing(what)),
        Observation::Foreign(why, _) | Observation::Unreadable(why) => {
            Err(format!("{what}: {why}"))
        }
    }
}

fn missing(what: &str) -> String {
    format!(
        "there is no {} yet; run `spore-infra apply` first",
        what.trim_start_matches("the ")
    )
}

/// The largest unit that divides evenly: `7d`.
fn short(span: Duration) -> String {
    let secs = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    units
        .into_iter()
        .find(|(unit, _)| secs.is_multiple_of(*unit))
        .map_or_else(
            || format!("{secs}s"),
            |(unit, word)| format!("{}{word}", secs / unit),
        )
}

impl ClientConfig {
    /// The file itself. Strings are written without escapes, since the client reads none.
    pub fn toml(&self) -> String {
        let mut out = format!(
            "# {PATH}: what spore-register must know of {}.\n\
             # Written by `spore-infra client-config`. Owner root, mode 0644; there is no secret in it.\n\
             version      = {VERSION}\n",
            self.domain
        );
        for (key, value) in [
            ("url", &self.url),
            ("domain", &self.domain),
            ("zone-id", &self.zone_id),
            ("account", &self.account),
            ("updater-role", &self.updater_role),
            ("lease", &short(self.lease)),
        ] {
            debug_assert!(!value.contains(['"', '\\', '\n']), "{key}: {value}");
            let _ = writeln!(out, "{key:12} = \"{value}\"");
        }
        let families: Vec<String> = self.families.iter().map(|f| format!("\"{f}\"")).collect();
        let _ = writeln!(out, "{:12} = [{}]", "families", families.join(", "));
        out
    }

    /// User data for cloud-init (cloud-init, module "Write Files").
    pub fn cloud_init(&self) -> String {
        let mut out = format!(
            "#cloud-config\nwrite_files:\n  - path: {PATH}\n    owner: root:root\n    permissions: \
             \"0644\"\n    content: |\n"
        );
        for line in self.toml().lines() {
            let _ = writeln!(out, "      {line}");
        }
        out
    }

    /// Local values for Terraform: the file, its settings one by one, and user data with it. A heredoc
    /// would end where a line of it does; strings in JSON's form are strings of HCL as well, but for the
    /// two signs that begin a template.
    pub fn terraform(&self) -> String {
        let quoted = |text: &str| {
            Value::from(text)
                .to_string()
                .replace("${", "$${")
                .replace("%{", "%%{")
        };
        let families: Vec<String> = self.families.iter().map(|f| quoted(f)).collect();
        format!(
            "# What instances must know of {domain}, by `spore-infra client-config --format terraform`.\n\
             # For instances: user_data = local.spore_register_user_data\n\
             locals {{\n\
             \x20 spore_register = {{\n\
             \x20   url          = {url}\n\
             \x20   domain       = {quoted_domain}\n\
             \x20   zone_id      = {zone_id}\n\
             \x20   account      = {account}\n\
             \x20   updater_role = {updater_role}\n\
             \x20   lease        = {lease}\n\
             \x20   families     = [{families}]\n\
             \x20 }}\n\
             \x20 spore_register_toml      = {toml}\n\
             \x20 spore_register_user_data = {user_data}\n\
             }}\n",
            domain = self.domain,
            url = quoted(&self.url),
            quoted_domain = quoted(&self.domain),
            zone_id = quoted(&self.zone_id),
            account = quoted(&self.account),
            updater_role = quoted(&self.updater_role),
            lease = quoted(&short(self.lease)),
            families = families.join(", "),
            toml = quoted(&self.toml()),
            user_data = quoted(&self.cloud_init()),
        )
    }

    /// The input of `aws ssm put-parameter --cli-input-json`: the file as a parameter that instances
    /// read at their start.
    pub fn ssm(&self) -> Value {
        let value = self.toml();
        debug_assert!(value.chars().count() <= PARAMETER_CHARS_MAX);
        json!({
            "Name": format!("/spore/{}/spore-register.toml", self.domain),
            "Description": format!("{PATH} for instances with names below {}", self.domain),
            "Type": "String",
            "Tier": "Standard",
            "DataType": "text",
            "Overwrite": true,
            "Value": value,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn config() -> ClientConfig {
        ClientConfig {
            url: "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod/update-dns".into(),
            domain: "spore.example.edu".into(),
            zone_id: "Z0123456789ABCDEFGHIJ".into(),
            account: "123456789012".into(),
            updater_role: "arn:aws:iam::123456789012:role/spore-updater".into(),
            lease: Duration::from_secs(604_800),
            families: vec!["ipv4", "ipv6"],
        }
    }

    #[test]
    fn the_file_has_what_the_client_reads() {
        let toml: toml::Table = config().toml().parse().unwrap();
        let expected = r#"
            version = 1
            url = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod/update-dns"
            domain = "spore.example.edu"
            zone-id = "Z0123456789ABCDEFGHIJ"
            account = "123456789012"
            updater-role = "arn:aws:iam::123456789012:role/spore-updater"
            lease = "7d"
            families = ["ipv4", "ipv6"]
        "#;
        assert_eq!(toml, expected.parse().unwrap());
        // The client reads one key a line and no escapes.
        for line in config().toml().lines() {
            assert!(line.starts_with('#') || line.matches(" = ").count() == 1);
            assert!(!line.contains('\\'), "{line}");
        }
    }

    #[test]
    fn leases_are_whole_numbers_of_one_unit() {
        for (secs, expected) in [
            (604_800, "7d"),
            (90_000, "25h"),
            (5_400, "90m"),
            (3_601, "3601s"),
        ] {
            assert_eq!(short(Duration::from_secs(secs)), expected);
        }
    }

    #[test]
    fn the_parameter_is_the_file() {
        let parameter = config().ssm();
        assert_eq!(parameter["Value"], config().toml());
        assert_eq!(
            parameter["Name"],
            "/spore/spore.example.edu/spore-register.toml"
        );
    }

    #[test]
    fn no_value_begins_a_template() {
        let mut config = config();
        config.domain = "${x}%{y}".into();
        let text = config.terraform();
        assert!(text.contains("\"$${x}%%{y}\""), "{text}");
    }
}
