//! The message at `/rsa2048`: CMS SignedData (RFC 5652) with the document inside, as EC2 writes it.
//!
//! EC2 writes BER: indefinite lengths outside, the content as a constructed string, DER from the signer
//! on. The message is read to this shape and no other; CMS allows much that would only be a way around:
//!
//! - certificates in the message: the trap of this format, since whoever makes the message makes them;
//! - several signers, or one without signed attributes, or with unsigned ones;
//! - any digest but SHA-256 and any signature but RSA (PKCS #1 v1.5).
//!
//! Who signed is not read from the message either (the issuer and serial in it are skipped): it is the
//! region's key, or nobody.

use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{
    AnyRef, Decode as _, DecodeValue, EncodingRules, FixedTag, Header, Length, Reader, SliceReader,
    Tag, TagNumber, Tagged as _,
};
use ring::signature::{self, UnparsedPublicKey};

use crate::protocol::Sha256;

/// RFC 5652, section 5.1.
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// RFC 5652, section 4.
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// RFC 5652, section 11.1.
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// RFC 5652, section 11.2.
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// RFC 5754, section 2.2.
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// RFC 3370, section 3.2: RSA with the digest named beside it.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5754, section 3.2.
const RSA_WITH_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// RFC 5652, sections 5.1 and 5.3: what EC2 writes is version 1 in both places.
const VERSION: u8 = 1;

/// A message of the right shape. Nothing of it is proven.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Message {
    content: Vec<u8>,
    /// The signed attributes as they are signed: a SET (RFC 5652, section 5.4).
    attributes: Vec<u8>,
    digest: Vec<u8>,
    signature: Vec<u8>,
}

/// Not such a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OtherShape;

impl Message {
    /// Reads a message, which must end where it ends.
    pub(super) fn read(message: &[u8]) -> Result<Self, OtherShape> {
        let mut reader = SliceReader::new_with_encoding_rules(message, EncodingRules::Ber)?;
        let signed = reader.sequence(|reader| {
            must(ObjectIdentifier::decode(reader)? == SIGNED_DATA)?;
            let signed = explicit::<SignedData, _>(reader)?;
            Ok::<_, OtherShape>(signed)
        })?;
        reader.finish()?;
        // It repeats what the signer says, so there is one thing it can say.
        let mut digests = SliceReader::new(&signed.digests)?;
        must(algorithm(&mut digests)? == SHA_256)?;
        digests.finish()?;
        let mut message = signer(&signed.signers)?;
        message.content = signed.content;
        Ok(message)
    }

    /// The document, which nobody has proven.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Whether the owner of this key signed the content (RFC 5652, section 5.6).
    pub(super) fn is_signed_by(&self, key: &[u8]) -> bool {
        let digest = Sha256::of(&self.content);
        let key = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key);
        self.digest == digest.0 && key.verify(&self.attributes, &self.signature).is_ok()
    }
}

/// `SignedData`, as far as the signers.
struct SignedData {
    /// What is inside `digestAlgorithms`.
    digests: Vec<u8>,
    content: Vec<u8>,
    /// What is inside `signerInfos`.
    signers: Vec<u8>,
}

impl FixedTag for SignedData {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for SignedData {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, _: Header) -> Result<Self, der::Error> {
        let other = |reader: &mut R| reader.error(der::ErrorKind::Failed);
        if u8::decode(reader)? != VERSION {
            return Err(other(reader));
        }
        let digests = der::Any::decode(reader)?;
        if digests.tag() != Tag::Set {
            return Err(other(reader));
        }
        let content = reader.sequence(|reader| {
            if ObjectIdentifier::decode(reader)? != DATA {
                return Err(reader.error(der::ErrorKind::Failed));
            }
            explicit::<Content, _>(reader)
        })?;
        // Here certificates [0] and crls [1] would be.
        let signers = der::Any::decode(reader)?;
        if signers.tag() != Tag::Set {
            return Err(other(reader));
        }
        Ok(Self {
            digests: digests.value().to_vec(),
            content: content.0,
            signers: signers.value().to_vec(),
        })
    }
}

/// An OCTET STRING, whole or in pieces (X.690, section 8.7): in an indefinite length, and one level of
/// them. The crate's own type takes a piece for whole that says to be made of pieces itself.
struct Content(Vec<u8>);

impl FixedTag for Content {
    const TAG: Tag = Tag::OctetString;
}

