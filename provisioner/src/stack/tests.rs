//! What documents mean and what is wrong with them, one line of TOML at a time.

use std::io;
use std::path::Path;

use super::*;

/// What every document begins with here: four lines.
const TOP: &str = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n\n";

fn parsed(text: &str) -> Result<Stack, Vec<Problem>> {
    parse("plans/x.toml", text, &files)
}

/// The files beside the document.
fn files(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("plans/accounts.json") => Ok(r#"{ "Accounts": [
            { "Id": "111111111111", "Status": "ACTIVE" },
            { "Id": "222222222222", "Status": "ACTIVE" },
            { "Id": "333333333333", "Status": "SUSPENDED" } ] }"#
            .to_owned()),
        Some("plans/broken.json") => Ok("{".to_owned()),
        Some(_) | None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The stack of the three lines and these.
fn stack_with(rest: &str) -> Stack {
    match parsed(&format!("{TOP}{rest}")) {
        Ok(stack) => stack,
        Err(problems) => panic!(
            "{}",
            report("x.toml", &format!("{TOP}{rest}"), &problems, false)
        ),
    }
}

/// The problems of a document, each as `line:column what; hint`.
fn said(text: &str) -> Vec<String> {
    let problems = parsed(text).expect_err("the document has problems");
    let line = |problem: &Problem| {
        let hint = problem
            .hint
            .as_ref()
            .map_or(String::new(), |hint| format!("; {hint}"));
        format!("{} {}{hint}", problem.position(text), problem.what)
    };
    problems.iter().map(line).collect()
}

/// The three lines and these, from line 5 on, have exactly this problem.
fn refused(rest: &str, expected: &str) {
    assert_eq!(said(&format!("{TOP}{rest}")), [expected], "in:\n{rest}");
}

#[test]
fn three_lines_have_secure_defaults() {
    let stack = stack_with("");
    assert_eq!(stack.region, Region::US_EAST_1);
    assert_eq!(stack.delegation, Delegation::Auto);
    assert!(stack.dnssec.enabled && stack.dnssec.key_admins.is_empty());
    let own = stack.account.clone();
    assert_eq!(
        stack.updater.accounts,
        Accounts::These([(own, InstanceAccount::default())].into())
    );
    assert_eq!(stack.updater.proofs, [Proof::InstanceRole].into());
    assert_eq!(stack.updater.naming, Naming::PerAccount);
    assert_eq!(stack.updater.require_tag.key.as_str(), "spawn:managed");
    assert!(stack.updater.private_cidrs.is_empty());
    assert_eq!(stack.updater.lease, Duration::from_secs(7 * 86_400));
    assert_eq!(
        stack.logs,
        Logs {
            retention_days: 30,
            encrypt: true,
            queries: false
        }
    );
    assert_eq!(stack.api.tls_min, TlsMin::V1_2);
    assert!(stack.alarms.notify.is_empty() && stack.accepted.is_empty());
}

#[test]
fn committed_plans_are_valid() {
    for (text, account) in [
        (
            include_str!("../../../plans/spore.example.edu.toml"),
            "123456789012",
        ),
        (
            include_str!("../../../plans/spore.host.toml"),
            "966362334030",
        ),
    ] {
        assert_eq!(text.lines().count(), 3);
        assert_eq!(
            parsed(text).expect("a valid plan").account.as_str(),
            account
        );
    }
}

#[test]
fn editors_of_windows_are_understood() {
    let text = format!("\u{feff}{}", TOP.replace('\n', "\r\n"));
    assert!(parsed(&text).is_ok());
    assert_eq!(said(&format!("{text}x = 1\r\n")), ["5:1 unknown key `x`"]);
}

