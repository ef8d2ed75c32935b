//! A world with one zone, worked on through AWS's operations and a registrar.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::Message;
use jiff::Timestamp;
use serde_json::{Value, json};
use spore_sandbox::dns::verdict::{Judge, Verdict, verdict};
use spore_sandbox::dns::{DnsName, RegistrarAction, address, signed_question};
use spore_sandbox::{Caller, Profile, World, kms, route53};

pub const ZONE: &str = "spore.example.edu";
const ACCOUNT: &str = "123456789012";

pub fn name(text: &str) -> DnsName {
    DnsName::parse(text).unwrap()
}

pub struct Lab {
    pub world: World,
    pub now: Timestamp,
    /// Id of the zone.
    pub zone: String,
    references: u32,
}

impl Lab {
    /// A world with the zone, in sync.
    pub fn new() -> Self {
        Self::with(Profile::Aws, "2026-03-01T05:00:00Z".parse().unwrap())
    }

    /// The same without delays, at the host's time: not every tool can be taken to another.
    pub fn at_host_time() -> Self {
        Self::with(Profile::Instant, Timestamp::now())
    }

    fn with(profile: Profile, now: Timestamp) -> Self {
        let mut lab = Self {
            world: World::new(11, profile),
            now,
            zone: String::new(),
            references: 0,
        };
        lab.zone = lab.make_zone(ZONE);
        if profile == Profile::Aws {
            lab.wait(60);
        }
        lab
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Calls an operation as the door does.
    pub fn try_call(&mut self, service: &str, name: &str, input: Value) -> Result<Value, String> {
        let caller = Caller {
            account: ACCOUNT.into(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/test"),
            user_id: "AIDATEST".into(),
            region: "us-east-1".into(),
            now: self.now,
            source: spore_sandbox::Via::Host.source(),
        };
        self.world.refresh_signatures(self.now);
        let operation = match service {
            "kms" => kms::operation(name),
            _ => route53::operation(name),
        };
        (operation.unwrap().run)(&mut self.world, &caller, input).map_err(|error| error.code)
    }

    pub fn call(&mut self, service: &str, name: &str, input: Value) -> Value {
        self.try_call(service, name, input).unwrap()
    }

    pub fn make_zone(&mut self, text: &str) -> String {
        self.references += 1;
        let reference = format!("reference {}", self.references);
        let input = json!({ "Name": text, "CallerReference": reference });
        let made = self.call("route53", "CreateHostedZone", input);
        let id = made["HostedZone"]["Id"].as_str().unwrap();
        id.strip_prefix("/hostedzone/").unwrap().to_owned()
    }

    /// Changes one record set of the zone.
    pub fn change(&mut self, action: &str, owner: &str, rtype: &str, ttl: u32, values: &[&str]) {
        let values: Vec<Value> = values.iter().map(|v| json!({ "Value": v })).collect();
        let set = json!({ "Name": owner, "Type": rtype, "TTL": ttl, "ResourceRecords": values });
        let batch = json!({ "Changes": [{ "Action": action, "ResourceRecordSet": set }] });
        let input = json!({ "HostedZoneId": self.zone, "ChangeBatch": batch });
        self.call("route53", "ChangeResourceRecordSets", input);
        // Two at once would be refused.
        self.wait(5);
    }

    /// Makes a KMS key that Route 53 may use for the zone, and returns its ARN.
    pub fn key(&mut self) -> String {
        let source = format!("arn:aws:route53:::hostedzone/{}", self.zone);
        let service = json!({ "Service": "dnssec-route53.amazonaws.com" });
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Resource": "*", "Action": "kms:*",
              "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") } },
            { "Effect": "Allow", "Resource": "*", "Principal": service,
              "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"],
              "Condition": { "ArnEquals": { "aws:SourceArn": source } } },
            { "Effect": "Allow", "Resource": "*", "Principal": service,
              "Action": "kms:CreateGrant",
              "Condition": { "Bool": { "kms:GrantIsForAWSResource": "true" } } },
        ]});
        let input = json!({
            "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Policy": policy.to_string(),
        });
        let made = self.call("kms", "CreateKey", input);
        made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
    }

    /// Makes an ACTIVE KSK; the ARN of its key and its DS.
    pub fn ksk(&mut self, name: &str) -> (String, String) {
        let arn = self.key();
        let input = json!({
            "CallerReference": name, "HostedZoneId": self.zone, "Name": name, "Status": "ACTIVE",
            "KeyManagementServiceArn": arn,
        });
        let made = self.call("route53", "CreateKeySigningKey", input);
        let ds = made["KeySigningKey"]["DSRecord"].as_str().unwrap();
        (arn, ds.to_owned())
    }

    /// An operation on the zone, such as EnableHostedZoneDNSSEC.
    pub fn zone_call(&mut self, operation: &str) {
        self.call("route53", operation, json!({ "HostedZoneId": self.zone }));
    }

    /// An operation on a KSK, such as DeactivateKeySigningKey.
    pub fn ksk_call(&mut self, operation: &str, name: &str) {
        let input = json!({ "HostedZoneId": self.zone, "Name": name });
        self.call("route53", operation, input);
    }

    /// Status of each KSK.
    pub fn statuses(&mut self) -> Vec<String> {
        let got = self.call("route53", "GetDNSSEC", json!({ "HostedZoneId": self.zone }));
        let keys = got["KeySigningKeys"].as_array().unwrap().iter();
        keys.map(|key| key["Status"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn registrar(&mut self, action: RegistrarAction) {
        self.world.registrar(self.now, action).unwrap();
    }

    pub fn delegate(&mut self) {
        self.registrar(RegistrarAction::Delegate {
            zone: ZONE.into(),
            name_servers: None,
        });
    }

    pub fn set_ds(&mut self, records: &[&str]) {
        self.registrar(RegistrarAction::Ds {
            zone: ZONE.into(),
            records: records.iter().map(|r| (*r).to_owned()).collect(),
        });
    }

    /// A delegated zone with one ACTIVE KSK, signed and in sync, with its DS at the parent, and no
    /// cache that holds anything from before. The ARN of the key, and the DS.
    pub fn secured(&mut self) -> (String, String) {
        let (arn, ds) = self.ksk("first");
        self.zone_call("EnableHostedZoneDNSSEC");
        self.wait(60);
        self.delegate();
        self.set_ds(&[&ds]);
        self.wait(2 * 86_400);
        (arn, ds)
    }

    /// The zone's servers.
    pub fn servers(&self) -> Vec<DnsName> {
        let zones: Vec<_> = self.world.route53.zones().collect();
        let zone = zones.iter().find(|zone| zone.id == self.zone).unwrap();
        zone.name_server_names()
    }

    /// What a server says, with signatures.
    pub fn ask(&self, server: &DnsName, text: &str, rtype: &str) -> Message {
        let query = signed_question(&name(text), rtype.parse().unwrap());
        let at = IpAddr::V4(address::of(server).unwrap().0);
        let mut world = self.world.clone();
        let octets = world.dns_stream(self.now, at, &query).unwrap();
        Message::from_vec(&octets).unwrap()
    }

    /// What a resolver with an empty cache finds.
    pub fn cold(&self) -> Verdict {
        verdict(&self.world, self.now, &name(ZONE))
    }

    pub fn look(&self, judge: &mut Judge) -> Verdict {
        judge.look(&self.world, self.now)
    }
}

/// A judge of the zone that also asks for a record with a long TTL.
pub fn judge() -> Judge {
    Judge::new(&name(ZONE)).also(&name(&format!("long.{ZONE}")), "A".parse().unwrap())
}

/// The verdict must be bogus, for this reason.
#[track_caller]
pub fn bogus(verdict: &Verdict, why: &str) {
    match verdict {
        Verdict::Bogus(said) if said.contains(why) => {}
        Verdict::Bogus(_) | Verdict::Secure | Verdict::Insecure | Verdict::Unreachable(_) => {
            panic!("bogus with '{why}' was expected: {verdict:?}")
        }
    }
}
