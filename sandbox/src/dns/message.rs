//! DNS messages: a question in, an answer out.

use domain::base::iana::{Class, Opcode, OptRcode, Rcode};
use domain::base::message_builder::{AdditionalBuilder, PushError};
use domain::base::name::ParsedName;
use domain::base::rdata::{ComposeRecordData, UnknownRecordData};
use domain::base::{Message, MessageBuilder, Rtype, StaticCompressor};
use domain::rdata::AllRecordData;

use super::DnsName;
use super::lookup::{Reply, Section};

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP: the answer is cut to the size the query allows.
    Datagram,
    /// TCP.
    Stream,
}

/// What a client wants to get (the DO bit, RFC 3225).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The records alone.
    Plain,
    /// Signatures and proofs as well.
    Dnssec,
}

/// Largest answer without EDNS (RFC 1035 section 4.2.1).
const PLAIN_SIZE: usize = 512;
/// Largest datagram we send or claim to take (the DNS flag day 2020 value).
const EDNS_SIZE: u16 = 1232;
/// Octets of an OPT record without options.
const OPT_SIZE: usize = 11;

/// Answers a query with what `look_up` finds; none for what is no query at all.
pub(super) fn respond(
    query: &[u8],
    transport: Transport,
    look_up: impl FnOnce(&DnsName, Rtype, Wanted) -> Reply,
) -> Option<Vec<u8>> {
    let query = Message::from_octets(query).ok()?;
    if query.header().qr() {
        return None;
    }
    let edns = query.opt();
    let limit = match (transport, &edns) {
        (Transport::Stream, _) => usize::from(u16::MAX),
        (Transport::Datagram, None) => PLAIN_SIZE,
        (Transport::Datagram, Some(opt)) => {
            usize::from(opt.udp_payload_size().min(EDNS_SIZE)).max(PLAIN_SIZE)
        }
    };
    let reply = match query.sole_question() {
        _ if query.header().opcode() != Opcode::QUERY => failed(Rcode::NOTIMP),
        Err(_) => failed(Rcode::FORMERR),
        _ if edns.as_ref().is_some_and(|opt| opt.version() != 0) => failed(Rcode::NOERROR),
        Ok(question) if question.qclass() != Class::IN => failed(Rcode::REFUSED),
        Ok(question) if matches!(question.qtype(), Rtype::AXFR | Rtype::IXFR) => {
            failed(Rcode::REFUSED)
        }
        Ok(question) => {
            let dnssec = edns.as_ref().is_some_and(|opt| opt.dnssec_ok());
            let wanted = if dnssec {
                Wanted::Dnssec
            } else {
                Wanted::Plain
            };
            let name = DnsName::from_wire(question.qname());
            look_up(&name, question.qtype(), wanted)
        }
    };
    match build(&query, &reply, limit, true) {
        Ok(message) => Some(message),
        // Nothing but the question: the client asks again over TCP (RFC 2181 section 9).
        Err(_) => build(&query, &reply, limit, false).ok(),
    }
}

fn failed(rcode: Rcode) -> Reply {
    let mut reply = Reply::refusal();
    reply.rcode = rcode;
    reply
}

/// Builds the message, with its records or, truncated, without.
fn build(
    query: &Message<&[u8]>,
    reply: &Reply,
    limit: usize,
    with_records: bool,
) -> Result<Vec<u8>, PushError> {
    let edns = query.opt();
    let reserved = if edns.is_some() { OPT_SIZE } else { 0 };
    let mut builder = MessageBuilder::from_target(StaticCompressor::new(Vec::new()))
        .map_err(|_| PushError::ShortBuf)?;
    builder.set_push_limit(limit - reserved);
    let mut answer = builder.start_answer(query, reply.rcode)?;
    answer.header_mut().set_aa(reply.authoritative);
    answer.header_mut().set_tc(!with_records);
    answer.header_mut().set_ra(reply.recursive);
    // Nothing here validates, so AD is never set (RFC 4035 section 3.2.3) and CD changes nothing but
    // itself: it is copied (section 3.2.2).
    answer.header_mut().set_ad(false);
    answer.header_mut().set_cd(query.header().cd());
    let none = Section::new();
    let pick = |section| if with_records { section } else { &none };
    for_each(pick(&reply.answer), |record| answer.push(record))?;
    let mut authority = answer.authority();
    for_each(pick(&reply.authority), |record| authority.push(record))?;
    let mut additional = authority.additional();
    for_each(pick(&reply.additional), |record| additional.push(record))?;
    additional.clear_push_limit();
    if let Some(opt) = edns {
        push_opt(&mut additional, opt.version(), opt.dnssec_ok())?;
    }
    Ok(additional.finish().into_target())
}