#[test]
fn five_errors_are_reported_at_once_each_at_its_place() {
    let text = "version = 1\n\
                domain = \"spore..edu\"\n\
                account = 123456789012\n\
                regoin = \"us-east-1\"\n\
                [logs]\n\
                retention-days = 31\n\
                \n\
                [updater]\n\
                proofs = [\"instance-role\", \"identity-dokument\"]\n";
    assert_eq!(
        said(text),
        [
            "2:10 domain: a label is empty; labels are separated by single dots",
            "3:11 account: expected an account id of 12 digits in quotes, found a whole number; \
             write it in quotes: \"123456789012\"",
            "4:1 unknown key `regoin`; did you mean `region`?",
            "6:18 logs.retention-days: 31 is not a number of days that CloudWatch Logs offers; \
             the next longer one it offers is 60",
            "9:28 updater.proofs[1]: expected \"instance-role\", \"identity-document\" or \
             \"iam-role\", found `identity-dokument`; did you mean \"identity-document\"?",
        ]
    );
}

#[test]
fn the_three_lines_are_needed() {
    assert_eq!(
        said("version = 1\n"),
        [
            "1:1 domain: missing; add `domain = \"spore.example.edu\"`",
            "1:1 account: missing; add `account = \"123456789012\"`",
        ]
    );
    assert_eq!(
        said(""),
        ["1:1 version: missing; add `version = 1` at the top"]
    );
}

#[test]
fn another_version_is_the_only_thing_said() {
    for (version, shown) in [
        ("2", "2"),
        ("\"1\"", "`1`"),
        ("1.0", "this"),
        ("[]", "this"),
    ] {
        let text = format!("version = {version}\nnonsense = true\n");
        let expected = format!(
            "1:11 version: {shown} is not one this tool reads; \
             this tool reads version 1, written `version = 1`"
        );
        assert_eq!(said(&text), [expected]);
    }
}

#[test]
fn unknown_keys_say_where_they_belong() {
    refused("[log]\n", "5:2 unknown key `log`; did you mean `logs`?");
    refused(
        "[logs]\nretention_days = 30\n",
        "6:1 logs: unknown key `retention_days`; did you mean `retention-days`?",
    );
    refused(
        "[api]\nretention-days = 30\n",
        "6:1 api: unknown key `retention-days`; `retention-days` belongs in [logs]",
    );
    refused(
        "[logs]\nregion = \"us-east-1\"\n",
        "6:1 logs: unknown key `region`; \
         `region` belongs at the top, before the first [table]",
    );
    refused(
        "burst = 7\n",
        "5:1 unknown key `burst`; `burst` belongs in [api.throttle]",
    );
    refused(
        "[names]\nreason = \"x\"\n",
        "6:1 names: unknown key `reason`; `reason` belongs in [[accepted]]",
    );
    refused("[x]\n\"\\u001b[31m\" = 1\n", "5:2 unknown key `x`");
}

#[test]
fn syntax_errors_are_several_and_do_not_hide_the_rest() {
    let text = format!("{TOP}a = = 1\n[logs]\nretention-days = 31\n[updater\nttl = \"60s\"\n");
    let said = said(&text);
    let has = |start: &str| said.iter().any(|line| line.starts_with(start));
    assert!(has("5:5 not TOML"), "{said:#?}");
    assert!(has("7:18 logs.retention-days: 31"), "{said:#?}");
    assert!(has("8:9 not TOML"), "{said:#?}");
    refused(
        "[logs]\nencrypt = true\nencrypt = true\n",
        "7:1 not TOML: duplicate key",
    );
}

#[test]
fn wrong_types_name_the_expected_form() {
    refused(
        "logs = 3\n",
        "5:8 logs: expected a table, found a whole number; write [logs] and its keys below",
    );
    refused(
        "[[logs]]\n",
        "5:1 logs: expected a table, found a list; write [logs] and its keys below",
    );
    refused(
        "[accepted]\n",
        "5:1 accepted: expected tables, found a table; \
         write [[accepted]] and its keys below, once for each",
    );
    refused(
        "[logs]\nencrypt = \"true\"\n",
        "6:11 logs.encrypt: expected true or false, found text; write it without quotes: true",
    );
    refused(
        "[updater]\nmemory = \"256\"\n",
        "6:10 updater.memory: expected a whole number from 128 to 10240, found text; \
         write it without quotes: 256",
    );
    refused(
        "[updater]\nttl = 60\n",
        "6:7 updater.ttl: expected a span of time in quotes from \"30 seconds\" to \"1 day\", \
         found a whole number; write the unit: \"60s\" for seconds",
    );
    refused(
        "[alarms]\nnotify = \"arn:aws:sns:us-east-1:123456789012:x\"\n",
        "6:10 alarms.notify: expected a list in [ ], each entry the ARN of an SNS topic in \
         quotes, such as \"arn:aws:sns:us-east-1:123456789012:alarms\", found text; \
         write [\"arn:aws:sns:us-east-1:123456789012:x\"]",
    );
}

