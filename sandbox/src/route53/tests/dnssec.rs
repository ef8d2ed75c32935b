//! Key-signing keys and signing, with real KMS keys and the parent's real answers.

use std::net::IpAddr;

use base64::Engine as _;
use domain::base::{Message, Rtype};
use serde_json::{Value, json};

use super::Bench;
use crate::dns::{self, DnsName, Fault, RegistrarAction, address};
use crate::kms;
use crate::profile::Profile;

const ZONE: &str = "spore.example.edu";

/// A zone, and what is needed to sign it.
pub(crate) struct Signer {
    pub(crate) bench: Bench,
    pub(crate) zone: String,
}

impl Signer {
    pub(crate) fn new(profile: Profile) -> Self {
        let mut bench = Bench::new(profile);
        let zone = bench.zone(ZONE, "one");
        bench.advance(60);
        Self { bench, zone }
    }

    pub(crate) fn kms(&mut self, region: &str, name: &str, input: Value) -> Value {
        let mut caller = self.bench.caller();
        caller.region = region.into();
        (kms::operation(name).unwrap().run)(&mut self.bench.world, &caller, input).unwrap()
    }

    /// A policy that lets Route 53 use a key for the zone, as the developer guide has it.
    fn policy(&self, zone: &str) -> String {
        let root = json!({
            "Sid": "Root", "Effect": "Allow", "Resource": "*", "Action": "kms:*",
            "Principal": { "AWS": "arn:aws:iam::123456789012:root" },
        });
        let service = json!({ "Service": "dnssec-route53.amazonaws.com" });
        let signing = json!({
            "Sid": "Sign", "Effect": "Allow", "Resource": "*", "Principal": service,
            "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"],
            "Condition": {
                "StringEquals": { "aws:SourceAccount": "123456789012" },
                "ArnEquals": { "aws:SourceArn": format!("arn:aws:route53:::hostedzone/{zone}") },
            },
        });
        let grant = json!({
            "Sid": "Grant", "Effect": "Allow", "Resource": "*", "Principal": service,
            "Action": "kms:CreateGrant",
            "Condition": { "Bool": { "kms:GrantIsForAWSResource": "true" } },
        });
        json!({ "Version": "2012-10-17", "Statement": [root, signing, grant] }).to_string()
    }

    fn key_of(&mut self, region: &str, spec: &str, policy: &str) -> String {
        let usage = if spec == "SYMMETRIC_DEFAULT" {
            "ENCRYPT_DECRYPT"
        } else {
            "SIGN_VERIFY"
        };
        let input = json!({ "KeySpec": spec, "KeyUsage": usage, "Policy": policy });
        let output = self.kms(region, "CreateKey", input);
        output["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    /// ARN of a key that is fit for the zone.
    fn key(&mut self) -> String {
        let policy = self.policy(&self.zone.clone());
        self.key_of("us-east-1", "ECC_NIST_P256", &policy)
    }

    fn create(&self, name: &str, arn: &str, status: &str) -> Value {
        json!({
            "CallerReference": name, "HostedZoneId": self.zone, "Name": name, "Status": status,
            "KeyManagementServiceArn": arn,
        })
    }

    fn zone_input(&self) -> Value {
        json!({ "HostedZoneId": self.zone })
    }

    fn ksk_input(&self, name: &str) -> Value {
        json!({ "HostedZoneId": self.zone, "Name": name })
    }

    /// Makes an ACTIVE KSK of that name and returns the ARN of its key.
    pub(crate) fn active(&mut self, name: &str) -> String {
        let arn = self.key();
        let input = self.create(name, &arn, "ACTIVE");
        self.bench.ok("CreateKeySigningKey", input);
        arn
    }

    fn enable(&mut self) {
        self.bench.ok("EnableHostedZoneDNSSEC", self.zone_input());
    }

    fn dnssec(&mut self) -> Value {
        self.bench.ok("GetDNSSEC", self.zone_input())
    }

    fn code(&mut self, operation: &str, input: Value) -> String {
        self.bench.refused(operation, input).0
    }

    fn registrar(&mut self, action: RegistrarAction) {
        self.bench.world.registrar(self.bench.now, action).unwrap();
    }

    fn delegate(&mut self) {
        self.registrar(RegistrarAction::Delegate {
            zone: ZONE.into(),
            name_servers: None,
        });
    }

    fn set_ds(&mut self, records: &[&Value]) {
        let records = records
            .iter()
            .map(|r| r.as_str().unwrap().to_owned())
            .collect();
        self.registrar(RegistrarAction::Ds {
            zone: ZONE.into(),
            records,
        });
    }

    /// How many DNSKEY records each of the zone's servers answers.
    fn dnskeys(&mut self) -> Vec<usize> {
        let got = self.bench.ok("GetHostedZone", json!({ "Id": self.zone }));
        let servers = got["DelegationSet"]["NameServers"].as_array().unwrap();
        servers
            .iter()
            .map(|server| {
                let server = DnsName::parse(server.as_str().unwrap()).unwrap();
                let query = dns::question(&DnsName::parse(ZONE).unwrap(), Rtype::DNSKEY);
                let at = IpAddr::V4(address::of(&server).unwrap().0);
                let answer = self.bench.world.dns(self.bench.now, at, &query).unwrap();
                dns::answers(&Message::from_octets(answer).unwrap(), Rtype::DNSKEY).len()
            })
            .collect()
    }
}

#[test]
fn the_ds_is_that_of_the_kms_key_and_signing_serves_it() {
    let mut signer = Signer::new(Profile::Aws);
    let arn = signer.active("first_ksk");
    let public = signer.kms("us-east-1", "GetPublicKey", json!({ "KeyId": arn }));
    let spki = base64::engine::general_purpose::STANDARD
        .decode(public["PublicKey"].as_str().unwrap())
        .unwrap();
    let point: [u8; 64] = spki[spki.len() - 64..].try_into().unwrap();
    let key = dns::Dnskey {
        flags: 257,
        public_key: point,
    };
    let ds = key.ds(&DnsName::parse(ZONE).unwrap(), dns::DigestType::Sha256);

    let before = signer.dnssec();
    assert_eq!(before["Status"]["ServeSignature"], "NOT_SIGNING");
    let ksk = &before["KeySigningKeys"][0];
    assert_eq!(ksk["DNSKEYRecord"], key.text());
    assert_eq!(ksk["DSRecord"], ds.text());
    assert_eq!(ksk["KeyTag"], ds.key_tag);
    assert_eq!(
        (&ksk["Flag"], &ksk["Status"]),
        (&json!(257), &json!("ACTIVE"))
    );
    assert_eq!(ksk["DigestValue"].as_str().unwrap().len(), 64);

    assert_eq!(signer.dnskeys(), [0; 4]);
    signer.enable();
    assert_eq!(signer.dnssec()["Status"]["ServeSignature"], "SIGNING");
    assert_eq!(signer.dnskeys(), [0; 4], "no server has it yet");
    signer.bench.advance(60);
    assert_eq!(signer.dnskeys(), [2; 4], "KSK and ZSK");
    signer
        .bench
        .ok("DisableHostedZoneDNSSEC", signer.zone_input());
    signer.bench.advance(60);
    assert_eq!(signer.dnskeys(), [0; 4]);
}

#[test]
fn unfit_keys_are_refused_with_the_reason() {
    let mut signer = Signer::new(Profile::Instant);
    let policy = signer.policy(&signer.zone.clone());
    let other_zone = signer.policy("ZOTHER");
    let plain = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:root" },
        "Action": "kms:*", "Resource": "*" }] })
    .to_string();
    let fit = signer.key();
    let alias = fit.split(":key/").next().unwrap().to_owned() + ":alias/spore";
    let disabled = signer.key();
    signer.kms("us-east-1", "DisableKey", json!({ "KeyId": disabled }));
    let dying = signer.key();
    signer.kms(
        "us-east-1",
        "ScheduleKeyDeletion",
        json!({ "KeyId": dying }),
    );
    let cases = [
        (
            signer.key_of("us-east-1", "SYMMETRIC_DEFAULT", &policy),
            "SYMMETRIC_DEFAULT",
        ),
        (
            signer.key_of("eu-west-1", "ECC_NIST_P256", &policy),
            "eu-west-1",
        ),
        (signer.key_of("us-east-1", "ECC_NIST_P256", &other_zone), ""),
        (signer.key_of("us-east-1", "ECC_NIST_P256", &plain), ""),
        (alias, "alias"),
        (disabled, "Disabled"),
        (dying, "PendingDeletion"),
        (fit.replace("key/", "key/mrk-"), "multi-Region"),
        (format!("{fit}0"), "no KMS key"),
        ("nonsense".to_owned(), "not the ARN"),
    ];
    for (arn, reason) in cases {
        let input = signer.create("some_ksk", &arn, "ACTIVE");
        let (code, message) = signer.bench.refused("CreateKeySigningKey", input);
        assert_eq!(code, "InvalidKMSArn", "{arn}");
        assert!(message.contains(reason), "{message}");
    }
    assert_eq!(signer.dnssec()["KeySigningKeys"], json!([]));
}

