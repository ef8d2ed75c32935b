//! Keys, their names, aliases, tags and grants.

use super::*;

#[test]
fn specs_and_usages_that_do_not_go_together() {
    let mut bench = Bench::new(Profile::Instant);
    let mut check = |input: Value, expected: &str| {
        assert_eq!(bench.code("CreateKey", input.clone()), expected, "{input}");
    };
    check(json!({ "KeySpec": "ECC_NIST_P256" }), "ValidationException");
    check(
        json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT" }),
        "ValidationException",
    );
    check(json!({ "KeyUsage": "SIGN_VERIFY" }), "ValidationException");
    check(
        json!({ "KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT" }),
        "ValidationException",
    );
    check(
        json!({ "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" }),
        "NotImplemented",
    );
    check(json!({ "Origin": "EXTERNAL" }), "NotImplemented");
    check(
        json!({ "CustomerMasterKeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }),
        "success",
    );
}

#[test]
fn metadata_reads_back_what_was_asked() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.key(json!({
        "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Description": "d", "MultiRegion": true,
    }));
    assert!(
        key.starts_with("arn:aws:kms:us-east-1:123456789012:key/mrk-"),
        "{key}"
    );
    let answer = bench.ok("DescribeKey", json!({ "KeyId": key }));
    let metadata = &answer["KeyMetadata"];
    assert_eq!(metadata["Description"], "d");
    assert_eq!(metadata["SigningAlgorithms"], json!(["ECDSA_SHA_256"]));
    assert_eq!(
        metadata["MultiRegionConfiguration"]["PrimaryKey"]["Region"],
        "us-east-1"
    );
    assert_eq!(metadata["CreationDate"], 1_767_225_600.0);
    bench.ok(
        "UpdateKeyDescription",
        json!({ "KeyId": key, "Description": "e" }),
    );
    let answer = bench.ok("DescribeKey", json!({ "KeyId": key }));
    assert_eq!(answer["KeyMetadata"]["Description"], "e");
}

#[test]
fn names_of_a_key() {
    let mut bench = Bench::new(Profile::Instant);
    let arn = bench.signing_key();
    let id = arn.rsplit('/').next().unwrap().to_owned();
    bench.ok(
        "CreateAlias",
        json!({ "AliasName": "alias/a", "TargetKeyId": id }),
    );
    let alias_arn = "arn:aws:kms:us-east-1:123456789012:alias/a";
    for name in [arn.as_str(), &id, "alias/a", alias_arn] {
        let answer = bench.ok("DescribeKey", json!({ "KeyId": name }));
        assert_eq!(answer["KeyMetadata"]["Arn"], arn, "{name}");
    }
    assert_eq!(
        bench.code("GetKeyPolicy", json!({ "KeyId": "alias/a" })),
        "NotFoundException"
    );
    assert_eq!(
        bench.code("GetKeyPolicy", json!({ "KeyId": alias_arn })),
        "InvalidArnException"
    );

    let mut message = |name: &str| {
        let error = bench
            .call("DescribeKey", json!({ "KeyId": name }))
            .unwrap_err();
        format!("{}: {}", error.code, error.message)
    };
    assert_eq!(
        message("alias/x"),
        "NotFoundException: Alias arn:aws:kms:us-east-1:123456789012:alias/x is not found."
    );
    let missing = "11111111-2222-4333-8444-555555555555";
    assert_eq!(
        message(missing),
        format!(
            "NotFoundException: Key 'arn:aws:kms:us-east-1:123456789012:key/{missing}' does not exist"
        )
    );
    assert_eq!(
        message("nonsense"),
        "NotFoundException: Invalid keyId 'nonsense'"
    );
    assert_eq!(
        message(&arn.replace("us-east-1", "eu-west-1")),
        "NotFoundException: Invalid arn eu-west-1"
    );
    assert_eq!(
        message("arn:aws:s3:::bucket"),
        "InvalidArnException: Invalid ARN 'arn:aws:s3:::bucket'"
    );
}

#[test]
fn aliases() {
    let mut bench = Bench::new(Profile::Instant);
    let (a, b, symmetric) = (
        bench.signing_key(),
        bench.signing_key(),
        bench.key(json!({})),
    );
    let alias = |name: &str, key: &str| json!({ "AliasName": name, "TargetKeyId": key });
    assert_eq!(
        bench.code("CreateAlias", alias("x", &a)),
        "ValidationException"
    );
    assert_eq!(
        bench.code("CreateAlias", alias("alias/x.y", &a)),
        "ValidationException"
    );
    assert_eq!(
        bench.code("CreateAlias", alias("alias/aws/x", &a)),
        "NotAuthorizedException"
    );
    assert_eq!(
        bench.code("CreateAlias", alias("alias/x", "alias/y")),
        "ValidationException"
    );
    bench.ok("CreateAlias", alias("alias/x", &a));
    assert_eq!(
        bench.code("CreateAlias", alias("alias/x", &a)),
        "AlreadyExistsException"
    );
    assert_eq!(
        bench.code("UpdateAlias", alias("alias/y", &a)),
        "NotFoundException"
    );
    assert_eq!(
        bench.code("UpdateAlias", alias("alias/x", &symmetric)),
        "ValidationException"
    );
    bench.ok("UpdateAlias", alias("alias/x", &b));
    let target =
        bench.ok("DescribeKey", json!({ "KeyId": "alias/x" }))["KeyMetadata"]["Arn"].clone();
    assert_eq!(target, b);
    assert_eq!(
        bench.ok("ListAliases", json!({ "KeyId": a }))["Aliases"],
        json!([])
    );
    bench.ok("DeleteAlias", json!({ "AliasName": "alias/x" }));
    assert_eq!(
        bench.code("DeleteAlias", json!({ "AliasName": "alias/x" })),
        "NotFoundException"
    );
    for number in 0..50 {
        bench.ok("CreateAlias", alias(&format!("alias/{number}"), &a));
    }
    assert_eq!(
        bench.code("CreateAlias", alias("alias/50", &a)),
        "LimitExceededException"
    );
}

#[test]
fn tags() {
    let mut bench = Bench::new(Profile::Instant);
    let tag = |key: &str, value: &str| json!({ "TagKey": key, "TagValue": value });
    let create = |tags: Value| json!({ "Tags": tags });
    assert_eq!(
        bench.code("CreateKey", create(json!([tag("aws:x", "")]))),
        "TagException"
    );
    assert_eq!(
        bench.code("CreateKey", create(json!([tag("a", "1"), tag("a", "2")]))),
        "TagException"
    );
    let key = bench.key(create(json!([tag("b", "2"), tag("a", "1")])));
    let list =
        |bench: &mut Bench| bench.ok("ListResourceTags", json!({ "KeyId": key }))["Tags"].clone();
    assert_eq!(list(&mut bench), json!([tag("a", "1"), tag("b", "2")]));
    bench.ok(
        "TagResource",
        json!({ "KeyId": key, "Tags": [tag("a", "3")] }),
    );
    bench.ok(
        "UntagResource",
        json!({ "KeyId": key, "TagKeys": ["b", "never"] }),
    );
    assert_eq!(list(&mut bench), json!([tag("a", "3")]));
    let many: Vec<_> = (0..50).map(|n| tag(&format!("k{n}"), "")).collect();
    let code = bench.code("TagResource", json!({ "KeyId": key, "Tags": many }));
    assert_eq!(
        code, "LimitExceededException",
        "51 with the one that is there"
    );
    assert_eq!(list(&mut bench), json!([tag("a", "3")]));
}

#[test]
fn grants_are_found_by_name_and_ended_by_id_or_token() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.signing_key();
    let grant = json!({
        "KeyId": key, "Operations": ["Sign"], "Name": "n",
        "GranteePrincipal": "arn:aws:iam::123456789012:user/u",
    });
    let first = bench.ok("CreateGrant", grant.clone());
    let again = bench.ok("CreateGrant", grant.clone());
    assert_eq!(
        first["GrantId"], again["GrantId"],
        "a named grant is created once"
    );
    assert_ne!(first["GrantToken"], again["GrantToken"]);
    let listed = bench.ok("ListGrants", json!({ "KeyId": key }))["Grants"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["Operations"], json!(["Sign"]));
    assert_eq!(listed[0]["Name"], "n");
    bench.ok("RetireGrant", json!({ "GrantToken": first["GrantToken"] }));
    assert_eq!(
        bench.ok("ListGrants", json!({ "KeyId": key }))["Grants"],
        json!([])
    );

    let mut wrong = grant.clone();
    wrong["Operations"] = json!(["Encrypt"]);
    assert_eq!(bench.code("CreateGrant", wrong), "ValidationException");
    let id = bench.ok("CreateGrant", grant)["GrantId"].clone();
    bench.ok("RevokeGrant", json!({ "KeyId": key, "GrantId": id }));
    let gone = bench.code("RevokeGrant", json!({ "KeyId": key, "GrantId": id }));
    assert_eq!(gone, "NotFoundException");
}