#[test]
fn regions_without_dnssec_say_so() {
    for (region, partition) in [
        ("cn-north-1", "China"),
        ("us-gov-west-1", "AWS GovCloud (US)"),
        ("eusc-de-east-1", "the AWS European Sovereign Cloud"),
    ] {
        refused(
            &format!("region = \"{region}\"\n"),
            &format!(
                "5:10 region: no Route 53 DNSSEC here: {region} is in {partition}, and the key \
                 that signs a zone must be in us-east-1; \
                 use an account and a region of the partition `aws`"
            ),
        );
    }
    refused(
        "region = \"eu-centrall-1\"\n",
        "5:10 region: `eu-centrall-1` is not a region known to this version; \
         did you mean \"eu-central-1\"?",
    );
}

#[test]
fn delegation_forms() {
    let delegation = |rest: &str| stack_with(&format!("[delegation]\n{rest}")).delegation;
    assert_eq!(delegation("parent = \"external\""), Delegation::External);
    let role = "arn:aws:iam::111111111111:role/parent";
    assert_eq!(
        delegation(&format!("parent-role = \"{role}\"")),
        Delegation::Through(role.parse().expect("a role"))
    );
    refused(
        &format!("[delegation]\nparent = \"external\"\nparent-role = \"{role}\"\n"),
        "7:15 delegation.parent-role: an external parent is not changed by this tool; \
         leave out one of the two keys",
    );
}

#[test]
fn arns_name_one_exact_object_of_the_right_sort() {
    let check = |arn: &str, part: &str| {
        let refused = arn.parse::<Arn<Role>>().expect_err(arn).to_string();
        assert!(refused.contains(part), "{arn}: {refused}");
    };
    check("role/dns", "not an ARN");
    check("arn:aws-cn:iam::123456789012:role/dns", "another partition");
    check("arn:aws:iam::123456789012:role/*", "wildcard");
    check(
        "arn:aws:iam::123456789012:role/",
        "is not the ARN of an IAM role",
    );
    check(
        "arn:aws:iam::123456789012:user/dns",
        "is not the ARN of an IAM role",
    );
    check(
        "arn:aws:sts::123456789012:assumed-role/dns/me",
        "is a session",
    );
    check(
        "arn:aws:iam:us-east-1:123456789012:role/dns",
        "leave the region empty",
    );
    check("arn:aws:iam::12345:role/dns", "account of 12 digits");
    check("arn:aws:iam::aws:role/dns", "account of 12 digits");
    let aws = "arn:aws:iam::aws:policy/AdministratorAccess";
    assert_eq!(
        aws.parse::<Arn<Policy>>().expect("a policy").account(),
        "aws"
    );
    let topic = "arn:aws:sns:eu-west-1:123456789012:alarms";
    assert_eq!(
        topic.parse::<Arn<Topic>>().expect("a topic").region(),
        "eu-west-1"
    );
    assert!(
        format!("{topic}:subscription")
            .parse::<Arn<Topic>>()
            .is_err()
    );
    assert!(
        "arn:aws:sns::123456789012:alarms"
            .parse::<Arn<Topic>>()
            .is_err()
    );
    assert!(
        "arn:aws:sns:mars-1:123456789012:alarms"
            .parse::<Arn<Topic>>()
            .is_err()
    );
}

