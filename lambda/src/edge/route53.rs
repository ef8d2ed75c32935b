//! Route 53: ChangeResourceRecordSets and ListResourceRecordSets of the stack's zone (Route 53 API
//! Reference, version 2013-04-01).

use ::http::Method;
use jiff::Timestamp;

use super::Aws;
use super::endpoint::Service;
use super::http::{Answer, Ask, failure};
use super::xml::{Element, error_code, escaped};
use crate::batch::Batch;
use crate::ports::Failure;
use crate::zone::{Page, RecordSet, Start};

const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// Members of a record set that the updater knows how to keep.
const PLAIN: [&str; 4] = ["Name", "Type", "TTL", "ResourceRecords"];

pub(super) async fn change(aws: &Aws, now: Timestamp, batch: &Batch) -> Result<String, Failure> {
    let path = path(aws);
    let ask = Ask {
        service: Service::Route53,
        method: Method::POST,
        path: &format!("{path}/"),
        query: &[],
        content_type: "application/xml",
        body: body(batch),
    };
    // An answer that cannot be read refuses nothing: the change may be made, and asking again shows it.
    let unread = |failure| match failure == Failure::Unusable {
        true => Failure::Unanswered,
        false => failure,
    };
    let answer = aws.ask(now, ask).await.map_err(unread)?;
    let root = match answer.status {
        200 => read(answer).map_err(unread)?,
        _ => read(answer)?,
    };
    let id = root.child("ChangeInfo").and_then(|info| info.text_of("Id"));
    // The change is made. Without an id there is nothing to tell about it, which is no reason to say that
    // it was not.
    Ok(id
        .filter(|id| is_change_id(id))
        .unwrap_or_default()
        .to_owned())
}

pub(super) async fn list(
    aws: &Aws,
    now: Timestamp,
    start: &Start,
    limit: usize,
) -> Result<Page, Failure> {
    let limit = limit.to_string();
    let mut query = vec![("maxitems", limit.as_str()), ("name", &start.name)];
    if let Some(kind) = &start.kind {
        query.push(("type", kind));
    }
    if let Some(identifier) = &start.identifier {
        query.push(("identifier", identifier));
    }
    let ask = Ask {
        service: Service::Route53,
        method: Method::GET,
        path: &path(aws),
        query: &query,
        content_type: "application/xml",
        body: String::new(),
    };
    page(&read(aws.ask(now, ask).await?)?).ok_or(Failure::Unusable)
}

fn path(aws: &Aws) -> String {
    format!("/2013-04-01/hostedzone/{}/rrset", aws.zone_id)
}

/// The answer of a call that succeeded.
fn read(answer: Answer) -> Result<Element, Failure> {
    if answer.status != 200 {
        return Err(failure(answer.status, error_code(&answer.body).as_deref()));
    }
    Element::read(&answer.body).ok_or(Failure::Unusable)
}

