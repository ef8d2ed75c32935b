//! The proof `identity-document` through the whole updater. A copy of a document can come from anywhere,
//! so what it is good for depends on where the request comes from. The documents are signed with a key of
//! this test, in the place of EC2's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use spore_updater::Updater;
use spore_updater::proof::{KeyType, Keys};
use spore_updater::protocol::Region;

use super::*;

/// PKCS #8 and SubjectPublicKeyInfo of a key that `openssl genpkey` made for this test alone.
const KEY: &str = include_str!("document_key.txt");

const FAR: &str = "210987654321";

/// Somewhere that is no instance's.
const ELSEWHERE: &str = "198.35.26.96";

fn key_part(line: usize) -> Vec<u8> {
    STANDARD.decode(KEY.lines().nth(line).unwrap()).unwrap()
}

fn documents() -> Scene {
    documents_and(|_| {})
}

/// Documents and signed proofs, and some changes.
fn documents_and(change: impl FnOnce(&mut Value)) -> Scene {
    let mut scene = Scene::new();
    let region = Region::named("us-east-1").unwrap();
    let keys = Keys::aws().with(region, KeyType::Signature, &key_part(1));
    let config = config(|config| {
        config["proofs"] = json!(["identity-document"]);
        change(config);
    });
    scene.updater = Updater::new(
        config.parse().unwrap(),
        spore_updater::proof::Own::default(),
        keys.unwrap(),
    )
    .unwrap();
    scene
}

/// The request as somebody sends it who has a copy of the machine's document, just made.
fn event_with_document(scene: &Scene, machine: &Machine, ask: &Ask, source: IpAddr) -> Event {
    let now = scene.world.now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let document = format!(
        "{{\n  \"accountId\" : \"{}\",\n  \"instanceId\" : \"{}\",\n  \"pendingTime\" : \"{now}\",\n  \
         \"privateIp\" : \"10.0.1.0\",\n  \"region\" : \"us-east-1\"\n}}",
        machine.account, machine.id
    );
    let pair = RsaKeyPair::from_pkcs8(&key_part(0)).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        document.as_bytes(),
        &mut signature,
    )
    .unwrap();
    let mut body = ask.members();
    body["instance_identity_document"] = json!(STANDARD.encode(&document));
    body["instance_identity_signature"] = json!(STANDARD.encode(&signature));
    event(&body.to_string(), source)
}

async fn asked(scene: &Scene, machine: &Machine, ask: &Ask, source: IpAddr) -> Said {
    scene.world.advance(1);
    let event = event_with_document(scene, machine, ask, source);
    let before = scene.world.zone();
    let said = scene.send(machine, &event).await;
    if said.code != "ok" {
        assert_eq!(scene.world.zone(), before);
    }
    said
}

fn refused(said: &Said, says: &str) {
    assert_eq!((said.status, said.code.as_str()), (403, "not_allowed"));
    assert!(said.text.contains(says), "{}", said.text);
    assert_eq!(said.audit["validation"], "success");
}

#[test]
fn where_ec2_cannot_be_asked_a_document_registers_the_source_and_nothing_else() {
    run(async {
        let scene = documents();
        let machine = scene.world.start(FAR, "us-east-1");
        let (own, elsewhere) = (machine.address.into(), ELSEWHERE.parse().unwrap());
        let set = Ask::set("web", machine.address);
        let said = asked(&scene, &machine, &set, own).await;
        ok(&said);
        assert_eq!(said.audit["proof"], "identity-document");
        assert_eq!(said.audit["nonce"], Value::Null);
        assert_eq!(said.body["proof"], Value::Null, "it is not signed");
        let with_hint = Ask {
            update: spore_updater::protocol::Update {
                ip_address: Some(machine.address.to_string()),
                ..Ask::delete("web").update
            },
        };
        for ask in [
            Ask::delete("web"),
            Ask::delete("web").of_type("A"),
            Ask::delete("unheld"),
            with_hint,
            Ask::text("web", "hello"),
            Ask::text("other", "hello"),
        ] {
            for source in [own, elsewhere] {
                let said = asked(&scene, &machine, &ask, source).await;
                refused(&said, "use the proof `instance-role`");
            }
        }
        // An address that is not the source's, however true.
        let said = asked(&scene, &machine, &set, elsewhere).await;
        refused(&said, "use the proof `instance-role`");
        let private = Ask::set("web", "10.0.1.0".parse::<IpAddr>().unwrap());
        let said = asked(&scene, &machine, &private, "10.0.1.0".parse().unwrap()).await;
        refused(&said, "use the proof `instance-role`");
        assert_eq!(scene.world.calls("describe"), 0);
        assert_eq!(scene.world.calls("sts"), 0);
    });
}