#[test]
fn names_references_arns_and_number_are_checked() {
    let mut signer = Signer::new(Profile::Instant);
    let arn = signer.active("first_ksk");
    let other = signer.key();
    let code = |signer: &mut Signer, name: &str, arn: &str, status: &str| {
        let input = signer.create(name, arn, status);
        signer.code("CreateKeySigningKey", input)
    };
    let bad_name = "spore-host-ksk";
    assert_eq!(
        code(&mut signer, bad_name, &other, "ACTIVE"),
        "InvalidKeySigningKeyName"
    );
    assert_eq!(
        code(&mut signer, "two", &other, "DELETING"),
        "InvalidKeySigningKeyStatus"
    );
    assert_eq!(
        code(&mut signer, "first_ksk", &other, "ACTIVE"),
        "KeySigningKeyAlreadyExists"
    );
    assert_eq!(
        code(&mut signer, "second_ksk", &arn, "ACTIVE"),
        "KeySigningKeyAlreadyExists"
    );
    let second = signer.create("second_ksk", &other, "INACTIVE");
    signer.bench.ok("CreateKeySigningKey", second);
    let third = signer.key();
    assert_eq!(
        code(&mut signer, "third_ksk", &third, "ACTIVE"),
        "TooManyKeySigningKeys"
    );
    let mut elsewhere = signer.create("third_ksk", &third, "ACTIVE");
    elsewhere["HostedZoneId"] = "ZNONE".into();
    assert_eq!(
        signer.code("CreateKeySigningKey", elsewhere),
        "NoSuchHostedZone"
    );
    let unknown = signer.ksk_input("none_such");
    for operation in [
        "ActivateKeySigningKey",
        "DeactivateKeySigningKey",
        "DeleteKeySigningKey",
    ] {
        assert_eq!(
            signer.code(operation, unknown.clone()),
            "NoSuchKeySigningKey"
        );
    }
}

