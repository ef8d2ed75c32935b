//! The codec over a service that has everything, and errors as each protocol writes them.

use serde_json::json;

use super::*;

/// One operation with everything the protocols can do, spoken over each of them. The services'
/// own tables have no flattened list, no map beside headers and no attribute today; those of the
/// next services do.
const ZOO: &str = include_str!("../../vectors/zoo.json");

fn call(protocol: Protocol, uri: &str) -> Call {
    let mut table: Value = serde_json::from_str(ZOO).unwrap();
    table["operations"]["Feed"]["http"]["requestUri"] = uri.into();
    let model: &'static Model = Box::leak(Box::new(serde_json::from_value(table).unwrap()));
    let (name, operation) = model.operations.iter().next().unwrap();
    let labels = rest::Labels::from([("id".to_owned(), "lion".to_owned())]);
    Call {
        model,
        name,
        operation,
        protocol,
        as_json: false,
        labels,
    }
}

fn request(body: impl Into<Vec<u8>>) -> Request {
    Request {
        method: "POST".into(),
        host: "zoo".into(),
        path: "/animals/lion".into(),
        query: "dry=true&many=a&many=b".into(),
        headers: vec![
            ("x-since".into(), "Thu, 15 Jan 2026 12:00:00 GMT".into()),
            (
                "content-type".into(),
                "application/x-www-form-urlencoded".into(),
            ),
        ],
        body: body.into(),
    }
}

fn body_value() -> Value {
    json!({
        "Names": ["a & b", "c"],
        "Plain": ["d"],
        "Flat": ["e", "f"],
        "Map": {"g": 1, "h": 2},
        "Inner": {"Raw": "AP8=", "At": 1_768_478_400, "Kind": "cat"},
        "Weight": 1.5,
    })
}

fn whole_value() -> Value {
    let mut value = body_value();
    value["Id"] = "lion".into();
    value["Dry"] = true.into();
    value["Many"] = json!(["a", "b"]);
    value["Since"] = 1_768_478_400.into();
    value
}

#[test]
fn rest_xml_is_read() {
    let body = "<FeedRequest xmlns='https://zoo/'><Names><Item>a &amp; b</Item><Item>c</Item>\
        </Names><plainNames><member>d</member></plainNames><FlatItem>e</FlatItem>\
        <FlatItem>f</FlatItem><Map><entry><key>g</key><value>1</value></entry><entry>\
        <key>h</key><value>2</value></entry></Map><Inner kind='cat'><Raw>AP8=</Raw>\
        <At>2026-01-15T12:00:00Z</At></Inner><Weight>1.5</Weight></FeedRequest>";
    let call = call(Protocol::RestXml, "/animals/{id}");
    assert_eq!(decode(&call, &request(body)), Ok(whole_value()));
    let code = |body: &str| decode(&call, &request(body)).unwrap_err().code;
    assert_eq!(code("<Other/>"), "InvalidInput");
    assert_eq!(code("<FeedRequest><Zebra/></FeedRequest>"), "InvalidInput");
    assert_eq!(
        code("<FeedRequest><Map><item/></Map></FeedRequest>"),
        "InvalidInput"
    );
    assert_eq!(
        code("<FeedRequest><Weight>1</Weight><Weight>2</Weight></FeedRequest>"),
        "InvalidInput"
    );
    assert_eq!(code("<FeedRequest>"), "InvalidInput");
}

#[test]
fn rest_json_is_read() {
    let mut body = body_value();
    let map = body.as_object_mut().unwrap();
    let plain = map.remove("Plain").unwrap();
    map.insert("plainNames".into(), plain);
    body["Inner"]["kind"] = body["Inner"]["Kind"].take();
    body["Zebra"] = 1.into();
    body["Dry"] = "ignored: it is no member of the body".into();
    let call = call(Protocol::RestJson, "/animals/{id}");
    assert_eq!(decode(&call, &request(body.to_string())), Ok(whole_value()));
    for wrong in [
        "[]",
        "{",
        r#"{"Names": "a"}"#,
        r#"{"Map": {"g": "1"}}"#,
        r#"{"Weight": "1"}"#,
    ] {
        let error = decode(&call, &request(wrong)).unwrap_err();
        assert_eq!(error.code, "SerializationException", "{wrong}");
    }
}

