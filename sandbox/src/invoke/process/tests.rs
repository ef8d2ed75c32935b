//! Real processes: small scripts that speak the Runtime API.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::blobs;
use crate::invoke::Secrets;
use crate::lambda::zip_of;

/// A bootstrap in Python: `answer(event)` gives what is posted, by kind.
fn bootstrap(answer: &str) -> String {
    format!(
        r#"#!/usr/bin/env python3
import json, os, sys, time, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
count = 0
def post(path, value):
    data = json.dumps(value).encode()
    urllib.request.urlopen(urllib.request.Request(base + path, data=data)).read()
{answer}
while True:
    with urllib.request.urlopen(base + "invocation/next") as got:
        event, head = json.loads(got.read()), got.headers
    id = head["Lambda-Runtime-Aws-Request-Id"]
    count += 1
    kind, value = answer(event, head)
    post("invocation/" + id + "/" + kind, value)
"#
    )
}

fn run(script: &str, (id, environment): (&str, &str), event: &Value) -> Run {
    let zip = zip_of(&[("bootstrap", 0o755, script), ("spore.json", 0o644, "{}")]);
    Run {
        environment: environment.to_owned(),
        retired: Vec::new(),
        code_name: blobs::name_of(&zip),
        code: zip.into(),
        function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        function: "f".to_owned(),
        version: "$LATEST".to_owned(),
        region: "us-east-1".to_owned(),
        handler: "bootstrap".to_owned(),
        memory_mb: 128,
        timeout: Duration::from_secs(20),
        json_log: None,
        log_group: "/aws/lambda/f".to_owned(),
        log_stream: "stream".to_owned(),
        variables: [("OWN".to_owned(), "1".to_owned())].into(),
        secrets: Secrets {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret: "secret".to_owned(),
            token: "token".to_owned(),
            expires: Timestamp::MAX,
        },
        trace: "Root=1-0-0".to_owned(),
        request_id: id.to_owned(),
        event: event.to_string().into_bytes(),
    }
}

fn invoker() -> Arc<ProcessInvoker> {
    Arc::new(
        ProcessInvoker::new(Some("http://127.0.0.1:1".to_owned()))
            .with_identity_keys("http://127.0.0.1:2/keys".to_owned()),
    )
}