#[test]
fn enabling_needs_an_active_ksk_and_the_parents_agreement() {
    let mut signer = Signer::new(Profile::Instant);
    let enable = |signer: &mut Signer| signer.code("EnableHostedZoneDNSSEC", signer.zone_input());
    assert_eq!(enable(&mut signer), "KeySigningKeyWithActiveStatusNotFound");
    let arn = signer.key();
    let input = signer.create("first_ksk", &arn, "INACTIVE");
    signer.bench.ok("CreateKeySigningKey", input);
    assert_eq!(enable(&mut signer), "KeySigningKeyWithActiveStatusNotFound");
    signer
        .bench
        .ok("ActivateKeySigningKey", signer.ksk_input("first_ksk"));

    let wrong = RegistrarAction::Delegate {
        zone: ZONE.into(),
        name_servers: Some(vec![
            "ns-1.awsdns-00.com".into(),
            "ns.elsewhere.example".into(),
        ]),
    };
    signer.registrar(wrong);
    let (code, message) = signer
        .bench
        .refused("EnableHostedZoneDNSSEC", signer.zone_input());
    assert_eq!(code, "HostedZonePartiallyDelegated");
    assert!(
        message.contains("ns.elsewhere.example"),
        "both sets are shown: {message}"
    );
    signer.delegate();
    signer.enable();
}

#[test]
fn an_undelegated_zone_can_be_signed_and_unsigned() {
    let mut signer = Signer::new(Profile::Instant);
    assert_eq!(
        signer.code("DisableHostedZoneDNSSEC", signer.zone_input()),
        "DNSSECNotFound"
    );
    signer.active("first_ksk");
    signer.enable();
    signer
        .bench
        .ok("DisableHostedZoneDNSSEC", signer.zone_input());
    assert_eq!(signer.dnssec()["Status"]["ServeSignature"], "NOT_SIGNING");
}

