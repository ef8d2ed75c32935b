//! Sessions of roles, with the policies that a world keeps for them.

use serde_json::{Value, json};

use super::*;
use crate::bench::Bench;

const ACCOUNT: &str = "123456789012";

/// A world in which the root makes what tests need.
struct Stage(Bench);

impl Stage {
    fn new() -> Self {
        let mut bench = Bench::new(Profile::Instant);
        bench.caller = root();
        Self(bench)
    }

    fn ok(&mut self, service: &str, name: &str, input: Value) -> Value {
        self.0.call(service, name, input).unwrap()
    }

    /// A role that its own account may assume, with an inline policy.
    fn role(&mut self, name: &str, statements: &Value) {
        let account = &self.0.caller.account;
        let trust = json!({ "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": account },
        }});
        let role = json!({
            "RoleName": name, "Path": "/team/", "AssumeRolePolicyDocument": trust.to_string(),
            "Tags": [{ "Key": "zone", "Value": "Z1" }],
        });
        self.ok("iam", "CreateRole", role);
        self.allow(name, statements);
    }

    fn allow(&mut self, role: &str, statements: &Value) {
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        let policy = json!({
            "RoleName": role, "PolicyName": "p", "PolicyDocument": document.to_string(),
        });
        self.ok("iam", "PutRolePolicy", policy);
    }

    fn session(&self, role: &str) -> Caller {
        let account = &self.0.caller.account;
        Caller {
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/alice"),
            user_id: "AROA:alice".into(),
            ..self.0.caller.clone()
        }
    }

    /// What a caller is told who asks for an operation: the end of a refusal, or nothing.
    fn told(&mut self, caller: Caller, service: &str, name: &str, input: &Value) -> String {
        let before = std::mem::replace(&mut self.0.caller, caller);
        let needs = self.0.needs(service, name, input);
        let caller = std::mem::replace(&mut self.0.caller, before);
        match authorize(&self.0.world, &caller, &needs) {
            Ok(()) => "allowed".into(),
            Err(error) => {
                let because = ["because ", "with an "];
                let at = because.iter().find_map(|word| error.message.find(word));
                error.message[at.unwrap()..].to_owned()
            }
        }
    }
}

