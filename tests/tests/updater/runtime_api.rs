//! Lambda's Runtime API as far as one function needs it, and the function started against it (Lambda
//! Developer Guide, "Using the Lambda runtime API for custom runtimes").
//!
//! Plain HTTP/1.1 over sockets of the standard library: a judge of what really goes over the wire.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use spore_infra::updater::Bootstrap;
use tempfile::TempDir;

/// A place to run a function.
pub struct RuntimeApi {
    dir: TempDir,
}

/// What a function did.
#[derive(Debug)]
pub struct Ran {
    /// Path and body of what it reported, in order.
    pub posts: Vec<(String, String)>,
    /// What it logged.
    pub lines: Vec<String>,
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
}

/// What a connection saw.
enum Seen {
    Post(String, String),
    /// It asked for an event when there were no more.
    Idle,
}

impl RuntimeApi {
    /// A folder with the executable, as Lambda unpacks it.
    pub fn start(bootstrap: &Bootstrap) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bootstrap");
        fs::write(&path, bootstrap.executable().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    /// Writes the configuration beside it.
    pub fn configure(&self, config: &str) {
        fs::write(self.dir.path().join("spore.json"), config).unwrap();
    }

    /// Starts it, gives it these events, and ends it when it asks for more.
    pub fn run(self, events: &[String]) -> Ran {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, all) = mpsc::channel();
        let events: Arc<[String]> = events.into();
        let next = Arc::new(AtomicUsize::new(0));
        let ended = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, events, next) = (seen.clone(), events.clone(), next.clone());
                thread::spawn(move || serve(&stream.unwrap(), &events, &next, &seen));
            }
        });
        let mut child = Command::new(self.dir.path().join("bootstrap"))
            .env_clear()
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
                ("AWS_LAMBDA_FUNCTION_NAME", "spore"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_SESSION_TOKEN", "token"),
            ])
            .env("LAMBDA_TASK_ROOT", self.dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let lines = thread::spawn(move || {
            let lines: Vec<String> = BufReader::new(out).lines().map(Result::unwrap).collect();
            // Its output ends when it does.
            let _ = ended.send(Seen::Idle);
            lines
        });
        let mut posts = Vec::new();
        while let Ok(Seen::Post(path, body)) = all.recv() {
            posts.push((path, body));
        }
        // One that asks for more waits for ever and has to be ended; one that ended by itself tells its
        // code. Which it is, is known by whether it was heard to wait.
        let code = if posts.iter().any(|(path, _)| path.ends_with("/init/error")) {
            child.wait().unwrap().code()
        } else {
            child.kill().unwrap();
            child.wait().unwrap().code()
        };
        Ran {
            posts,
            lines: lines.join().unwrap(),
            code,
        }
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, events: &[String], next: &AtomicUsize, seen: &Sender<Seen>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                text => head.push(text.to_owned()),
            }
        }
        let path = head[0].split(' ').nth(1).unwrap().to_owned();
        let header = |name: &str| {
            let is_it = |line: &&String| line.to_ascii_lowercase().starts_with(name);
            let line = head.iter().find(is_it)?;
            Some(line[name.len()..].trim().to_owned())
        };
        let length = header("content-length:").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        assert!(header("transfer-encoding:").is_none(), "{head:?}");
        if head[0].starts_with("GET") {
            assert_eq!(path, "/2018-06-01/runtime/invocation/next");
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(event) = events.get(number) else {
                // Lambda lets it wait; here somebody ends it.
                let _ = seen.send(Seen::Idle);
                return;
            };
            let length = event.len();
            let headers = format!(
                "Lambda-Runtime-Aws-Request-Id: invocation-{number}\r\n\
                 Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: \
                 arn:aws:lambda:us-east-1:123456789012:function:spore\r\n"
            );
            answer(
                stream,
                &format!("200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{event}"),
            );
        } else {
            let body = String::from_utf8(body).unwrap();
            let _ = seen.send(Seen::Post(path, body));
            answer(stream, "202 Accepted\r\nContent-Length: 0\r\n\r\n");
        }
    }
}

fn answer(mut stream: &TcpStream, text: &str) {
    stream
        .write_all(format!("HTTP/1.1 {text}").as_bytes())
        .unwrap();
}
