//! The forms in which parents take a DS record: zone file lines, a registrar's web form, EPP, the Route
//! 53 Domains API, a dynamic update. It decides spelling only; whether a record may be published is
//! decided before.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::wanted::{Part, Wanted};
use super::{DS_TTL_SECS, DigestType, DnsKey, Ds};
use crate::rotation::DNSKEY_TTL;

/// Both digest types, the one that every validator knows first.
pub const BOTH: [DigestType; 2] = [DigestType::Sha256, DigestType::Sha384];

/// What is to stand at the parent.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The zone, without a trailing dot.
    pub domain: &'a str,
    /// The keys that the parent is to vouch for, the one that comes first, and the one that goes.
    pub keys: &'a [Wanted],
    /// Digest types to publish.
    pub digests: &'a [DigestType],
    /// DS records at the parent that are of no key of the zone, or of one that goes.
    pub remove: &'a [Ds],
    /// The parent zone, where it is known.
    pub parent: Option<&'a str>,
}

impl Request<'_> {
    /// The records of a key.
    fn of(&self, wanted: &Wanted) -> Vec<Ds> {
        let of = |digest: &DigestType| wanted.key.ds(self.domain, *digest);
        self.digests.iter().map(of).collect()
    }

    /// Keys whose records are not at the parent yet, for all that is known.
    fn coming(&self) -> impl Iterator<Item = &Wanted> {
        self.keys.iter().filter(|wanted| match wanted.part {
            Part::Only | Part::Comes => true,
            Part::Stays | Part::Goes => false,
        })
    }

    /// Keys that the parent is to vouch for.
    fn standing(&self) -> impl Iterator<Item = &Wanted> {
        let stands = |wanted: &&Wanted| wanted.part != Part::Goes;
        self.keys.iter().filter(stands)
    }

    /// A line for each record that is to stand there, in a rotation below a comment (RFC 1035, section
    /// 5.1) that says whose.
    fn lines(&self, line: impl Fn(&Ds) -> String) -> String {
        self.keys.iter().fold(String::new(), |mut out, wanted| {
            out.push_str(&comment(wanted));
            if wanted.part != Part::Goes {
                out.extend(self.of(wanted).iter().map(&line));
            }
            out
        })
    }
}

/// Which key of a rotation it is; nothing outside of one.
fn comment(wanted: &Wanted) -> String {
    let name = &wanted.name;
    match wanted.part {
        Part::Only => String::new(),
        Part::Stays => format!("; {name}: stays at the parent for now\n"),
        Part::Comes => format!("; {name}: to be added at the parent\n"),
        Part::Goes => format!(
            "; {name}: key tag {}, to be taken out at the parent\n",
            wanted.key.key_tag()
        ),
    }
}

/// The records, then their fields.
pub fn text(domain: &str, keys: &[Wanted], line: DigestType) -> String {
    let of = |wanted: &Wanted| {
        if wanted.part == Part::Goes {
            return comment(wanted);
        }
        let key = &wanted.key;
        let [ds, ds4] = BOTH.map(|digest| key.ds(domain, digest));
        format!(
            "{}{domain}. {DS_TTL_SECS} IN DS {}\n\
             {domain}. {} IN DNSKEY {key}\n\n\
             key tag      {}\n\
             algorithm    {} (ECDSAP256SHA256)\n\
             digest type  2 (SHA-256)\n\
             digest       {}\n\
             digest type  4 (SHA-384), where the registry wants it\n\
             digest       {}\n\
             flags        {} (KSK)\n\
             public key   {}\n",
            comment(wanted),
            key.ds(domain, line),
            DNSKEY_TTL.as_secs(),
            ds.key_tag,
            ds.algorithm,
            ds.hex(),
            ds4.hex(),
            key.flags(),
            key.base64(),
        )
    };
    keys.iter().map(of).collect::<Vec<_>>().join("\n")
}

