//! EC2: DescribeInstances of one instance (EC2 API Reference, version 2016-11-15).
//!
//! The instance is asked for with a filter and not by its id: a filter that meets nothing is a success
//! with an empty list, while an id that EC2 does not know is an error, and an error is no answer.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ::http::Method;
use jiff::Timestamp;

use super::endpoint::Service;
use super::http::{Ask, Http, failure, pairs};
use super::xml::{Element, error_code};
use crate::ports::{Failure, Instance, Question, State};
use crate::protocol::sigv4::Credentials;

pub(super) async fn describe(
    http: &Http,
    credentials: &Credentials,
    now: Timestamp,
    question: &Question,
) -> Result<Option<Instance>, Failure> {
    let ask = Ask {
        service: Service::Ec2(question.region),
        method: Method::POST,
        path: "/",
        query: &[],
        content_type: "application/x-www-form-urlencoded; charset=utf-8",
        body: pairs(&[
            ("Action", "DescribeInstances"),
            ("Version", "2016-11-15"),
            ("Filter.1.Name", "instance-id"),
            ("Filter.1.Value.1", &question.instance),
        ]),
    };
    let answer = http.signed(question.region, credentials, now, ask).await?;
    if answer.status != 200 {
        return Err(failure(answer.status, error_code(&answer.body).as_deref()));
    }
    let root = Element::read(&answer.body).ok_or(Failure::Unusable)?;
    found(&root, question).ok_or(Failure::Unusable)
}

/// The instance, or that there is none; outside none when it is not an answer to the question.
fn found(root: &Element, question: &Question) -> Option<Option<Instance>> {
    let reservations = root.child("reservationSet")?;
    // A list that goes on says nothing about what is not in this part of it.
    if root.name != "DescribeInstancesResponse" || root.child("nextToken").is_some() {
        return None;
    }
    let mut instances = Vec::new();
    for reservation in reservations.all("item") {
        if reservation.text_of("ownerId")? != question.account {
            return None;
        }
        instances.extend(reservation.items("instancesSet"));
    }
    match instances.as_slice() {
        [] => Some(None),
        [only] if only.text_of("instanceId")? == question.instance => Some(Some(instance(only)?)),
        _ => None,
    }
}

fn instance(element: &Element) -> Option<Instance> {
    let state = State::read(element.child("instanceState")?.text_of("name")?);
    let (mut public, mut private, mut v6) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for interface in element.items("networkInterfaceSet") {
        for address in interface.items("privateIpAddressesSet") {
            private.extend(ip::<Ipv4Addr>(address, "privateIpAddress"));
            let association = address.child("association");
            public.extend(
                association.and_then(|association| ip::<Ipv4Addr>(association, "publicIp")),
            );
        }
        for address in interface.items("ipv6AddressesSet") {
            v6.extend(ip::<Ipv6Addr>(address, "ipv6Address"));
        }
    }
    // The address of an instance itself. It is that of its first interface as well.
    public.extend(ip::<Ipv4Addr>(element, "ipAddress"));
    let tags = element.items("tagSet").filter_map(|tag| {
        let text = |name| tag.text_of(name).map(ToOwned::to_owned);
        Some((text("key")?, text("value").unwrap_or_default()))
    });
    Some(Instance {
        state,
        public,
        private,
        v6,
        tags: tags.collect(),
    })
}

fn ip<T: FromStr>(element: &Element, name: &str) -> Option<T> {
    element.text_of(name)?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::protocol::Region;

    const ANSWER: &str = r#"<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
    <reservationSet><item>
        <reservationId>r-1234567890abcdef0</reservationId><ownerId>123456789012</ownerId><groupSet/>
        <instancesSet><item>
            <instanceId>i-1234567890abcdef0</instanceId><imageId>ami-bff32ccc</imageId>
            <instanceState><code>16</code><name>running</name></instanceState>
            <privateIpAddress>192.168.1.88</privateIpAddress><ipAddress>54.194.252.215</ipAddress>
            <tagSet><item><key>Name</key><value>Server_1</value></item>
                <item><key>spawn:managed</key><value>true</value></item></tagSet>
            <networkInterfaceSet><item>
                <privateIpAddress>192.168.1.88</privateIpAddress>
                <association><publicIp>54.194.252.215</publicIp></association>
                <privateIpAddressesSet>
                    <item><privateIpAddress>192.168.1.88</privateIpAddress><primary>true</primary>
                        <association><publicIp>54.194.252.215</publicIp></association></item>
                    <item><privateIpAddress>192.168.1.89</privateIpAddress><primary>false</primary></item>
                </privateIpAddressesSet>
                <ipv6AddressesSet><item><ipv6Address>2600:1f18::1</ipv6Address></item></ipv6AddressesSet>
            </item></networkInterfaceSet>
        </item></instancesSet>
    </item></reservationSet>
</DescribeInstancesResponse>"#;

    fn question() -> Question {
        Question {
            account: "123456789012".to_owned(),
            region: Region::named("eu-west-1").unwrap(),
            instance: "i-1234567890abcdef0".to_owned(),
            role: None,
        }
    }

    fn read(text: &str) -> Option<Option<Instance>> {
        found(&Element::read(text.as_bytes())?, &question())
    }

    #[test]
    fn an_instance_has_the_addresses_of_all_its_interfaces() {
        let instance = read(ANSWER).unwrap().unwrap();
        assert_eq!(instance.state, State::Running);
        assert_eq!(instance.public, ["54.194.252.215".parse().unwrap()].into());
        let private = ["192.168.1.88", "192.168.1.89"].map(|ip| ip.parse().unwrap());
        assert_eq!(instance.private, private.into());
        assert_eq!(instance.v6, ["2600:1f18::1".parse().unwrap()].into());
        assert_eq!(instance.tags["spawn:managed"], "true");
    }

    #[test]
    fn an_empty_list_is_an_answer_and_a_broken_one_is_not() {
        let empty = "<DescribeInstancesResponse><requestId>r</requestId><reservationSet/>\
                     </DescribeInstancesResponse>";
        assert_eq!(read(empty), Some(None));
        for (from, to) in [
            (
                "<reservationSet>",
                "<nextToken>x</nextToken><reservationSet>",
            ),
            ("123456789012", "210987654321"),
            ("i-1234567890abcdef0", "i-1234567890abcdef1"),
            ("<name>running</name>", ""),
            ("<ownerId>123456789012</ownerId>", ""),
            ("DescribeInstancesResponse", "DescribeVolumesResponse"),
        ] {
            assert_eq!(read(&ANSWER.replace(from, to)), None, "{from}");
        }
        assert_eq!(read(&empty.replace("<reservationSet/>", "")), None);
    }
}
