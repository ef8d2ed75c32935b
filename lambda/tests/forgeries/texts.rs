//! JSON that another reader might take for the proof.

use serde_json::json;

use super::{Scene, Tally};

pub fn texts_that_are_nearly_a_proof(scene: &Scene, tally: &mut Tally) {
    let class = "JSON that is nearly a proof";
    let proof = scene.proof();
    let members: Vec<(String, String)> = proof
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect();
    let written = |members: &[(String, String)]| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(
        scene
            .present_bytes(written(&members).as_bytes(), scene.update.clone())
            .is_ok()
    );
    let mut refused = |what: String, text: &str| {
        let outcome = scene.present_bytes(text.as_bytes(), scene.update.clone());
        tally.refused(class, &what, outcome);
    };
    for (at, (name, value)) in members.iter().enumerate() {
        let mut without = members.clone();
        without.remove(at);
        refused(format!("without {name}"), &written(&without));
        for twin in [value.clone(), "\"x\"".to_owned(), "null".to_owned()] {
            for place in [0, at, at + 1, members.len()] {
                let mut twice = members.clone();
                twice.insert(place, (name.clone(), twin.clone()));
                refused(format!("{name} twice, {twin} at {place}"), &written(&twice));
            }
        }
        for (index, _) in name.char_indices() {
            let mut cased = name.clone();
            cased[index..=index].make_ascii_uppercase();
            if cased == *name {
                continue;
            }
            let mut instead = members.clone();
            instead[at].0.clone_from(&cased);
            refused(format!("{cased} instead"), &written(&instead));
            let mut beside = members.clone();
            beside.push((cased.clone(), value.clone()));
            refused(format!("{cased} beside"), &written(&beside));
        }
        let text = value.trim_matches('"');
        for other in [
            "null".to_owned(),
            "true".to_owned(),
            "7".to_owned(),
            "\"\"".to_owned(),
            format!("[{value}]"),
            format!("{{{value}:null}}"),
            format!("\" {text}\""),
            format!("\"{text} \""),
            format!("\"{text}\\n\""),
            format!("\"{text}\\u0000\""),
            format!("\"{text}{text}\""),
            format!("\"{text}, SignedHeaders=host\""),
            format!("\"{text}\\r\\nx-amz-date: 20261122T060000Z\""),
            format!("\"{}\"", "A".repeat(5_000)),
        ] {
            let mut instead = members.clone();
            instead[at].1.clone_from(&other);
            refused(format!("{name}: {other}"), &written(&instead));
        }
    }
    let values: Vec<&str> = members.iter().map(|(_, value)| value.as_str()).collect();
    let mut ordered: Vec<String> = Vec::new();
    for name in [
        "type",
        "region",
        "access_key_id",
        "date",
        "token",
        "signature",
        "nonce",
    ] {
        ordered.push(proof[name].to_string());
    }
    for text in [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("[{}]", values.join(",")),
        format!("[{}]", ordered.join(",")),
        format!("[{proof}]"),
        json!(proof.to_string()).to_string(),
        format!("{proof}{proof}"),
        format!("{proof},"),
        format!("\u{feff}{proof}"),
    ] {
        refused(text.clone(), &text);
    }
    for unknown in [
        "host",
        "url",
        "method",
        "body",
        "headers",
        "authorization",
        "x-amz-date",
    ] {
        let mut more = members.clone();
        more.push((unknown.to_owned(), "\"x\"".to_owned()));
        refused(format!("with {unknown}"), &written(&more));
    }
}