#[test]
fn key_admins_are_in_the_account() {
    refused(
        "[dnssec]\nkey-admins = [\"arn:aws:iam::999999999999:role/x\"]\n",
        "6:14 dnssec.key-admins: arn:aws:iam::999999999999:role/x is not in account 123456789012",
    );
}

#[test]
fn resolvers_fit_the_transport() {
    refused(
        "[dns]\ntransport = \"https\"\n",
        "5:1 dns.resolvers: with the transport https a resolver is needed; \
         add `resolvers = [\"https://dns.example/dns-query\"]`",
    );
    refused(
        "[dns]\nresolvers = [\"https://dns.example/dns-query\"]\n",
        "6:13 dns.resolvers: a URL is asked over https only; \
         write addresses, or `transport = \"https\"`",
    );
    let dns =
        stack_with("[dns]\nresolvers = [\"192.0.2.1\"]\nalso-check = [\"10.0.0.2:5353\"]\n").dns;
    assert_eq!(dns.resolvers.len(), 1);
    assert_eq!(
        dns.also_check,
        ["10.0.0.2:5353".parse().expect("an address")]
    );
}

fn accounts(rest: &str) -> Accounts {
    stack_with(&format!("[updater]\n{rest}")).updater.accounts
}

fn ids(accounts: &Accounts) -> Vec<&str> {
    match accounts {
        Accounts::Any => vec!["any"],
        Accounts::These(these) => these.keys().map(AccountId::as_str).collect(),
    }
}

#[test]
fn account_forms() {
    let listed = "accounts-file = \"accounts.json\"\n";
    for (rest, expected) in [
        ("accounts = [\"any\"]\n", vec!["any"]),
        ("accounts = [\"111111111111\"]\n", vec!["111111111111"]),
        (listed, vec!["111111111111", "222222222222"]),
        (
            &format!("{listed}accounts = [\"444444444444\"]\n"),
            vec!["111111111111", "222222222222", "444444444444"],
        ),
        (
            &format!("{listed}deny = [\"111111111111\"]\n"),
            vec!["222222222222"],
        ),
    ] {
        assert_eq!(ids(&accounts(rest)), expected, "{rest}");
    }
    let role = "arn:aws:iam::111111111111:role/describe";
    let refined = accounts(&format!(
        "{listed}accounts = [{{ id = \"111111111111\", describe-role = \"{role}\", label = \"physics\" }}]\n"
    ));
    let Accounts::These(these) = refined else {
        panic!("any")
    };
    let id: AccountId = "111111111111".parse().expect("an id");
    assert_eq!(
        these[&id].label.as_ref().map(Label::as_str),
        Some("physics")
    );
    assert_eq!(
        these[&id].describe_role.as_ref().map(Arn::as_str),
        Some(role)
    );
    assert_eq!(these.len(), 2);
}

#[test]
fn account_mistakes() {
    refused(
        "[updater]\naccounts = [\"any\", \"111111111111\"]\n",
        "6:12 updater.accounts: \"any\" stands alone; write [\"any\"]",
    );
    refused(
        "[updater]\naccounts = [\"1111-1111-1111\"]\n",
        "6:13 updater.accounts[0]: `1111-1111-1111` is not an account id of 12 digits; \
         write \"111111111111\"",
    );
    refused(
        "[updater]\naccounts = [\"111111111111\", \"111111111111\"]\n",
        "6:12 updater.accounts: 111111111111 appears twice",
    );
    refused(
        "[updater]\naccounts = [\"111111111111\"]\ndeny = [\"111111111111\"]\n",
        // The contradiction is said, not the empty rest that follows from it.
        "7:8 updater.deny: 111111111111 is also in `accounts`",
    );
    refused(
        "[updater]\naccounts = []\n",
        "6:12 updater.accounts: no account is left, nobody could call; \
         leave the key out for the stack's own account",
    );
    refused(
        "[updater]\naccounts = [{ label = \"x\" }]\n",
        "6:13 updater.accounts[0].id: missing; add `id = \"123456789012\"`",
    );
    refused(
        "[updater]\naccounts = [{ id = \"111111111111\", rolle = \"x\" }]\n",
        "6:36 updater.accounts[0]: unknown key `rolle`",
    );
    refused(
        "[updater]\naccounts-file = \"none.json\"\n",
        "6:17 updater.accounts-file: plans/none.json: entity not found",
    );
    refused(
        "[updater]\naccounts-file = \"broken.json\"\n",
        "6:17 updater.accounts-file: plans/broken.json: EOF while parsing an object at line 1 \
         column 1; expected what `aws organizations list-accounts` prints as JSON",
    );
    let label = "{ id = \"111111111111\", label = \"1kpqzg2c\" }";
    refused(
        &format!("[updater]\naccounts = [{label}, \"123456789012\"]\n"),
        "6:12 updater.accounts: 111111111111 and 123456789012 would share the label 1kpqzg2c",
    );
}

