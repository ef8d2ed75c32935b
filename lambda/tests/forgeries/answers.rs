//! An STS that lies, or whoever can speak in its place.

use serde_json::json;
use spore_updater::proof::{Proven, Sts, Unreachable};
use spore_updater::protocol::{Call, SignedType, StsAnswer};

use super::{Scene, Tally, sts, with_bit};

/// Answers the same to everybody.
struct Lie(StsAnswer);

impl Sts for Lie {
    async fn ask(&self, _: &Call) -> Result<StsAnswer, Unreachable> {
        Ok(self.0.clone())
    }
}

impl Scene {
    fn told(&self, answer: StsAnswer) -> Result<Proven, String> {
        let proof = self.proof().to_string().into_bytes();
        let update = self.update.clone();
        self.present_to(&self.verifier, &Lie(answer), self.now, &proof, update)
    }

    /// What STS really says of this caller.
    fn truth(&self) -> (&'static str, &'static str, &'static str) {
        match self.signed_type {
            SignedType::InstanceRole => (
                "arn:aws:sts::210987654321:assumed-role/aws:ec2-instance/i-0123456789abcdef0",
                "210987654321:aws:ec2-instance:i-0123456789abcdef0",
                "210987654321",
            ),
            SignedType::IamRole => (
                "arn:aws:sts::123456789012:assumed-role/registrar/build-7",
                "AROAREGISTRAR0000000:build-7",
                "123456789012",
            ),
        }
    }
}

pub fn answers_with_a_flipped_bit(scene: &Scene, tally: &mut Tally) {
    let class = "each bit of STS's answer, and its beginnings";
    let (arn, user_id, account) = scene.truth();
    let answer = sts::success(arn, user_id, account);
    let truth = scene.told(answer.clone()).unwrap();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    // The id of the request is the one text that says nothing about the caller.
    let id =
        body.find("<RequestId>").unwrap() + "<RequestId>".len()..body.find("</RequestId>").unwrap();
    // Of a role the first half of the UserId is its unique id, which nothing else repeats.
    let role_id = match scene.signed_type {
        SignedType::InstanceRole => 0..0,
        SignedType::IamRole => {
            let start = body.find("AROA").unwrap() + 4;
            start..start + 16
        }
    };
    for bit in 0..body.len() * 8 {
        let flipped = StsAnswer {
            body: with_bit(body.as_bytes(), bit),
            ..answer.clone()
        };
        let outcome = scene.told(flipped);
        if id.contains(&(bit / 8)) {
            assert!(
                outcome.is_err() || outcome.as_ref() == Ok(&truth),
                "bit {bit}: {outcome:?}"
            );
        } else if !role_id.contains(&(bit / 8)) {
            tally.refused(class, &format!("bit {bit}"), outcome);
        }
    }
    for length in 0..body.trim_end().len() {
        let cut = StsAnswer {
            body: body.as_bytes()[..length].to_vec(),
            ..answer.clone()
        };
        tally.refused(class, &format!("the first {length} bytes"), scene.told(cut));
    }
}