fn answer(ran: &Ran) -> Value {
    serde_json::from_slice(ran.outcome.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn a_process_finds_lambdas_environment_and_nothing_of_ours() {
    let script = bootstrap(
        "def answer(event, head):
    print('seen', event['n'], flush=True)
    return 'response', {'env': dict(os.environ), 'cwd': os.getcwd(),
        'files': sorted(os.listdir('.')), 'head': dict(head), 'event': event}",
    );
    let ran = invoker()
        .invoke(run(&script, ("r1", "e1"), &json!({ "n": 7 })))
        .await;
    assert_eq!(ran.log, ["seen 7"]);
    let seen = answer(&ran);
    assert_eq!(seen["event"], json!({ "n": 7 }));
    assert_eq!(seen["files"], json!(["bootstrap", "spore.json"]));
    assert_eq!(seen["cwd"], seen["env"]["LAMBDA_TASK_ROOT"]);
    for (name, value) in [
        ("_HANDLER", "bootstrap"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("SPORE_SANDBOX_IDENTITY_KEYS", "http://127.0.0.1:2/keys"),
        ("OWN", "1"),
    ] {
        assert_eq!(seen["env"][name], value, "{name}");
    }
    for ours in ["HOME", "CARGO_MANIFEST_DIR", "USER"] {
        assert_eq!(seen["env"].get(ours), None, "{ours}");
    }
    // Header names have no case; this server writes them in small letters.
    let head: serde_json::Map<String, serde_json::Value> = seen["head"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .collect();
    assert_eq!(head["lambda-runtime-aws-request-id"], "r1");
    assert!(
        head["lambda-runtime-deadline-ms"]
            .as_str()
            .unwrap()
            .parse::<i64>()
            .is_ok()
    );
    assert!(
        head["lambda-runtime-invoked-function-arn"]
            .as_str()
            .unwrap()
            .ends_with(":f")
    );
}

#[tokio::test]
async fn a_process_stays_for_the_next_event_and_ends_when_told() {
    let script = bootstrap(
        "def answer(event, head):
    return 'response', {'count': count, 'pid': os.getpid()}",
    );
    let invoker = invoker();
    let first = answer(&invoker.invoke(run(&script, ("1", "e1"), &json!({}))).await);
    let second = answer(&invoker.invoke(run(&script, ("2", "e1"), &json!({}))).await);
    assert_eq!((&first["count"], &second["count"]), (&json!(1), &json!(2)));
    let mut other = run(&script, ("3", "e2"), &json!({}));
    other.retired = vec!["e1".to_owned()];
    let third = answer(&invoker.invoke(other).await);
    assert_eq!(third["count"], 1);
    let pid = |seen: &Value| {
        let pid = i32::try_from(seen["pid"].as_i64().unwrap()).unwrap();
        rustix::process::Pid::from_raw(pid).unwrap()
    };
    let is_gone = async |pid| {
        for _ in 0..500 {
            if rustix::process::test_kill_process(pid).is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    assert!(
        is_gone(pid(&first)).await,
        "the retired environment's process"
    );
    invoker.stop();
    assert!(is_gone(pid(&third)).await);
    let late = invoker.invoke(run(&script, ("4", "e3"), &json!({}))).await;
    assert!(late.outcome.is_err());
}

#[tokio::test]
async fn failures_are_told_as_lambda_tells_them() {
    let invoker = invoker();
    let script = bootstrap(
        "def answer(event, head):
    if event['do'] == 'raise':
        return 'error', {'errorType': 'ValueError', 'errorMessage': 'no'}
    if event['do'] == 'exit':
        print('last words')
        sys.stdout.flush()
        os._exit(3)
    if event['do'] == 'sleep':
        time.sleep(60)
    return 'response', count",
    );
    let fail = async |what: &str, timeout: u64| {
        let mut run = run(&script, (what, "e1"), &json!({ "do": what }));
        run.timeout = Duration::from_secs(timeout);
        let ran = invoker.invoke(run).await;
        let told = ran.outcome.map(|body| String::from_utf8(body).unwrap());
        (told, ran.log)
    };
    let error = |kind: &str, message: &str| Err((kind.to_owned(), message.to_owned()));
    assert_eq!(fail("raise", 20).await.0, error("ValueError", "no"));
    let (told, log) = fail("exit", 20).await;
    let message = "RequestId: exit Error: Runtime exited with error: exit status 3";
    assert_eq!(told, error("Runtime.ExitError", message));
    assert_eq!(log, ["last words"]);
    assert_eq!(
        fail("work", 20).await.0,
        Ok("1".to_owned()),
        "a new process"
    );
    let message = "RequestId: sleep Error: Task timed out after 1.00 seconds";
    assert_eq!(fail("sleep", 1).await.0, error("Sandbox.Timedout", message));
    assert_eq!(
        fail("work", 20).await.0,
        Ok("1".to_owned()),
        "a new process again"
    );
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let invoker = invoker();
    let kind_and_message = async |mut run: Run, zip: Option<Vec<u8>>| {
        if let Some(zip) = zip {
            run.code_name = blobs::name_of(&zip);
            run.code = zip.into();
        }
        invoker.invoke(run).await.outcome.unwrap_err()
    };
    let script = "#!/usr/bin/env python3
import json, os, sys, urllib.request
base = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/'
data = json.dumps({'errorType': 'Config', 'errorMessage': 'bad file'}).encode()
urllib.request.urlopen(urllib.request.Request(base + 'init/error', data=data)).read()
sys.exit(1)
";
    let told = kind_and_message(run(script, ("1", "e1"), &json!({})), None).await;
    assert_eq!(told, ("Config".to_owned(), "bad file".to_owned()));
    let told = kind_and_message(run("#!/bin/sh\nexit 7\n", ("2", "e2"), &json!({})), None).await;
    let message = "RequestId: 2 Error: Runtime exited with error: exit status 7";
    assert_eq!(told, ("Runtime.ExitError".to_owned(), message.to_owned()));
    let nothing = zip_of(&[("bootstrap", 0o644, "#!/bin/sh\n")]);
    let told = kind_and_message(run("", ("3", "e3"), &json!({})), Some(nothing)).await;
    assert_eq!(told.0, "Runtime.InvalidEntrypoint");
    assert!(
        told.1.contains("Couldn't find valid bootstrap(s)"),
        "{}",
        told.1
    );
    let told = kind_and_message(run("\x7fELF nonsense", ("4", "e4"), &json!({})), None).await;
    assert_eq!(told.0, "Runtime.InvalidEntrypoint");
    assert!(
        told.1
            .ends_with("fork/exec /var/task/bootstrap: exec format error"),
        "{}",
        told.1
    );
}

#[tokio::test]
async fn environments_run_side_by_side() {
    let script = bootstrap(
        "def answer(event, head):
    time.sleep(0.3)
    return 'response', os.getpid()",
    );
    let invoker = invoker();
    let runs = ["e1", "e2", "e3"].map(|id| {
        let (invoker, run) = (Arc::clone(&invoker), run(&script, (id, id), &json!({})));
        tokio::spawn(async move { invoker.invoke(run).await })
    });
    let mut processes = std::collections::BTreeSet::new();
    for run in runs {
        processes.insert(answer(&run.await.unwrap()).to_string());
    }
    assert_eq!(processes.len(), 3);
}

#[test]
fn code_is_unpacked_once_with_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let task = dir.path().join("task");
    let zip = zip_of(&[("bootstrap", 0o755, "x"), ("deep/er/file", 0o600, "y")]);
    unpack(&zip, &task).unwrap();
    unpack(b"not read", &task).unwrap();
    let mode = |name: &str| fs::metadata(task.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bootstrap"), mode("deep/er/file")), (0o755, 0o600));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no litter");
}