/// JSON, for programs. `ds` is what is to stand at the parent, `dnskey` the key that comes; `keys` has each
/// with its records, the one that goes as well.
pub fn json(of: &Request<'_>) -> Value {
    let domain = of.domain;
    let record = |ds: Ds| {
        json!({
            "key_tag": ds.key_tag,
            "algorithm": ds.algorithm,
            "digest_type": ds.digest_type,
            "digest": ds.hex(),
            "record": format!("{domain}. IN DS {ds}"),
        })
    };
    let records =
        |wanted: &Wanted| -> Vec<Value> { of.of(wanted).into_iter().map(record).collect() };
    let dnskey = |key: &DnsKey| {
        json!({
            "flags": key.flags(),
            "protocol": 3,
            "algorithm": key.algorithm(),
            "public_key": key.base64(),
            "record": format!("{domain}. IN DNSKEY {key}"),
        })
    };
    json!({
        "domain": domain,
        "ds": of.standing().flat_map(records).collect::<Vec<_>>(),
        "dnskey": of.keys.first().map(|wanted| dnskey(&wanted.key)),
        "keys": of.keys.iter().map(|wanted| json!({
            "name": wanted.name,
            "part": wanted.part.word(),
            "ds": records(wanted),
            "dnskey": dnskey(&wanted.key),
        })).collect::<Vec<_>>(),
    })
}

/// DS lines for a parent's zone file.
pub fn bind(of: &Request<'_>) -> String {
    of.lines(|ds| format!("{}. IN DS {ds}\n", of.domain))
}

/// A `dsset-` file as BIND's dnssec-signzone writes it: a tab behind the owner, no TTL, and the digest in
/// groups of 56 digits.
pub fn dsset(of: &Request<'_>) -> String {
    of.lines(|ds| {
        let hex: Vec<char> = ds.hex().chars().collect();
        let groups: Vec<String> = hex.chunks(56).map(|part| part.iter().collect()).collect();
        format!(
            "{}.\tIN DS {} {} {} {}\n",
            of.domain,
            ds.key_tag,
            ds.algorithm,
            ds.digest_type,
            groups.join(" ")
        )
    })
}

/// What registrars' web forms ask for, one field a line, separated by a tab. Some ask for the DS
/// record, some for the key.
pub fn fields(of: &Request<'_>) -> String {
    let mut out = String::new();
    let mut field = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name}\t{value}");
    };
    field("Domain", &of.domain);
    for wanted in of.keys {
        match wanted.part {
            Part::Only => {}
            Part::Stays => field("Key", &format!("{}, stays for now", wanted.name)),
            Part::Comes => field("Key", &format!("{}, to be added", wanted.name)),
            Part::Goes => {
                field("Key", &format!("{}, to be taken out", wanted.name));
                field("Key tag", &wanted.key.key_tag());
                continue;
            }
        }
        for ds in of.of(wanted) {
            field("Key tag", &ds.key_tag);
            field("Algorithm", &format!("{} (ECDSAP256SHA256)", ds.algorithm));
            let name = if ds.digest_type == DigestType::Sha256.number() {
                "SHA-256"
            } else {
                "SHA-384"
            };
            field("Digest type", &format!("{} ({name})", ds.digest_type));
            field("Digest", &ds.hex());
        }
        let key = &wanted.key;
        field("Flags", &format!("{} (KSK)", key.flags()));
        field("Protocol", &3);
        field("Public key", &key.base64());
    }
    out
}

/// The key itself, for parents that compute the DS record.
pub fn dnskey(of: &Request<'_>) -> String {
    let ttl = DNSKEY_TTL.as_secs();
    of.keys.iter().fold(String::new(), |mut out, wanted| {
        out.push_str(&comment(wanted));
        if wanted.part != Part::Goes {
            let _ = writeln!(out, "{}. {ttl} IN DNSKEY {}", of.domain, wanted.key);
        }
        out
    })
}

/// `--signing-attributes` of `aws route53domains associate-delegation-signer-to-domain`, a line for each
/// call. That service computes the DS record from the key, and each call adds one (Route 53 Domains API,
/// DnssecSigningAttributes). What goes is taken out by an id that only that service knows
/// (DisassociateDelegationSignerFromDomain), so nothing is printed for it.
pub fn route53_domains(of: &Request<'_>) -> String {
    of.coming().fold(String::new(), |mut out, wanted| {
        let attributes = json!({
            "Algorithm": wanted.key.algorithm(),
            "Flags": wanted.key.flags(),
            "PublicKey": wanted.key.base64(),
        });
        let _ = writeln!(out, "{attributes}");
        out
    })
}

/// A script for BIND's nsupdate. Only below an existing delegation: a DS record without one would say
/// that there is a zone where there is none (RFC 2136, section 2.4.1 is the prerequisite).
pub fn nsupdate(of: &Request<'_>) -> String {
    let domain = of.domain;
    let mut out = String::new();
    if let Some(parent) = of.parent {
        let _ = writeln!(out, "zone {}.", parent.trim_end_matches('.'));
    }
    let _ = writeln!(out, "prereq yxrrset {domain}. IN NS");
    for ds in of.remove {
        let _ = writeln!(out, "update delete {domain}. IN DS {ds}");
    }
    for wanted in of.keys {
        out.push_str(&comment(wanted));
        // What stays is there, perhaps with another digest. A record that is there already is no error (RFC 2136,
        // section 3.4.2.2).
        if matches!(wanted.part, Part::Only | Part::Comes) {
            for ds in of.of(wanted) {
                let _ = writeln!(out, "update add {domain}. {DS_TTL_SECS} IN DS {ds}");
            }
        }
    }
    out.push_str("send\n");
    out
}

