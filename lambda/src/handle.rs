//! One request, from event to answer. Knows nothing of Lambda's runtime, clocks or networks: those come
//! as [`Ports`], so that tests and the simulated AWS call exactly what runs in production.

use jiff::Timestamp;

use crate::answer::{Answer, Code};
use crate::audit::Audit;
use crate::config::Config;
use crate::event::Event;

/// The world outside, as far as the updater needs it.
pub trait Ports {
    /// The time.
    fn now(&self) -> Timestamp;
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// What the caller is told.
    pub answer: Answer,
    /// What the log is told.
    pub audit: Audit,
}

/// Answers a request. `invocation` is Lambda's id of it, used where no gateway gave one.
pub fn handle(config: &Config, ports: &dyn Ports, event: &Event, invocation: &str) -> Handled {
    let began = ports.now();
    let context = &event.request_context;
    let id = context.request_id.as_deref().unwrap_or(invocation);
    let refusal = format!(
        "the updater of {} does not change records yet",
        config.domain
    );
    let ended = ports.now();
    Handled {
        answer: Answer::refusal(Code::Unavailable, &refusal, id, ended),
        audit: Audit::unread(Code::Unavailable, &refusal, id, began, ended),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::cell::Cell;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::tests::SMALLEST;

    /// A clock that is 25 ms later each time it is read.
    struct Steps(Cell<i64>);

    impl Ports for Steps {
        fn now(&self) -> Timestamp {
            self.0.set(self.0.get() + 25);
            Timestamp::from_millisecond(self.0.get()).unwrap()
        }
    }

    fn handled(event: Value) -> (Value, Value) {
        let config: Config = SMALLEST.parse().unwrap();
        let event: Event = serde_json::from_value(event).unwrap();
        let ports = Steps(Cell::new(1_795_327_200_000));
        let handled = handle(&config, &ports, &event, "invocation-1");
        let line = handled.audit.line();
        assert!(!line.contains('\n'), "{line}");
        let audit = serde_json::from_str(&line).unwrap();
        (serde_json::to_value(handled.answer).unwrap(), audit)
    }

    #[test]
    fn an_answer_has_the_form_that_the_gateway_and_clients_expect() {
        let (answer, _) = handled(json!({
            "resource": "/update-dns", "path": "/update-dns", "httpMethod": "POST",
            "headers": { "Content-Type": "application/json" },
            "requestContext": { "requestId": "gateway-1", "identity": { "sourceIp": "192.0.2.1" } },
            "body": "{\"record_name\": \"web\"}", "isBase64Encoded": false,
        }));
        assert_eq!(answer["statusCode"], 503);
        assert_eq!(answer["isBase64Encoded"], false);
        assert_eq!(answer["headers"]["Content-Type"], "application/json");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "success": false, "code": "unavailable", "message": null,
                "error": "the updater of spore.example.edu does not change records yet",
                "record": null, "change_id": null, "owner": null, "request_id": "gateway-1",
                "timestamp": "2026-11-22T06:00:00Z",
            })
        );
    }

    #[test]
    fn the_audit_line_says_what_was_decided_and_nothing_that_was_sent() {
        let sent = "SECRET\n{\"code\": \"ok\"}";
        let (_, audit) = handled(json!({
            "requestContext": { "requestId": "gateway-1", "identity": { "userAgent": sent } },
            "headers": { "X-Amz-Security-Token": sent }, "body": sent,
        }));
        assert!(!audit.to_string().contains("SECRET"), "{audit}");
        assert_eq!(
            audit,
            json!({
                "timestamp": "2026-11-22T06:00:00Z", "requestId": "gateway-1", "principal": null,
                "instanceId": null, "accountId": null, "region": null, "recordName": null,
                "fqdn": null, "ipAddress": null, "action": null, "validation": "none",
                "code": "unavailable", "changeId": null, "durationMs": 25,
                "message": "the updater of spore.example.edu does not change records yet",
            })
        );
    }

    #[test]
    fn without_a_gateway_lambdas_own_id_is_used() {
        for event in [
            json!({}),
            json!({ "requestContext": {} }),
            json!({ "key1": "value1" }),
        ] {
            let (answer, audit) = handled(event);
            assert_eq!(audit["requestId"], "invocation-1");
            assert!(answer["body"].as_str().unwrap().contains("invocation-1"));
        }
    }
}