#[test]
fn flat_names_need_one_account() {
    assert_eq!(
        stack_with("[updater]\nnaming = \"flat\"\n").updater.naming,
        Naming::Flat
    );
    for accounts in ["[\"any\"]", "[\"111111111111\", \"222222222222\"]"] {
        refused(
            &format!("[updater]\nnaming = \"flat\"\naccounts = {accounts}\n"),
            "6:10 updater.naming: flat names need exactly one account, else two could claim the \
             same name; write \"per-account\"",
        );
    }
}

#[test]
fn roles_and_their_proof_go_together() {
    let role = "arn:aws:iam::123456789012:role/ci";
    let proofs = "proofs = [\"instance-role\", \"iam-role\"]\n";
    let updater = stack_with(&format!("[updater]\n{proofs}roles = [\"{role}\"]\n")).updater;
    assert_eq!(updater.roles.len(), 1);
    refused(
        &format!("[updater]\n{proofs}"),
        "5:1 updater.roles: the proof iam-role needs at least one; \
         write `roles = [\"arn:aws:iam::123456789012:role/NAME\"]`",
    );
    refused(
        &format!("[updater]\nroles = [\"{role}\"]\n"),
        "6:9 updater.roles: only the proof iam-role uses them; add \"iam-role\" to `proofs`",
    );
    refused(
        &format!("[updater]\n{proofs}roles = [\"arn:aws:iam::999999999999:role/ci\"]\n"),
        "7:9 updater.roles: arn:aws:iam::999999999999:role/ci is in an account that may not have \
         names",
    );
    refused(
        "[updater]\nproofs = []\n",
        "6:10 updater.proofs: without a proof nobody could call; \
         leave the key out, or write [\"instance-role\"]",
    );
}

#[test]
fn numbers_stay_inside_their_bounds() {
    let ttl = "expected a span of time in quotes from \"30 seconds\" to \"1 day\"";
    let bounds = ttl.trim_start_matches("expected ");
    refused(
        "[updater]\nttl = \"1s\"\n",
        &format!("6:7 updater.ttl: `1s` is not {bounds}"),
    );
    refused(
        "[updater]\nttl = \"2 days\"\n",
        &format!("6:7 updater.ttl: `2 days` is not {bounds}"),
    );
    refused(
        "[updater]\nquota = 0\n",
        "6:9 updater.quota: 0 is not a whole number from 1 to 100",
    );
    refused(
        "[updater]\nquota = 99999999999999999999\n",
        "6:9 updater.quota: 99999999999999999999 is not a whole number from 1 to 100",
    );
    refused(
        "[updater]\nquota = -1\n",
        "6:9 updater.quota: -1 is not a whole number from 1 to 100",
    );
    assert_eq!(stack_with("[updater]\nquota = 0x1_0\n").updater.quota, 16);
    refused(
        "[updater]\nrate = \"10/min\"\n",
        "6:8 updater.rate: `10/min` is not a rate; \
         write \"10 per minute\", with second, minute or hour",
    );
}