#[test]
fn equal_seeds_make_equal_keys_and_other_seeds_other_keys() {
    let public = |seed| {
        let mut bench = Bench::new(Profile::Instant);
        bench.0.world = World::new(seed, Profile::Instant);
        let key = bench.signing_key();
        bench.ok("GetPublicKey", json!({ "KeyId": key }))["PublicKey"].clone()
    };
    assert_eq!(public(7), public(7));
    assert_ne!(public(7), public(8));
}

#[test]
fn a_world_reads_back_from_its_json() {
    let mut bench = Bench::new(Profile::Aws);
    let key = bench.signing_key();
    let before = bench.ok("Sign", sign(&key, b"m"));
    let text = serde_json::to_string(&bench.0.world).unwrap();
    bench.0.world = serde_json::from_str(&text).unwrap();
    assert_eq!(bench.ok("Sign", sign(&key, b"m")), before);
}

#[test]
fn needs_name_key_alias_and_conditions() {
    let mut bench = Bench::new(Profile::Instant);
    let key = bench.key(json!({ "Tags": [{ "TagKey": "t", "TagValue": "v" }] }));
    let needs = |name: &str, input: Value| bench.0.needs("kms", name, &input);
    let alias = needs(
        "CreateAlias",
        json!({ "AliasName": "alias/a", "TargetKeyId": key }),
    );
    let resources: Vec<_> = alias.iter().map(|need| need.resource.clone()).collect();
    assert_eq!(
        resources,
        [
            "arn:aws:kms:us-east-1:123456789012:alias/a".to_owned(),
            key.clone()
        ]
    );
    assert!(alias.iter().all(|need| need.action == "kms:CreateAlias"));

    let deletion = needs("ScheduleKeyDeletion", json!({ "KeyId": key }));
    let context = &deletion[0].context;
    assert_eq!(
        context["kms:ScheduleKeyDeletionPendingWindowInDays"],
        ["30"]
    );
    assert_eq!(context["aws:ResourceTag/t"], ["v"]);

    let create = needs(
        "CreateKey",
        json!({ "Tags": [{ "TagKey": "t", "TagValue": "v" }] }),
    );
    assert_eq!(create[0].resource, "*");
    assert_eq!(create[0].context["kms:KeySpec"], ["SYMMETRIC_DEFAULT"]);
    assert_eq!(create[0].context["aws:RequestTag/t"], ["v"]);
    assert_eq!(create[1].action, "kms:TagResource");
}