#[test]
fn a_ds_at_the_parent_or_a_silent_parent_blocks_unsigning() {
    let mut signer = Signer::new(Profile::Instant);
    signer.active("first_ksk");
    signer.delegate();
    signer.enable();
    let ds = signer.dnssec()["KeySigningKeys"][0]["DSRecord"].clone();
    signer.set_ds(&[&ds]);
    let disable = |signer: &mut Signer| {
        signer
            .bench
            .refused("DisableHostedZoneDNSSEC", signer.zone_input())
    };
    let (code, message) = disable(&mut signer);
    assert_eq!(code, "KeySigningKeyInParentDSRecord");
    assert!(!message.contains("lookup failure"));

    signer.set_ds(&[]);
    let parents: Vec<IpAddr> = ["ns1.example.edu", "ns2.example.edu"]
        .iter()
        .filter_map(|name| address::of(&DnsName::parse(name).unwrap()))
        .flat_map(|(v4, v6)| [IpAddr::from(v4), IpAddr::from(v6)])
        .collect();
    for server in &parents {
        signer
            .bench
            .world
            .server_fault(*server, Some(Fault::Silent));
    }
    let (code, message) = disable(&mut signer);
    assert_eq!(code, "KeySigningKeyInParentDSRecord");
    assert!(
        message.starts_with("Due to DNS lookup failure, we cannot determine"),
        "{message}"
    );
    for server in &parents {
        signer.bench.world.server_fault(*server, None);
    }
    signer
        .bench
        .ok("DisableHostedZoneDNSSEC", signer.zone_input());
}