#[test]
fn private_networks_only() {
    refused(
        "[updater]\nprivate-cidrs = [\"10.0.0.0/8\", \"100.64.0.0/10\"]\n",
        "6:32 updater.private-cidrs[1]: `100.64.0.0/10` is not private; only parts of \
         10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918) and fc00::/7 (RFC 4193)",
    );
}

#[test]
fn topics_are_where_the_alarms_are() {
    let topic = |region: &str| format!("\"arn:aws:sns:{region}:123456789012:x\"");
    let document = |regions: &[&str]| {
        let topics: Vec<String> = regions.iter().map(|region| topic(region)).collect();
        format!(
            "region = \"eu-west-1\"\n[alarms]\nnotify = [{}]\n",
            topics.join(", ")
        )
    };
    assert_eq!(
        stack_with(&document(&["us-east-1", "eu-west-1"]))
            .alarms
            .notify
            .len(),
        2
    );
    refused(
        &document(&["eu-west-1"]),
        "7:10 alarms.notify: no topic in us-east-1, where the stack has alarms",
    );
    refused(
        &document(&["us-east-1", "eu-west-1", "sa-east-1"]),
        "7:10 alarms.notify: arn:aws:sns:sa-east-1:123456789012:x is in a region without alarms \
         of the stack",
    );
}

#[test]
fn an_api_domain_needs_its_certificate() {
    let certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1234";
    let both = format!("[api]\ndomain = \"dns.example.edu\"\ncertificate = \"{certificate}\"\n");
    assert!(stack_with(&both).api.custom_domain.is_some());
    refused(
        "[api]\ndomain = \"dns.example.edu\"\n",
        "5:1 api.certificate: missing, a `domain` needs one",
    );
    refused(
        &format!("region = \"eu-west-1\"\n{both}"),
        "8:15 api.certificate: is in us-east-1, the API in eu-west-1",
    );
    refused(
        "[api]\nallow-from = []\n",
        "6:14 api.allow-from: nobody could call",
    );
}

#[test]
fn tags_and_accepted_objects() {
    let stack = stack_with(
        "[tags]\n\"cost center\" = \"4711\"\n\
         [[accepted]]\nkind = \"attached-policy\"\nname = \"arn:aws:iam::aws:policy/Scan\"\n\
         reason = \"the security team's scanner\"\n",
    );
    assert_eq!(stack.tags.len(), 1);
    assert_eq!(stack.accepted[0].kind, AcceptedKind::AttachedPolicy);
    refused(
        "[tags]\n\"spore:stack\" = \"x\"\n",
        "6:1 tags.`spore:stack`: `spore:stack` begins with `spore:`, which is reserved for this \
         tool; the key of a tag has 1 to 128 characters: letters, digits, space and _.:/=+-@",
    );
    refused(
        "[tags]\nx = 1\n",
        "6:5 tags.`x`: expected the value of a tag in quotes, found a whole number; \
         write it in quotes: \"1\"",
    );
    refused(
        "[[accepted]]\nkind = \"metric-filter\"\nname = \"*.lab.example.edu\"\nreason = \"lab\"\n",
        "7:8 accepted[0].name: `*.lab.example.edu` contains `*`; one exact name or ARN has 1 to \
         2048 characters: printable ASCII without spaces and wildcards",
    );
    let of_kind = |kind: &str| {
        format!("[[accepted]]\nkind = \"{kind}\"\nname = \"theirs\"\nreason = \"lab\"\n")
    };
    refused(
        &of_kind("ksk"),
        "6:8 accepted[0].kind: a key-signing key of others cannot be accepted: whoever holds it can sign as this \
         zone once the parent vouches for it, so every plan names it and leaves it alone; have it deactivated \
         and deleted",
    );
    refused(
        &of_kind("record"),
        "6:8 accepted[0].kind: records of others in the zone need not be accepted: no plan touches them, but for \
         `destroy --include-records`",
    );
    let many: String = (0..21).map(|n| format!("k{n} = \"v\"\n")).collect();
    refused(
        &format!("[tags]\n{many}"),
        "5:1 tags: 21 tags, at most 20 leave room for the tool's own",
    );
}
