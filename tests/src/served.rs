//! A served world (`sandbox serve`) as a child process, and a signed call to it with nothing but a socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use jiff::Timestamp;
use spore_sandbox::Request;
use spore_sandbox::auth::{Credentials, sign};

use crate::stage::Stage;

/// A server that is killed with this value.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Base URL.
    pub url: String,
}

impl Served {
    /// Serves the world of a stage, in sync after 2 s.
    ///
    /// # Panics
    /// When the server does not come up.
    pub fn start(stage: &Stage) -> Self {
        let run = stage
            .run(["sandbox", "serve", "--listen", "127.0.0.1:0"])
            .arg(format!("--sandbox={}", stage.world().display()));
        let mut child = run.spawn_quiet();
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server says where it listens");
        let url = line.trim().strip_prefix("export AWS_ENDPOINT_URL=");
        let url = url
            .unwrap_or_else(|| panic!("the server said {line:?}"))
            .to_owned();
        Self { child, url }
    }

    /// Kills it as the kernel would.
    pub fn kill(mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Asks the CloudWatch Logs of a served world to make a log group. True only when the answer says so:
/// a connection that breaks before that is false.
pub fn create_log_group(address: &str, name: &str) -> bool {
    let body = format!("{{\"logGroupName\":\"{name}\"}}");
    let target = "Logs_20140328.CreateLogGroup";
    let scope = ("us-east-1", "logs");
    send(
        address,
        &json_request(address, target, scope, &body, Timestamp::now()),
    )
    .is_some()
}

/// A call of STS in its form-encoded protocol, as the administrator of the stage's account.
pub fn call(address: &str, form: &str) -> Option<String> {
    let content = "application/x-www-form-urlencoded";
    let headers = vec![("content-type".to_owned(), content.to_owned())];
    let request = signed(
        address,
        headers,
        ("us-east-1", "sts"),
        form,
        Timestamp::now(),
    );
    send(address, &request)
}

/// A signed call of a JSON service.
pub fn json_request(
    host: &str,
    target: &str,
    scope: (&str, &str),
    body: &str,
    at: Timestamp,
) -> Request {
    let headers = vec![
        (
            "content-type".to_owned(),
            "application/x-amz-json-1.1".to_owned(),
        ),
        ("x-amz-target".to_owned(), target.to_owned()),
    ];
    signed(host, headers, scope, body, at)
}

fn signed(
    host: &str,
    headers: Vec<(String, String)>,
    scope: (&str, &str),
    body: &str,
    at: Timestamp,
) -> Request {
    let mut request = Request {
        method: "POST".into(),
        host: host.into(),
        path: "/".into(),
        query: String::new(),
        headers,
        body: body.into(),
    };
    let keys = Credentials::administrator("123456789012");
    sign(&mut request, &keys, scope, at);
    request
}

/// The answer, if it came whole and is a success.
fn send(address: &str, request: &Request) -> Option<String> {
    let mut text = String::from("POST / HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    let exchange = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        socket.write_all(text.as_bytes())?;
        socket.write_all(&request.body)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    exchange()
        .ok()
        .filter(|answer| answer.starts_with("HTTP/1.1 200"))
}