#[test]
fn where_ec2_can_be_asked_a_document_comes_from_the_instance_itself() {
    run(async {
        let scene = documents();
        let machine = scene.world.start(HOME, "us-east-1");
        let (own, elsewhere) = (machine.address.into(), ELSEWHERE.parse().unwrap());
        let asks = [
            Ask::set("web", machine.address),
            Ask::text("web", "hello"),
            Ask::delete("web").of_type("TXT"),
            Ask::delete("web"),
        ];
        for ask in &asks {
            let said = asked(&scene, &machine, ask, elsewhere).await;
            refused(&said, "has to come from an address of");
            ok(&asked(&scene, &machine, ask, own).await);
        }
        let v6: IpAddr = "2600:1f18::0".parse().unwrap();
        let said = asked(&scene, &machine, &Ask::set("web", v6), own).await;
        refused(&said, "the request comes from");
        ok(&asked(&scene, &machine, &Ask::set("web", v6), v6).await);
    });
}

#[test]
fn a_document_that_is_changed_or_old_removes_nothing() {
    run(async {
        let scene = documents();
        let machine = scene.world.start(HOME, "us-east-1");
        let own = machine.address.into();
        ok(&asked(&scene, &machine, &Ask::set("web", machine.address), own).await);
        let event = event_with_document(&scene, &machine, &Ask::delete("web"), own);
        scene.world.advance(15 * 60 + 1);
        let said = scene.send(&machine, &event).await;
        assert_eq!((said.status, said.code.as_str()), (401, "proof_invalid"));
        let mut other = machine.clone();
        other.id = "i-0123456789abcdef0".to_owned();
        let event = event_with_document(&scene, &machine, &Ask::delete("web"), own);
        let forged = event_with_document(&scene, &other, &Ask::delete("web"), own);
        let member = |event: &Event, name: &str| {
            let body: Value = serde_json::from_str(event.body().unwrap()).unwrap();
            body[name].clone()
        };
        let mut body = Ask::delete("web").members();
        let document = "instance_identity_document";
        let signature = "instance_identity_signature";
        body[document] = member(&event, document);
        body[signature] = member(&forged, signature);
        let crossed = super::event(&body.to_string(), own);
        assert_eq!(scene.send(&machine, &crossed).await.code, "proof_invalid");
        assert!(scene.world.mark(WEB).is_some());
    });
}

#[test]
fn copies_of_a_document_use_up_nothing_of_the_instance() {
    run(async {
        for account in [HOME, FAR] {
            let mut scene = documents_and(|config| {
                config["proofs"] = json!(["identity-document", "instance-role"]);
                config["rate"] = json!({ "requests": 3, "per_secs": 600 });
            });
            let machine = scene.world.start(account, "us-east-1");
            let neighbour = scene.world.start(account, "us-east-1");
            // From many places, until those are told to wait, and more than an account may ask at once.
            for last in 0..40_u8 {
                let source = IpAddr::from([198, 35, 26, last]);
                let set = Ask::set("web", source);
                for _ in 0..4 {
                    asked(&scene, &machine, &set, source).await;
                }
            }
            let seconds = 160;
            let describes = scene.world.calls("describe");
            assert!(describes <= 25 + 5 * seconds, "{describes}");
            let before = scene.world.calls("describe");
            let source: IpAddr = [198, 35, 26, 0].into();
            let said = asked(&scene, &machine, &Ask::set("web", source), source).await;
            assert_eq!(said.code, "rate_limited", "{}", said.text);
            assert_eq!(scene.world.calls("describe"), before);
            // The instance itself, by either proof, and its neighbours.
            let own = machine.address.into();
            let own_document = asked(&scene, &machine, &Ask::set("db", own), own).await;
            ok(&own_document);
            ok(&scene.ask(&machine, &Ask::set("db", own)).await);
            ok(&scene.ask(&machine, &Ask::set("db", own)).await);
            ok(&scene
                .ask(&neighbour, &Ask::set("app-1", neighbour.address))
                .await);
        }
    });
}

#[test]
fn what_copies_of_an_accounts_documents_ask_is_bounded() {
    run(async {
        let mut scene = documents_and(|config| {
            config["proofs"] = json!(["identity-document", "instance-role"]);
        });
        let machine = scene.world.start(HOME, "us-east-1");
        for last in 0..100_u8 {
            let source = IpAddr::from([198, 35, 26, last]);
            let event = event_with_document(&scene, &machine, &Ask::set("web", source), source);
            scene.send(&machine, &event).await;
        }
        assert_eq!(scene.world.calls("describe"), 25);
        ok(&scene.ask(&machine, &Ask::set("web", machine.address)).await);
        // A document from the instance's own address counts as the instance's.
        let mut scene = documents_and(|config| {
            config["proofs"] = json!(["identity-document", "instance-role"]);
            config["rate"] = json!({ "requests": 3, "per_secs": 600 });
        });
        let machine = scene.world.start(HOME, "us-east-1");
        let set = Ask::set("web", machine.address);
        for _ in 0..3 {
            ok(&scene.ask(&machine, &set).await);
        }
        let said = asked(&scene, &machine, &set, machine.address.into()).await;
        assert_eq!(said.code, "rate_limited", "{}", said.text);
    });
}