fn allow(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

#[test]
fn a_session_does_what_all_its_policies_allow() {
    let mut stage = Stage::new();
    stage.role("r", &allow("kms:*", "*"));
    let told = |stage: &mut Stage, name: &str| {
        let session = stage.session("r");
        stage.told(session, "kms", name, &json!({ "KeyId": "k" }))
    };
    assert_eq!(told(&mut stage, "ListKeys"), "allowed");
    let boundary = json!({ "Version": "2012-10-17", "Statement": allow("kms:List*", "*") });
    let made = stage.ok(
        "iam",
        "CreatePolicy",
        json!({ "PolicyName": "b", "PolicyDocument": boundary.to_string() }),
    );
    let arn = &made["Policy"]["Arn"];
    stage.ok(
        "iam",
        "PutRolePermissionsBoundary",
        json!({ "RoleName": "r", "PermissionsBoundary": arn }),
    );
    assert_eq!(told(&mut stage, "ListKeys"), "allowed");
    assert_eq!(
        told(&mut stage, "CreateKey"),
        "because no permissions boundary allows the kms:CreateKey action"
    );
    let limited = json!({ "Version": "2012-10-17", "Statement": allow("kms:Create*", "*") });
    stage.ok(
        "sts",
        "AssumeRole",
        json!({
            "RoleArn": "arn:aws:iam::123456789012:role/team/r", "RoleSessionName": "alice",
            "Policy": limited.to_string(),
        }),
    );
    assert_eq!(
        told(&mut stage, "ListKeys"),
        "because no session policy allows the kms:ListKeys action"
    );
    stage.0.world.scps.insert(
        ACCOUNT.into(),
        vec![r#"{"Statement": {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}}"#.into()],
    );
    assert_eq!(
        told(&mut stage, "ListKeys"),
        "because no service control policy allows the kms:ListKeys action"
    );
    let nobody = stage.session("nobody");
    assert_eq!(
        stage.told(nobody, "iam", "GetRole", &json!({ "RoleName": "r" })),
        "because no service control policy allows the iam:GetRole action"
    );
}

#[test]
fn a_session_is_known_by_the_role_and_its_tags() {
    let mut stage = Stage::new();
    let mut statement = allow(
        "route53:GetHostedZone",
        "arn:aws:route53:::hostedzone/${aws:PrincipalTag/zone}",
    );
    statement["Condition"] = json!({
        "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::123456789012:role/team/r" },
        "Null": { "aws:username": "true" },
        "DateLessThan": { "aws:CurrentTime": "2027-01-01T00:00:00Z" },
        "IpAddress": { "aws:SourceIp": "127.0.0.0/8" },
    });
    stage.role("r", &statement);
    let mut told = |zone: &str| {
        let session = stage.session("r");
        stage.told(session, "route53", "GetHostedZone", &json!({ "Id": zone }))
    };
    assert_eq!(told("Z1"), "allowed");
    assert_eq!(
        told("Z2"),
        "because no identity-based policy allows the route53:GetHostedZone action"
    );
}

#[test]
fn a_batch_is_held_to_its_names_types_and_actions() {
    let mut stage = Stage::new();
    let zone = "arn:aws:route53:::hostedzone/Z1";
    let mut statement = allow("route53:ChangeResourceRecordSets", zone);
    let key = |suffix: &str| format!("route53:ChangeResourceRecordSets{suffix}");
    statement["Condition"] = json!({
        "ForAllValues:StringLike": { key("NormalizedRecordNames"): ["*.spore.example.edu"] },
        "ForAllValues:StringEquals": {
            key("RecordTypes"): ["A", "AAAA", "TXT"], key("Actions"): ["CREATE", "UPSERT"],
        },
    });
    stage.role("updater", &statement);
    let mut told = |zone: &str, changes: &[(&str, &str, &str)]| {
        let change = |&(action, name, kind): &(&str, &str, &str)| json!({ "Action": action, "ResourceRecordSet": { "Name": name, "Type": kind } });
        let changes: Vec<_> = changes.iter().map(change).collect();
        let input = json!({ "HostedZoneId": zone, "ChangeBatch": { "Changes": changes } });
        let session = stage.session("updater");
        stage.told(session, "route53", "ChangeResourceRecordSets", &input) == "allowed"
    };
    assert!(told(
        "/hostedzone/Z1",
        &[("UPSERT", "I-1.Spore.example.edu.", "A")]
    ));
    let both = [
        ("UPSERT", "a.spore.example.edu", "A"),
        ("CREATE", "_spore.a.spore.example.edu", "TXT"),
    ];
    assert!(told("Z1", &both));
    assert!(!told("Z2", &both));
    assert!(!told(
        "Z1",
        &[both[0], ("UPSERT", "spore.example.edu", "A")]
    ));
    assert!(!told(
        "Z1",
        &[both[0], ("UPSERT", "b.spore.example.edu", "NS")]
    ));
    assert!(!told(
        "Z1",
        &[both[0], ("DELETE", "b.spore.example.edu", "A")]
    ));
    // The wildcard of DNS is escaped, so it is one of the names that the pattern has.
    assert!(told("Z1", &[("UPSERT", "*.spore.example.edu", "A")]));
}

#[test]
fn a_key_is_its_policys() {
    let mut stage = Stage::new();
    stage.role("user", &allow("kms:*", "*"));
    stage.role("signer", &allow("route53:*", "*"));
    let key = stage.ok(
        "kms",
        "CreateKey",
        json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }),
    );
    let key = key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let policy = |stage: &mut Stage, root: &str, role: &str| {
        let statement = |principal: &str, actions: &str| {
            json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Resource": "*",
                "Action": actions })
        };
        let document = json!({ "Statement": [
            statement("arn:aws:iam::123456789012:root", root),
            statement("arn:aws:iam::123456789012:role/team/signer", role),
        ]});
        let input = json!({ "KeyId": key, "Policy": document.to_string() });
        stage.ok("kms", "PutKeyPolicy", input);
    };
    let told = |stage: &mut Stage, role: &str, name: &str| {
        let caller = match role {
            "root" => root(),
            role => stage.session(role),
        };
        stage.told(caller, "kms", name, &json!({ "KeyId": key }))
    };
    // The policy of a new key delegates everything to the account.
    assert_eq!(told(&mut stage, "user", "Sign"), "allowed");
    let nothing = "because no identity-based policy allows the kms:Sign action";
    assert_eq!(told(&mut stage, "signer", "Sign"), nothing);
    policy(&mut stage, "kms:PutKeyPolicy", "kms:Sign");
    let refused = "because no resource-based policy allows the kms:Sign action";
    assert_eq!(told(&mut stage, "user", "Sign"), refused);
    assert_eq!(told(&mut stage, "root", "Sign"), refused);
    assert_eq!(told(&mut stage, "root", "PutKeyPolicy"), "allowed");
    assert_eq!(told(&mut stage, "signer", "Sign"), "allowed");
    assert_eq!(
        told(&mut stage, "signer", "Verify"),
        "because no resource-based policy allows the kms:Verify action"
    );
    let grant = json!({
        "KeyId": key, "Operations": ["Verify", "RetireGrant"],
        "GranteePrincipal": "arn:aws:iam::123456789012:role/team/signer",
    });
    let granted = stage.ok("kms", "CreateGrant", grant);
    assert_eq!(told(&mut stage, "signer", "Verify"), "allowed");
    assert_ne!(told(&mut stage, "user", "Verify"), "allowed");
    // What does not exist is told to those who may ask.
    let other = json!({ "KeyId": "11111111-2222-3333-4444-555555555555" });
    let session = stage.session("user");
    assert_eq!(stage.told(session, "kms", "Sign", &other), "allowed");
    let retire = json!({ "GrantToken": granted["GrantToken"] });
    let session = stage.session("user");
    assert_eq!(
        stage.told(session, "kms", "RetireGrant", &retire),
        "because no resource-based policy allows the kms:RetireGrant action"
    );
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    let mut stage = Stage::new();
    stage.role("caller", &allow("kms:*", "*"));
    stage.role("target", &allow("kms:*", "*"));
    let target = json!({
        "RoleArn": "arn:aws:iam::123456789012:role/team/target", "RoleSessionName": "alice",
    });
    let told = |stage: &mut Stage, input: &Value| {
        let session = stage.session("caller");
        stage.told(session, "sts", "AssumeRole", input)
    };
    let trust = |stage: &mut Stage, effect: &str, principal: &str| {
        let document = json!({ "Statement": {
            "Effect": effect, "Action": "sts:AssumeRole", "Principal": { "AWS": principal },
        }});
        let input = json!({ "RoleName": "target", "PolicyDocument": document.to_string() });
        stage.ok("iam", "UpdateAssumeRolePolicy", input);
    };
    // Trust in the account leaves it to the caller's own policies.
    let own = "because no identity-based policy allows the sts:AssumeRole action";
    assert_eq!(told(&mut stage, &target), own);
    stage.allow(
        "caller",
        &allow("sts:AssumeRole", "arn:aws:iam::*:role/team/*"),
    );
    assert_eq!(told(&mut stage, &target), "allowed");
    let none = "because no role trust policy allows the sts:AssumeRole action";
    trust(&mut stage, "Allow", "999999999999");
    assert_eq!(told(&mut stage, &target), none);
    // Trust in the role itself is enough.
    stage.allow("caller", &allow("kms:*", "*"));
    trust(
        &mut stage,
        "Allow",
        "arn:aws:iam::123456789012:role/team/caller",
    );
    assert_eq!(told(&mut stage, &target), "allowed");
    trust(
        &mut stage,
        "Deny",
        "arn:aws:iam::123456789012:role/team/caller",
    );
    assert_eq!(
        told(&mut stage, &target),
        "with an explicit deny in the role trust policy"
    );
    let missing = json!({
        "RoleArn": "arn:aws:iam::123456789012:role/missing", "RoleSessionName": "alice",
    });
    assert_eq!(told(&mut stage, &missing), none);
    // Another account's role trusts this account, and this account's role may go there.
    trust(&mut stage, "Allow", "999999999999");
    stage.0.caller = Caller {
        account: "999999999999".into(),
        arn: "arn:aws:iam::999999999999:root".into(),
        ..root()
    };
    stage.role("caller", &allow("sts:AssumeRole", "*"));
    assert_eq!(told(&mut stage, &target), "allowed");
    stage.allow("caller", &allow("kms:*", "*"));
    assert_eq!(told(&mut stage, &target), own);
}