impl<'a> DecodeValue<'a> for Content {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> Result<Self, der::Error> {
        if !header.is_constructed() {
            return reader.read_vec(header.length()).map(Self);
        }
        let mut content = Vec::new();
        while !reader.is_finished() {
            let piece = Header::decode(reader)?;
            if piece.tag() != Tag::OctetString || piece.is_constructed() {
                return Err(reader.error(der::ErrorKind::Failed));
            }
            content.append(&mut reader.read_vec(piece.length())?);
        }
        Ok(Self(content))
    }
}

/// `[0] EXPLICIT`, which must be there.
fn explicit<'a, T, R>(reader: &mut R) -> Result<T, der::Error>
where
    T: DecodeValue<'a, Error = der::Error> + FixedTag + 'a,
    R: Reader<'a>,
{
    let found = reader.context_specific::<T>(TagNumber(0), der::TagMode::Explicit)?;
    found.ok_or_else(|| reader.error(der::ErrorKind::Failed))
}

/// The one `SignerInfo`, in DER. Its content is still missing.
fn signer(signers: &[u8]) -> Result<Message, OtherShape> {
    let mut reader = SliceReader::new(signers)?;
    let message = reader.sequence(|reader| {
        must(u8::decode(reader)? == VERSION)?;
        // issuerAndSerialNumber
        must(AnyRef::decode(reader)?.tag() == Tag::Sequence)?;
        must(algorithm(reader)? == SHA_256)?;
        let attributes = AnyRef::decode(reader)?;
        let is_attributes = Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(0),
        };
        must(attributes.tag() == is_attributes)?;
        let signed_with = algorithm(reader)?;
        must(signed_with == RSA || signed_with == RSA_WITH_SHA_256)?;
        let signature = <&OctetStringRef>::decode(reader)?;
        Ok::<_, OtherShape>(Message {
            content: Vec::new(),
            attributes: as_set(attributes.value())?,
            digest: digest(attributes.value())?,
            signature: signature.as_bytes().to_vec(),
        })
    })?;
    reader.finish()?;
    Ok(message)
}

/// An `AlgorithmIdentifier`, whose parameters must be NULL or absent (RFC 5754, section 2: both are
/// met, and EC2 changed from the one to the other between 2021 and 2026).
fn algorithm<'a>(reader: &mut SliceReader<'a>) -> Result<ObjectIdentifier, OtherShape> {
    reader.sequence(|reader| {
        let algorithm = ObjectIdentifier::decode(reader)?;
        if !reader.is_finished() {
            der::asn1::Null::decode(reader)?;
        }
        Ok(algorithm)
    })
}

/// The `messageDigest` of signed attributes. There must be a `contentType` that says data; others, such
/// as the time, do not matter; none may be there twice.
fn digest(attributes: &[u8]) -> Result<Vec<u8>, OtherShape> {
    let mut reader = SliceReader::new(attributes)?;
    let mut seen: Vec<ObjectIdentifier> = Vec::new();
    let mut digest = None;
    while !reader.is_finished() {
        let (name, value) = reader.sequence(|reader| {
            let name = ObjectIdentifier::decode(reader)?;
            let values = AnyRef::decode(reader)?;
            must(values.tag() == Tag::Set)?;
            Ok::<_, OtherShape>((name, values.value()))
        })?;
        must(!seen.contains(&name))?;
        seen.push(name);
        if name == CONTENT_TYPE {
            must(ObjectIdentifier::from_der(value)? == DATA)?;
        } else if name == MESSAGE_DIGEST {
            digest = Some(<&OctetStringRef>::from_der(value)?.as_bytes().to_vec());
        }
    }
    must(seen.contains(&CONTENT_TYPE))?;
    digest.ok_or(OtherShape)
}

/// What is signed: the attributes with the tag of a SET in place of their own.
fn as_set(attributes: &[u8]) -> Result<Vec<u8>, OtherShape> {
    let header = Header::new(Tag::Set, Length::try_from(attributes.len())?);
    let mut set = der::Encode::to_der(&header)?;
    set.extend_from_slice(attributes);
    Ok(set)
}

fn must(holds: bool) -> Result<(), OtherShape> {
    if holds { Ok(()) } else { Err(OtherShape) }
}

impl From<der::Error> for OtherShape {
    fn from(_: der::Error) -> Self {
        Self
    }
}