/// What a registry wants to be told by EPP: the record, or the key it computes the record from
/// (RFC 5910, sections 4.1 and 4.2). It takes one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EppData {
    /// `secDNS:dsData`.
    Ds,
    /// `secDNS:keyData`.
    Key,
}

/// The command it goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EppCommand {
    /// The extension of a domain's create command, whose other half only the registrar knows.
    Create,
    /// A complete update command of the domain.
    Update,
}

const EPP: &str = "urn:ietf:params:xml:ns:epp-1.0";
const EPP_DOMAIN: &str = "urn:ietf:params:xml:ns:domain-1.0";
const EPP_SECDNS: &str = "urn:ietf:params:xml:ns:secDNS-1.1";

/// EPP with the secDNS-1.1 extension (RFC 5910). An update adds what comes and removes what goes; what stays
/// is not named. Within an update the removals come first, and one that changes nothing is none: at least
/// one of both has to be there (section 5.2.5), so nothing is printed then. A record that is of none of the
/// zone's keys is removed as a record, which a registry that takes keys has no name for: there it has to be
/// removed by its key.
pub fn epp(of: &Request<'_>, data: EppData, command: EppCommand) -> String {
    let keys: Vec<&Wanted> = match command {
        EppCommand::Create => of.standing().collect(),
        EppCommand::Update => of.coming().collect(),
    };
    let mut wanted = String::new();
    for key in keys {
        match data {
            EppData::Ds => {
                for ds in of.of(key) {
                    ds_data(&mut wanted, &ds);
                }
            }
            EppData::Key => key_data(&mut wanted, &key.key),
        }
    }
    let mut gone = String::new();
    match data {
        EppData::Ds => {
            for ds in of.remove {
                ds_data(&mut gone, ds);
            }
        }
        EppData::Key => {
            let going = of.keys.iter().filter(|wanted| wanted.part == Part::Goes);
            for wanted in going {
                key_data(&mut gone, &wanted.key);
            }
        }
    }
    if command == EppCommand::Update && wanted.is_empty() && gone.is_empty() {
        return String::new();
    }
    let mut body = String::new();
    match command {
        EppCommand::Create => {
            let _ = writeln!(body, "<extension xmlns=\"{EPP}\">");
            let _ = writeln!(body, "  <secDNS:create xmlns:secDNS=\"{EPP_SECDNS}\">");
            body.push_str(&indented(&wanted, 4));
            body.push_str("  </secDNS:create>\n</extension>\n");
        }
        EppCommand::Update => {
            let _ = writeln!(body, "<epp xmlns=\"{EPP}\">\n  <command>\n    <update>");
            let _ = writeln!(body, "      <domain:update xmlns:domain=\"{EPP_DOMAIN}\">");
            let _ = writeln!(body, "        <domain:name>{}</domain:name>", of.domain);
            body.push_str("      </domain:update>\n    </update>\n    <extension>\n");
            let _ = writeln!(body, "      <secDNS:update xmlns:secDNS=\"{EPP_SECDNS}\">");
            if !gone.is_empty() {
                body.push_str("        <secDNS:rem>\n");
                body.push_str(&indented(&gone, 10));
                body.push_str("        </secDNS:rem>\n");
            }
            if !wanted.is_empty() {
                body.push_str("        <secDNS:add>\n");
                body.push_str(&indented(&wanted, 10));
                body.push_str("        </secDNS:add>\n");
            }
            body.push_str("      </secDNS:update>\n    </extension>\n  </command>\n</epp>\n");
        }
    }
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n{body}")
}

/// Elements in the order of RFC 5910's dsDataType.
fn ds_data(out: &mut String, ds: &Ds) {
    let _ = writeln!(
        out,
        "<secDNS:dsData>\n  <secDNS:keyTag>{}</secDNS:keyTag>\n  <secDNS:alg>{}</secDNS:alg>\n  \
         <secDNS:digestType>{}</secDNS:digestType>\n  <secDNS:digest>{}</secDNS:digest>\n\
         </secDNS:dsData>",
        ds.key_tag,
        ds.algorithm,
        ds.digest_type,
        ds.hex()
    );
}

