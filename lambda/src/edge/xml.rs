//! A small reader of the XML that AWS answers with: a tree of elements and texts, without attributes and
//! namespaces, which the three services' answers do not need.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// Deeper than any answer that is read here.
const DEPTH_MAX: usize = 16;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The one element of a document; none when it is not well-formed, or has a document type.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) if root.is_none() && open.len() < DEPTH_MAX => {
                    open.push(Self::named(start.local_name().into_inner()));
                }
                Event::Empty(start) if root.is_none() => {
                    let element = Self::named(start.local_name().into_inner());
                    close(&mut open, &mut root, element);
                }
                Event::End(_) => {
                    let element = open.pop()?;
                    close(&mut open, &mut root, element);
                }
                Event::Text(text) => {
                    let text = text.xml10_content();
                    match open.last_mut() {
                        Some(element) => element.text.push_str(&text),
                        None if text.trim_ascii().is_empty() => {}
                        None => return None,
                    }
                }
                Event::GeneralRef(reference) => {
                    open.last_mut()?.text.push_str(&resolved(&reference)?);
                }
                Event::Decl(_) | Event::Comment(_) => {}
                Event::Eof => return root.filter(|_| open.is_empty()),
                Event::Start(_)
                | Event::Empty(_)
                | Event::CData(_)
                | Event::PI(_)
                | Event::DocType(_) => return None,
            }
        }
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The only child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        let mut children = self.all(name);
        let first = children.next();
        first.filter(|_| children.next().is_none())
    }

    /// Every child of this name.
    pub(super) fn all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Self> + use<'a, 'n> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the only child of this name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The children `item` of the child of this name, as EC2 writes lists.
    pub(super) fn items(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.child(name).into_iter().flat_map(|set| set.all("item"))
    }
}

fn close(open: &mut [Element], root: &mut Option<Element>, element: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

/// A character reference, or one of the five names that XML itself has.
fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character.to_string());
    }
    resolve_predefined_entity(reference).map(ToOwned::to_owned)
}

/// A text as XML has it. Characters that XML has no way to write do not come in record sets.
pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// The code of an error in any of the forms of the three services: below `Error`, below `Errors` and
/// `Error`, or the root's own name, which is how Route 53 writes InvalidChangeBatch.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let root = Element::read(body)?;
    let error = root.child("Error").or_else(|| {
        root.child("Errors")
            .and_then(|errors| errors.child("Error"))
    });
    match error {
        Some(error) => error.text_of("Code").map(ToOwned::to_owned),
        None => Some(root.name),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_was_meant() {
        let read = Element::read(
            b"<?xml version=\"1.0\"?>\n<a xmlns=\"x\"><b>&quot;1 &lt; 2&quot;</b><b>&#x41;</b><c/></a>\n",
        )
        .unwrap();
        let texts: Vec<&str> = read.all("b").map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["\"1 < 2\"", "A"]);
        assert_eq!(
            (read.text_of("c"), read.text_of("b"), read.text_of("d")),
            (Some(""), None, None)
        );
        assert_eq!(escaped("\"<&>'"), "&quot;&lt;&amp;&gt;&apos;");
    }

    #[test]
    fn what_is_not_one_plain_document_is_nothing() {
        for body in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a>&unknown;</a>",
            "<a><![CDATA[x]]></a>",
            "{\"a\": 1}",
        ] {
            assert_eq!(Element::read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(Element::read(&[0xff]), None);
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        assert_eq!(Element::read(deep.as_bytes()), None);
    }

    #[test]
    fn codes_are_found_in_each_services_form() {
        for (body, code) in [
            (
                "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
                "Throttling",
            ),
            (
                "<Response><Errors><Error><Code>X</Code></Error></Errors></Response>",
                "X",
            ),
            (
                "<InvalidChangeBatch><Messages/></InvalidChangeBatch>",
                "InvalidChangeBatch",
            ),
        ] {
            assert_eq!(error_code(body.as_bytes()).as_deref(), Some(code));
        }
        assert_eq!(error_code(b"<html>no"), None);
    }
}