/// A record as the message builder takes it.
type Pushed<'a> = (
    domain::base::Name<Vec<u8>>,
    u32,
    UnknownRecordData<&'a [u8]>,
);

/// Gives every record of a section to `push`.
fn for_each<'a>(
    section: &'a Section,
    mut push: impl FnMut(Pushed<'a>) -> Result<(), PushError>,
) -> Result<(), PushError> {
    for (owner, set) in section {
        for data in &set.data {
            let data = UnknownRecordData::from_octets(set.rtype, data.as_slice())
                .map_err(|_| PushError::ShortBuf)?;
            push((owner.wire(), set.ttl, data))?;
        }
    }
    Ok(())
}

/// EDNS of the answer. Only version 0 exists (RFC 6891 section 6.1.3).
fn push_opt(
    additional: &mut AdditionalBuilder<StaticCompressor<Vec<u8>>>,
    version: u8,
    dnssec_ok: bool,
) -> Result<(), PushError> {
    additional.opt(|opt| {
        opt.set_udp_payload_size(EDNS_SIZE);
        opt.set_dnssec_ok(dnssec_ok);
        if version != 0 {
            opt.set_rcode(OptRcode::BADVERS);
        }
        Ok(())
    })
}

/// A query for one name and type, with EDNS, not asking for recursion.
pub fn question(name: &DnsName, rtype: Rtype) -> Vec<u8> {
    asking(name, rtype, Wanted::Plain)
}

/// The same that wants signatures.
pub fn signed_question(name: &DnsName, rtype: Rtype) -> Vec<u8> {
    asking(name, rtype, Wanted::Dnssec)
}

fn asking(name: &DnsName, rtype: Rtype, wanted: Wanted) -> Vec<u8> {
    let mut question = MessageBuilder::new_vec().question();
    // Neither push can fail: a vector grows as needed and one name is far below the limits.
    let _ = question.push((name.wire(), rtype));
    let mut additional = question.additional();
    let _ = additional.opt(|opt| {
        opt.set_udp_payload_size(EDNS_SIZE);
        opt.set_dnssec_ok(wanted == Wanted::Dnssec);
        Ok(())
    });
    additional.finish()
}

/// What an answer is to: name, type and response code.
pub(crate) fn asked(answer: &[u8]) -> Option<(DnsName, Rtype, Rcode)> {
    let message = Message::from_octets(answer).ok()?;
    let question = message.sole_question().ok()?;
    let name = DnsName::from_wire(question.qname());
    Some((name, question.qtype(), message.header().rcode()))
}

/// A section that is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Answer,
    Authority,
}

/// Data of the answer records of one type: wire form and presentation.
pub fn answers<O: AsRef<[u8]>>(message: &Message<O>, rtype: Rtype) -> Vec<(Vec<u8>, String)> {
    let records = records(message.for_slice_ref(), Part::Answer, rtype);
    records
        .into_iter()
        .map(|(_, data, text)| (data, text))
        .collect()
}

/// Owner, wire data and presentation of the records of one type in a section.
pub(super) fn records(
    message: Message<&[u8]>,
    part: Part,
    rtype: Rtype,
) -> Vec<(DnsName, Vec<u8>, String)> {
    let section = match part {
        Part::Answer => message.answer(),
        Part::Authority => message.authority(),
    };
    let Ok(section) = section else {
        return Vec::new();
    };
    section
        .limit_to_in::<AllRecordData<&[u8], ParsedName<&[u8]>>>()
        .flatten()
        .filter(|record| record.rtype() == rtype)
        .map(|record| {
            let mut data = Vec::new();
            let Ok(()) = record.data().compose_rdata(&mut data);
            (
                DnsName::from_wire(record.owner()),
                data,
                record.data().to_string(),
            )
        })
        .collect()
}