/// Elements in the order of RFC 5910's keyDataType.
fn key_data(out: &mut String, key: &DnsKey) {
    let _ = writeln!(
        out,
        "<secDNS:keyData>\n  <secDNS:flags>{}</secDNS:flags>\n  <secDNS:protocol>3</secDNS:protocol>\n  \
         <secDNS:alg>{}</secDNS:alg>\n  <secDNS:pubKey>{}</secDNS:pubKey>\n</secDNS:keyData>",
        key.flags(),
        key.algorithm(),
        key.base64()
    );
}

fn indented(text: &str, by: usize) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{:by$}{line}", "");
        out
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// RFC 6605, section 6.1: a DNSKEY of example.net and its DS record.
    const KEY: &str = "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
    const DS: &str = "55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17";

    fn wanted(key: &str, part: Part) -> Wanted {
        Wanted {
            name: "spore_1".into(),
            key: DnsKey::parse(key).unwrap(),
            part,
        }
    }

    fn told(form: impl Fn(&Request<'_>) -> String, digests: &[DigestType]) -> String {
        form(&Request {
            domain: "example.net",
            keys: &[wanted(KEY, Part::Only)],
            digests,
            remove: &[Ds::parse(&DS.replace("55648", "12735")).unwrap()],
            parent: Some("net"),
        })
    }

    #[test]
    fn an_update_takes_out_what_is_wrong_first_and_only_where_there_is_a_delegation() {
        let script = told(nsupdate, &[DigestType::Sha256]);
        let stale = DS.replace("55648", "12735");
        let expected = format!(
            "zone net.\nprereq yxrrset example.net. IN NS\nupdate delete example.net. IN DS {stale}\n\
             update add example.net. 300 IN DS {DS}\nsend\n"
        );
        assert_eq!(script, expected);
        let ds = |of: &Request<'_>| epp(of, EppData::Ds, EppCommand::Update);
        let text = told(ds, &[DigestType::Sha256]);
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("<secDNS:rem>") < at("12735") && at("12735") < at("<secDNS:add>"));
        assert!(at("<secDNS:add>") < at("55648"));
        // A registry of keys knows no records.
        let key = |of: &Request<'_>| epp(of, EppData::Key, EppCommand::Update);
        assert!(!told(key, &BOTH).contains("rem>"));
    }

    #[test]
    fn digest_types_are_those_asked_for() {
        for form in [bind as fn(&Request<'_>) -> String, dsset, nsupdate] {
            let lines = |digests: &[DigestType]| {
                let text = told(form, digests);
                let is_new = |line: &&str| line.contains("55648");
                text.lines().filter(is_new).count()
            };
            assert_eq!(lines(&[DigestType::Sha256]), 1);
            assert_eq!(lines(&BOTH), 2);
        }
        assert!(told(bind, &[DigestType::Sha256]).contains(DS));
        assert!(told(bind, &[DigestType::Sha384]).contains(" 55648 13 4 "));
    }
    #[test]
    fn in_a_rotation_each_form_says_which_key_is_which() {
        let other = KEY.replace("Goj", "Hoj");
        let keys = [wanted(&other, Part::Comes), wanted(KEY, Part::Stays)];
        let request = Request {
            domain: "example.net",
            keys: &keys,
            digests: &[DigestType::Sha256],
            remove: &[],
            parent: None,
        };
        let new = keys[0]
            .key
            .ds("example.net", DigestType::Sha256)
            .to_string();
        for form in [bind as fn(&Request<'_>) -> String, dsset, nsupdate, dnskey] {
            let text = form(&request);
            let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
            assert!(at("to be added") < at("stays"), "{text}");
        }
        assert!(bind(&request).contains(&new) && bind(&request).contains(DS));
        // What is there already is neither added again nor taken out.
        let update = epp(&request, EppData::Ds, EppCommand::Update);
        assert!(update.contains(&keys[0].key.key_tag().to_string()) && !update.contains("55648"));
        let all = epp(&request, EppData::Ds, EppCommand::Create);
        assert!(all.contains("55648"));
        assert_eq!(route53_domains(&request).lines().count(), 1);
        let told = json(&request);
        assert_eq!(told["keys"][0]["part"], "comes");
        assert_eq!(told["keys"][1]["part"], "stays");
        assert_eq!(told["keys"][1]["ds"][0]["key_tag"], 55648);
        assert_eq!(told["ds"].as_array().unwrap().len(), 2);
    }
}