#[test]
fn query_is_read() {
    let form = "Action=Feed&id=lion&dry=true&many.member.1=a&many.member.2=b\
        &X-Since=2026-01-15T12%3A00%3A00Z&Names.Item.1=a+%26+b&Names.Item.2=c\
        &plainNames.member.1=d&FlatItem.1=e&FlatItem.2=f&Map.entry.1.key=g&Map.entry.1.value=1\
        &Map.entry.2.key=h&Map.entry.2.value=2&Inner.Raw=AP8%3D&Inner.kind=cat\
        &Inner.At=2026-01-15T12%3A00%3A00Z&Weight=1.5";
    let request = Request {
        query: String::new(),
        ..request(form)
    };
    assert_eq!(
        decode(&call(Protocol::Query, "/"), &request),
        Ok(whole_value())
    );
}

#[test]
fn cbor_comes_back_as_it_was() {
    let call = call(Protocol::RpcV2Cbor, "/");
    let response = encode(&call, &body_value(), "id").unwrap();
    assert_eq!(response.status, 202);
    let mut value = cbor::parse(&response.body).unwrap();
    assert_eq!(value["Inner"]["At"], 1_768_478_400.0);
    value["Inner"]["At"] = 1_768_478_400.into();
    assert_eq!(value, body_value());
    // The tag and the byte string are there, not only what they read back as.
    let holds = |bytes: &[u8]| {
        response
            .body
            .windows(bytes.len())
            .any(|found| found == bytes)
    };
    assert!(holds(&[0xC1]) && holds(&[0x42, 0x00, 0xFF]));
}

#[test]
fn rest_answers_carry_headers_and_status() {
    let mut output = body_value();
    output["Status"] = 203.into();
    output["Where"] = "/animals/lion".into();
    let answer = encode(&call(Protocol::RestXml, "/animals/{id}"), &output, "id").unwrap();
    assert_eq!(answer.status, 203);
    assert!(
        answer
            .headers
            .contains(&("location".into(), "/animals/lion".into()))
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(
        text,
        "<?xml version=\"1.0\"?>\n<Fed xmlns=\"https://zoo/\"><FlatItem>e</FlatItem>\
         <FlatItem>f</FlatItem><Inner kind=\"cat\"><At>2026-01-15T12:00:00Z</At>\
         <Raw>AP8=</Raw></Inner><Map><entry><key>g</key><value>1</value></entry><entry>\
         <key>h</key><value>2</value></entry></Map><Names><Item>a &amp; b</Item><Item>c</Item>\
         </Names><plainNames><member>d</member></plainNames><Weight>1.5</Weight></Fed>"
    );
    let answer = encode(&call(Protocol::RestJson, "/animals/{id}"), &output, "id").unwrap();
    assert_eq!(answer.status, 203);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["plainNames"], json!(["d"]));
    assert_eq!(body.get("Where"), None);
}

#[test]
fn an_output_outside_its_shape_is_not_sent() {
    let call = call(Protocol::Json, "/");
    let wrong = encode(&call, &json!({"Zebra": 1}), "id").unwrap_err();
    assert_eq!(wrong, "output: no member Zebra");
    assert!(encode(&call, &json!({"Weight": "1"}), "id").is_err());
}

#[test]
fn errors_are_written_as_each_protocol_has_them() {
    let error = AwsError::new("NoSuchHostedZone", "none <here>");
    let route53 = model::model("route53");
    let xml = error::write(route53, Protocol::RestXml, &error, "id-1");
    assert_eq!(xml.status, 404);
    assert_eq!(
        String::from_utf8(xml.body).unwrap(),
        "<?xml version=\"1.0\"?>\n<ErrorResponse \
         xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender</Type>\
         <Code>NoSuchHostedZone</Code><Message>none &lt;here&gt;</Message></Error>\
         <RequestId>id-1</RequestId></ErrorResponse>"
    );
    // CloudWatch's errors have a name in the new protocols and another in the old one.
    let error_of_query = AwsError::new("InvalidParameterValue", "x");
    let json = error::write(
        model::model("cloudwatch"),
        Protocol::Json,
        &error_of_query,
        "id-3",
    );
    assert_eq!(
        json.body,
        br#"{"__type":"InvalidParameterValueException","message":"x"}"#
    );
    let header = (
        "x-amzn-query-error".to_owned(),
        "InvalidParameterValue;Sender".to_owned(),
    );
    assert!(json.headers.contains(&header));
    let json = error::write(model::model("kms"), Protocol::Json, &error, "id-2");
    assert_eq!(
        json.body,
        br#"{"__type":"NoSuchHostedZone","message":"none <here>"}"#
    );
    assert!(
        json.headers
            .contains(&("x-amzn-requestid".into(), "id-2".into()))
    );
}