pub fn lies(scene: &Scene, tally: &mut Tally) {
    let class = "an STS that lies";
    let (arn, user_id, account) = scene.truth();
    let true_answer = sts::success(arn, user_id, account);
    assert!(scene.told(true_answer.clone()).is_ok());
    let body = String::from_utf8(true_answer.body.clone()).unwrap();
    let mut refused = |what: &str, answer: StsAnswer| {
        tally.refused(class, what, scene.told(answer));
    };

    for status in (100..600).filter(|status| *status != 200) {
        let answer = StsAnswer {
            status,
            ..true_answer.clone()
        };
        refused(&format!("status {status}"), answer);
    }
    for content_type in [
        "",
        "application/json",
        "text/html",
        "text/plain",
        "text/xml2",
        "application/xml",
        "text/xml, application/json",
    ] {
        let answer = StsAnswer {
            content_type: content_type.to_owned(),
            ..true_answer.clone()
        };
        refused(content_type, answer);
    }

    let mut changed = |from: &str, to: &str| {
        let other = body.replace(from, to);
        assert_ne!(other, body, "{from} is not in the answer");
        refused(&format!("{from} -> {to}"), sts::xml(200, other));
    };
    let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
    for other in [
        "",
        "http://sts.amazonaws.com/doc/2011-06-15/",
        "https://sts.amazonaws.com/doc/2011-06-15",
        "https://sts.amazonaws.com/doc/2011-06-16/",
        "https://iam.amazonaws.com/doc/2010-05-08/",
        "https://sts.amazonaws.com.evil.example/doc/2011-06-15/",
    ] {
        changed(namespace, other);
    }
    for root in [
        "GetSessionTokenResponse",
        "ErrorResponse",
        "getcalleridentityresponse",
        "x",
    ] {
        changed("GetCallerIdentityResponse", root);
    }
    let result = "<GetCallerIdentityResult>";
    changed(
        result,
        "<GetCallerIdentityResult xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">",
    );
    changed(
        result,
        "<GetCallerIdentityResult xmlns=\"https://other.example/\">",
    );
    changed(result, "<GetCallerIdentityResult a=\"b\">");
    changed(" xmlns=", " xmlns:x=");
    changed(" xmlns=", " x=\"1\" xmlns=");
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<!DOCTYPE x><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<!-- --><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<?x y?><GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "x<GetCallerIdentityResponse xmlns",
    );
    changed(
        "<GetCallerIdentityResponse xmlns",
        "<a/><GetCallerIdentityResponse xmlns",
    );
    changed("<GetCallerIdentityResponse", "<x:GetCallerIdentityResponse");
    changed(
        "</GetCallerIdentityResponse>\n",
        "</GetCallerIdentityResponse>x",
    );
    changed(
        "</GetCallerIdentityResponse>\n",
        "</GetCallerIdentityResponse><a></a>",
    );
    changed(
        "</GetCallerIdentityResponse>\n",
        "</GetCallerIdentityResponse><!-- -->",
    );
    changed(
        "</GetCallerIdentityResponse>",
        &format!("</GetCallerIdentityResponse>{body}"),
    );
    for leaf in ["Arn", "UserId", "Account", "RequestId"] {
        let (open, close) = (format!("<{leaf}>"), format!("</{leaf}>"));
        let start = body.find(&open).unwrap();
        let end = body.find(&close).unwrap() + close.len();
        let element = &body[start..end];
        let value = &element[open.len()..element.len() - close.len()];
        changed(element, "");
        changed(element, &format!("{element}{element}"));
        changed(element, &format!("<{leaf}/>"));
        changed(element, &format!("<{leaf}></{leaf}>{element}"));
        changed(element, &format!("<{leaf}><b>{value}</b></{leaf}>"));
        changed(element, &format!("<x:{leaf}>{value}</x:{leaf}>"));
        changed(element, &format!("<{leaf} a=\"b\">{value}</{leaf}>"));
        changed(element, &format!("<{leaf}><![CDATA[{value}]]></{leaf}>"));
        changed(element, &format!("<{leaf}>{value}<!-- --></{leaf}>"));
        changed(element, &format!("<{leaf}>{value}&amp;</{leaf}>"));
        changed(
            element,
            &format!(
                "<{leaf}>&#{};{}</{leaf}>",
                u32::from(value.as_bytes()[0]),
                &value[1..]
            ),
        );
        changed(element, &format!("<{leaf}>&x;{value}</{leaf}>"));
        changed(element, &format!("<{leaf}>{value}<?x?></{leaf}>"));
        changed(element, &format!("{element}text"));
        changed(element, &format!("{element}<Other>x</Other>"));
        changed(element, &format!("<Other>{element}</Other>"));
    }
    for leaf in ["Arn", "UserId", "Account"] {
        let open = format!("<{leaf}>");
        changed(&open, &format!("{open} "));
        changed(&open, &format!("{open}\n"));
        changed(&open, &format!("{open}x"));
        changed(&format!("</{leaf}>"), &format!(" </{leaf}>"));
        changed(&format!("</{leaf}>"), &format!("\u{0}</{leaf}>"));
    }
    let metadata = &body[body.find("<ResponseMetadata>").unwrap()..];
    let metadata = &metadata[..metadata.find("</ResponseMetadata>").unwrap() + 19];
    changed(metadata, "");
    changed(metadata, &format!("{metadata}{metadata}"));
    let result = &body[body.find("<GetCallerIdentityResult>").unwrap()..];
    let result = &result[..result.find("</GetCallerIdentityResult>").unwrap() + 26];
    changed(result, "");
    changed(result, &format!("{result}{result}"));
    changed(result, &format!("<Other>{result}</Other>"));

    for (what, body) in [
        ("nothing", String::new()),
        ("HTML", "<html><body>blocked</body></html>".to_owned()),
        (
            "JSON",
            json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": {
                "Arn": arn, "UserId": user_id, "Account": account } } })
            .to_string(),
        ),
        ("XML in JSON", json!({ "message": body }).to_string()),
        (
            "XML in XML",
            format!("<Error><Message>{body}</Message></Error>"),
        ),
        (
            "huge",
            body.replace("<Arn>", &format!("<Arn>{}", " ".repeat(1 << 20))),
        ),
        ("huge at the end", format!("{body}{}", " ".repeat(5_000))),
        ("deep", "<a>".repeat(10_000)),
        (
            "UTF-16",
            body.chars().flat_map(|char| [char, '\0']).collect(),
        ),
    ] {
        refused(what, sts::xml(200, body));
    }

    // Other people, well written.
    let (own, id) = ("123456789012", "i-0123456789abcdef0");
    let instance = format!("arn:aws:sts::{own}:assumed-role/aws:ec2-instance/{id}");
    let instance_id = format!("{own}:aws:ec2-instance:{id}");
    let role = "AROAREGISTRAR0000000";
    let session = |name: &str, session: &str| {
        (
            format!("arn:aws:sts::{own}:assumed-role/{name}/{session}"),
            format!("{role}:{session}"),
        )
    };
    let (looks, looks_id) = session("aws-ec2-instance", id);
    let mut strangers: Vec<(String, String, &str)> = vec![
        (looks, looks_id, own),
        (instance.clone(), instance_id.clone(), "210987654321"),
        (
            instance.replace(own, "210987654321"),
            instance_id.clone(),
            own,
        ),
        (
            instance.clone(),
            instance_id.replace(own, "210987654321"),
            own,
        ),
        (instance.clone(), instance_id.replace("i-0", "i-1"), own),
        (instance.clone(), format!("{role}:{id}"), own),
        (instance.clone(), id.to_owned(), own),
        (instance.replace(":sts:", ":iam:"), instance_id.clone(), own),
        (
            instance.replace(":sts::", ":sts:us-east-1:"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("arn:aws:", "arn:aws-cn:"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("arn:aws:", "arn:aws-us-gov:"),
            instance_id.clone(),
            own,
        ),
        (instance.replace("arn:", "ARN:"), instance_id.clone(), own),
        (
            instance.replace("assumed-role", "role"),
            instance_id.clone(),
            own,
        ),
        (instance.replace("/i-", "/x/i-"), instance_id.clone(), own),
        (
            instance.replace("/aws:", "/path/aws:"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("/aws:", "//aws:"),
            instance_id.clone(),
            own,
        ),
        (format!("{instance}/"), instance_id.clone(), own),
        (format!("{instance}/{id}"), instance_id.clone(), own),
        (
            instance.replace("aws:ec2-instance", "AWS:EC2-instance"),
            instance_id.clone(),
            own,
        ),
        (
            instance.replace("aws:ec2-instance", "x:ec2-instance"),
            format!("{role}:{id}"),
            own,
        ),
        (
            instance.replace("aws:ec2-instance", "aws:ec2"),
            format!("{role}:{id}"),
            own,
        ),
        (format!("arn:aws:iam::{own}:root"), own.to_owned(), own),
        (
            format!("arn:aws:iam::{own}:user/{id}"),
            "AIDAEXAMPLE000000000".to_owned(),
            own,
        ),
        (
            format!("arn:aws:sts::{own}:federated-user/{id}"),
            format!("{own}:{id}"),
            own,
        ),
        (format!("arn:aws:sts::{own}:self"), own.to_owned(), own),
        (
            instance.replace(own, "12345678901"),
            instance_id.replace(own, "12345678901"),
            "12345678901",
        ),
        (instance.replace(own, ""), instance_id.replace(own, ""), ""),
    ];
    for other in [
        "i-",
        "i-0123456",
        "i-0123456789ABCDEF0",
        "i-0123456789abcdef01",
        "x-01234567",
        "",
    ] {
        strangers.push((
            instance.replace(id, other),
            instance_id.replace(id, other),
            own,
        ));
    }
    for (name, of) in [
        ("other", own),
        ("Registrar", own),
        ("registrar2", own),
        ("apps/registrar", own),
        ("registrar", "210987654321"),
    ] {
        let (arn, user_id) = session(name, "build-7");
        strangers.push((arn.replace(own, of), user_id, of));
    }
    for user_id in [
        "build-7",
        "AROAREGISTRAR0000000",
        "AIDAREGISTRAR0000000:build-7",
        ":build-7",
        "",
    ] {
        let (arn, _) = session("registrar", "build-7");
        strangers.push((arn, user_id.to_owned(), own));
    }
    for (arn, user_id, account) in strangers {
        refused(
            &format!("{arn} {user_id} {account}"),
            sts::success(&arn, &user_id, account),
        );
    }
}
