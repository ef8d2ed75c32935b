//! A served instance from outside: its metadata and its way out, over sockets of this machine.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use serde_json::{Value, json};
use spore_sandbox::door::{Options, Sandbox};
use spore_sandbox::serve::{self, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Status and body of an answer; none if the connection is refused or broken.
async fn asked(
    url: &str,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut text = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("\r\n{body}"));
    stream.write_all(text.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

struct Served {
    url: String,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    async fn start(sandbox: Sandbox) -> Self {
        let options = serve::Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..serve::Options::default()
        };
        let server = Server::listen(sandbox, options).await.unwrap();
        let url = server.info().url.clone();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async move {
            stopped.await.ok();
        }));
        Self { url, stop, running }
    }

    async fn command(&self, action: Value) -> (u16, String) {
        let body = json!({ "instance": action }).to_string();
        asked(&self.url, "POST /_spore/command", &[], &body)
            .await
            .unwrap()
    }

    /// The only instance.
    async fn instance(&self) -> Value {
        let (_, body) = asked(&self.url, "GET /_spore/instances", &[], "")
            .await
            .unwrap();
        serde_json::from_str::<Value>(&body).unwrap()[0].clone()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

async fn token(url: &str) -> Option<(u16, String)> {
    let ttl = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
    asked(url, "PUT /latest/api/token", &ttl, "").await
}

#[tokio::test]
async fn a_listener_is_there_while_its_instance_runs_and_again_after_a_restart_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Sandbox::open(Some(dir.path().to_owned()), Options::default()).unwrap();
    let served = Served::start(open()).await;
    let (status, said) = served
        .command(json!({"action": "launch", "ipv6": true}))
        .await;
    assert_eq!(status, 200, "{said}");
    let one = served.instance().await;
    let (id, url) = (one["id"].as_str().unwrap(), one["url"].as_str().unwrap());
    assert!(said.contains(id) && said.contains(url), "{said}");

    let (status, given) = token(url).await.unwrap();
    assert_eq!(status, 200);
    let header = [("X-aws-ec2-metadata-token", given.as_str())];
    let path = "GET /latest/meta-data/instance-id";
    assert_eq!(
        asked(url, path, &header, "").await,
        Some((200, id.to_owned()))
    );
    assert_eq!(asked(url, path, &[], "").await.unwrap().0, 401);
    // Its way out leads to AWS, not to the sandbox's own routes.
    assert_eq!(asked(url, "GET /_spore/info", &[], "").await, None);
    let (status, _) = asked(url, "GET /2013-04-01/hostedzone", &[], "")
        .await
        .unwrap();
    assert_eq!(status, 403, "that is not signed");
    served.end().await;

    let served = Served::start(open()).await;
    let again = served.instance().await;
    assert_eq!(again["id"], id);
    let url = again["url"].as_str().unwrap();
    // The token is the instance's, not the server's.
    assert_eq!(
        asked(url, path, &header, "").await,
        Some((200, id.to_owned()))
    );
    served.command(json!({"action": "stop", "id": id})).await;
    assert_eq!(token(url).await, None);
    assert_eq!(served.instance().await["url"], Value::Null);
    let (status, _) = served.command(json!({"action": "stop", "id": id})).await;
    assert_eq!(status, 409, "it is stopped");
    served.end().await;
}

#[tokio::test]
async fn public_keys_are_told_by_region() {
    let served = Served::start(Sandbox::open(None, Options::default()).unwrap()).await;
    let get = |query: &str| format!("GET /_spore/identity-keys{query}");
    let all = asked(&served.url, &get(""), &[], "").await.unwrap();
    assert_eq!(all, (200, "{}".to_owned()));
    assert_eq!(
        asked(&served.url, &get("?region=mars-1"), &[], "")
            .await
            .unwrap()
            .0,
        404
    );
    served.command(json!({"action": "launch"})).await;
    let (_, all) = asked(&served.url, &get(""), &[], "").await.unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    assert!(all["us-east-1"]["rsa1024"].is_string() && all["us-east-1"]["rsa2048"].is_string());
    served.end().await;
}