fn body(batch: &Batch) -> String {
    let mut changes = String::new();
    for change in batch.changes() {
        let set = &change.set;
        let values: String = set
            .values
            .iter()
            .map(|value| {
                format!(
                    "<ResourceRecord><Value>{}</Value></ResourceRecord>",
                    escaped(value)
                )
            })
            .collect();
        let ttl = set.ttl_secs.unwrap_or_default();
        changes.push_str(&format!(
            "<Change><Action>{}</Action><ResourceRecordSet><Name>{}.</Name><Type>{}</Type>\
             <TTL>{ttl}</TTL><ResourceRecords>{values}</ResourceRecords></ResourceRecordSet></Change>",
            change.action.word(),
            escaped(&set.name),
            escaped(&set.kind),
        ));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\"><ChangeBatch><Changes>{changes}\
         </Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    )
}

/// A page; none when it is not one, or breaks off without saying where it goes on.
fn page(root: &Element) -> Option<Page> {
    let sets = root.child("ResourceRecordSets")?;
    let sets = sets
        .all("ResourceRecordSet")
        .map(set)
        .collect::<Option<_>>()?;
    let next = match root.text_of("IsTruncated")? {
        "false" => None,
        "true" => Some(Start {
            name: bare(root.text_of("NextRecordName")?),
            kind: Some(root.text_of("NextRecordType")?.to_owned()),
            identifier: root.text_of("NextRecordIdentifier").map(ToOwned::to_owned),
        }),
        _ => return None,
    };
    Some(Page { sets, next })
}

fn set(element: &Element) -> Option<RecordSet> {
    let values = element.child("ResourceRecords");
    let values = values
        .into_iter()
        .flat_map(|records| records.all("ResourceRecord"));
    let values = values
        .map(|record| Some(record.text_of("Value")?.to_owned()))
        .collect::<Option<Vec<_>>>()?;
    let ttl_secs = match element.text_of("TTL") {
        Some(ttl) => Some(ttl.parse().ok()?),
        None => None,
    };
    let is_known = |child: &Element| PLAIN.contains(&child.name.as_str());
    Some(RecordSet {
        name: bare(element.text_of("Name")?),
        kind: element.text_of("Type")?.to_owned(),
        is_plain: element.children.iter().all(is_known) && ttl_secs.is_some(),
        ttl_secs,
        values,
    })
}

/// A name without its final dot.
fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// `/change/C...`: it goes to callers and into the log.
fn is_change_id(id: &str) -> bool {
    let digits = id.strip_prefix("/change/").unwrap_or_default();
    (1..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// From the API reference's example of ListResourceRecordSets, with an alias and a TXT set.
    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
   <ResourceRecordSets>
      <ResourceRecordSet>
         <Name>example.com.</Name><Type>SOA</Type><TTL>900</TTL>
         <ResourceRecords><ResourceRecord><Value>ns-2048.awsdns-64.net. hostmaster.awsdns.com. 1 7200 900 1209600 86400</Value></ResourceRecord></ResourceRecords>
      </ResourceRecordSet>
      <ResourceRecordSet>
         <Name>\052.example.com.</Name><Type>A</Type>
         <AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>x.</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>
      </ResourceRecordSet>
      <ResourceRecordSet>
         <Name>_spore.web.example.com.</Name><Type>TXT</Type><TTL>60</TTL>
         <ResourceRecords><ResourceRecord><Value>&quot;v=1&quot;</Value></ResourceRecord></ResourceRecords>
      </ResourceRecordSet>
   </ResourceRecordSets>
   <IsTruncated>true</IsTruncated><MaxItems>3</MaxItems>
   <NextRecordName>x.example.com.</NextRecordName><NextRecordType>A</NextRecordType>
</ListResourceRecordSetsResponse>"#;

    #[test]
    fn a_page_is_read_as_it_is_in_the_zone() {
        let page = page(&Element::read(LIST.as_bytes()).unwrap()).unwrap();
        let shown: Vec<(&str, &str, Option<u32>, bool)> = page
            .sets
            .iter()
            .map(|set| {
                (
                    set.name.as_str(),
                    set.kind.as_str(),
                    set.ttl_secs,
                    set.is_plain,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("example.com", "SOA", Some(900), true),
                ("\\052.example.com", "A", None, false),
                ("_spore.web.example.com", "TXT", Some(60), true),
            ]
        );
        assert_eq!(page.sets[2].values, ["\"v=1\""]);
        assert_eq!(page.next.unwrap().name, "x.example.com");
    }

    #[test]
    fn a_page_that_breaks_off_is_none() {
        for (from, to) in [
            ("<IsTruncated>true</IsTruncated>", ""),
            ("<NextRecordName>x.example.com.</NextRecordName>", ""),
            ("<Type>SOA</Type>", ""),
            ("<TTL>900</TTL>", "<TTL>-1</TTL>"),
            ("ResourceRecordSets>", "Other>"),
        ] {
            let text = LIST.replace(from, to);
            assert_ne!(text, LIST);
            assert_eq!(
                Element::read(text.as_bytes()).and_then(|root| page(&root)),
                None,
                "{from}"
            );
        }
    }

    #[test]
    fn an_id_that_is_none_is_not_repeated() {
        assert!(is_change_id("/change/C2682N5HXP0BZ4"));
        for other in ["", "/change/", "C1", "/change/C1 <b>", "/change/\n"] {
            assert!(!is_change_id(other));
        }
    }
}