#[test]
fn a_rollover_goes_only_in_the_safe_order() {
    let mut signer = Signer::new(Profile::Instant);
    signer.active("old_ksk");
    signer.delegate();
    signer.enable();
    let old = signer.dnssec()["KeySigningKeys"][0]["DSRecord"].clone();
    signer.set_ds(&[&old]);
    let old_ksk = signer.ksk_input("old_ksk");
    assert_eq!(
        signer.code("DeactivateKeySigningKey", old_ksk.clone()),
        "KeySigningKeyInUse"
    );

    signer.active("new_ksk");
    assert_eq!(signer.dnskeys(), [3; 4]);
    let new = signer.dnssec()["KeySigningKeys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|ksk| ksk["Name"] == "new_ksk")
        .unwrap()["DSRecord"]
        .clone();
    let code = signer.code("DeactivateKeySigningKey", old_ksk.clone());
    assert_eq!(code, "KeySigningKeyInParentDSRecord");
    signer.set_ds(&[&old, &new]);
    let code = signer.code("DeactivateKeySigningKey", old_ksk.clone());
    assert_eq!(code, "KeySigningKeyInParentDSRecord");
    signer.set_ds(&[&new]);
    assert_eq!(
        signer.code("DeleteKeySigningKey", old_ksk.clone()),
        "InvalidKeySigningKeyStatus"
    );
    signer.bench.ok("DeactivateKeySigningKey", old_ksk.clone());
    signer.bench.ok("DeleteKeySigningKey", old_ksk.clone());
    assert_eq!(signer.dnskeys(), [2; 4]);
    assert_eq!(
        signer.code("DeleteKeySigningKey", old_ksk),
        "NoSuchKeySigningKey"
    );
}

#[test]
fn teardown_ends_with_a_zone_that_can_be_deleted() {
    let mut signer = Signer::new(Profile::Instant);
    signer.active("first_ksk");
    signer.enable();
    let ksk = signer.ksk_input("first_ksk");
    signer
        .bench
        .ok("DisableHostedZoneDNSSEC", signer.zone_input());
    let delete = json!({ "Id": signer.zone });
    let (code, message) = signer.bench.refused("DeleteHostedZone", delete.clone());
    assert_eq!(code, "HostedZoneNotEmpty");
    assert_eq!(
        message,
        "The specified hosted zone contains DNSSEC Key Signing Keys and so cannot be deleted."
    );
    signer.bench.ok("DeactivateKeySigningKey", ksk.clone());
    signer.bench.ok("DeleteKeySigningKey", ksk);
    signer.bench.ok("DeleteHostedZone", delete);
}

#[test]
fn a_lost_kms_key_needs_action_until_the_ksk_is_activated_again() {
    let mut signer = Signer::new(Profile::Instant);
    let arn = signer.active("first_ksk");
    signer.enable();
    signer.kms("us-east-1", "DisableKey", json!({ "KeyId": arn }));
    let dnssec = signer.dnssec();
    assert_eq!(dnssec["Status"]["ServeSignature"], "ACTION_NEEDED");
    let ksk = &dnssec["KeySigningKeys"][0];
    assert_eq!(ksk["Status"], "ACTION_NEEDED");
    assert!(
        ksk["StatusMessage"].as_str().unwrap().contains("Disabled"),
        "{ksk}"
    );

    let input = signer.ksk_input("first_ksk");
    assert_eq!(
        signer.code("ActivateKeySigningKey", input.clone()),
        "InvalidKMSArn"
    );
    assert_eq!(
        signer.code("DeleteKeySigningKey", input.clone()),
        "InvalidKeySigningKeyStatus"
    );
    assert_eq!(
        signer.code("DeactivateKeySigningKey", input.clone()),
        "KeySigningKeyInUse"
    );
    signer.kms("us-east-1", "EnableKey", json!({ "KeyId": arn }));
    assert_eq!(
        signer.dnssec()["KeySigningKeys"][0]["Status"],
        "ACTION_NEEDED"
    );
    signer.bench.ok("ActivateKeySigningKey", input);
    let dnssec = signer.dnssec();
    assert_eq!(dnssec["Status"]["ServeSignature"], "SIGNING");
    assert!(dnssec["KeySigningKeys"][0].get("StatusMessage").is_none());

    let policy = signer.policy("ZOTHER");
    let input = json!({ "KeyId": arn, "PolicyName": "default", "Policy": policy });
    signer.kms("us-east-1", "PutKeyPolicy", input);
    assert_eq!(signer.dnssec()["Status"]["ServeSignature"], "ACTION_NEEDED");
}

#[test]
fn an_internal_failure_blocks_the_other_ksk() {
    let mut signer = Signer::new(Profile::Instant);
    signer.active("first_ksk");
    signer.active("second_ksk");
    signer.enable();
    let zone = signer.zone.clone();
    signer.bench.world.break_ksk(&zone, "first_ksk").unwrap();
    assert_eq!(
        signer.dnssec()["Status"]["ServeSignature"],
        "INTERNAL_FAILURE"
    );
    let second = signer.ksk_input("second_ksk");
    assert_eq!(
        signer.code("DeactivateKeySigningKey", second),
        "InvalidKeySigningKeyStatus"
    );
    signer
        .bench
        .ok("ActivateKeySigningKey", signer.ksk_input("first_ksk"));
    assert_eq!(signer.dnssec()["Status"]["ServeSignature"], "SIGNING");
}

#[test]
fn private_zones_are_not_signed() {
    let mut signer = Signer::new(Profile::Instant);
    let input = json!({ "Name": "private.example.edu", "CallerReference": "private",
        "VPC": { "VPCRegion": "us-east-1", "VPCId": "vpc-1a2b3c4d" } });
    let id = signer.bench.ok("CreateHostedZone", input)["HostedZone"]["Id"].clone();
    let arn = signer.key();
    let mut input = signer.create("first_ksk", &arn, "ACTIVE");
    input["HostedZoneId"] = id.clone();
    assert_eq!(signer.code("CreateKeySigningKey", input), "InvalidArgument");
    let input = json!({ "HostedZoneId": id });
    assert_eq!(
        signer.code("EnableHostedZoneDNSSEC", input),
        "InvalidArgument"
    );
}

#[test]
fn test_dns_answer_asks_a_server_of_the_zone() {
    let mut signer = Signer::new(Profile::Instant);
    let zone = signer.zone.clone();
    let name = "a.spore.example.edu";
    signer
        .bench
        .batch(&zone, &[("CREATE", name, "A", 60, &["192.0.2.1"])])
        .unwrap();
    let mut input = json!({ "HostedZoneId": zone, "RecordName": name, "RecordType": "A" });
    let output = signer.bench.ok("TestDNSAnswer", input.clone());
    assert_eq!(output["RecordData"], json!(["192.0.2.1"]));
    assert_eq!(output["ResponseCode"], "NOERROR");
    input["RecordName"] = "none.spore.example.edu".into();
    let output = signer.bench.ok("TestDNSAnswer", input.clone());
    assert_eq!(output["ResponseCode"], "NXDOMAIN");
    input["RecordName"] = "example.org".into();
    assert_eq!(signer.code("TestDNSAnswer", input), "InvalidInput");
}
