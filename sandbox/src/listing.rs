//! How a listing is cut into pages, for the services whose tokens are opaque to the caller.
//!
//! A token names the listing and the last key of the page before. It therefore survives that objects
//! appear or vanish between two pages, and a token of one listing is refused by another.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

/// One page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// The items, in the order of their keys.
    pub items: Vec<T>,
    /// The key after which the next page begins; none on the last one.
    pub next: Option<String>,
}

/// Cuts one page out of items that are sorted by their key.
pub(crate) fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    after: Option<&str>,
    limit: usize,
) -> Page<T> {
    let mut rest = items
        .into_iter()
        .skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after));
    let mut taken = Vec::new();
    let mut last = None;
    for (key, item) in rest.by_ref().take(limit) {
        taken.push(item);
        last = Some(key);
    }
    let more = rest.next().is_some();
    Page {
        items: taken,
        next: last.filter(|_| more),
    }
}

/// The key after which a token continues; none if it is not a token of this listing.
pub(crate) fn after(listing: &str, token: &str) -> Option<String> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (of, key) = text.split_once('\n')?;
    (of == listing).then(|| key.to_owned())
}

/// The token that continues a listing after a key.
pub(crate) fn token(listing: &str, key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{listing}\n{key}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<(String, char)> {
        text.chars().map(|c| (c.to_string(), c)).collect()
    }

    #[test]
    fn pages_cover_everything_once_even_when_objects_vanish_between_them() {
        let first = page(letters("abcde"), None, 2);
        assert_eq!(first.items, ['a', 'b']);
        let token = token("Letters", &first.next.unwrap());
        let after = after("Letters", &token).unwrap();
        // `b`, the key the token names, is gone, and so is `c`.
        let second = page(letters("ade"), Some(&after), 2);
        assert_eq!(second.items, ['d', 'e']);
        assert_eq!(
            second.next, None,
            "a page that ends the listing has no token"
        );
    }

    #[test]
    fn a_token_of_another_listing_is_refused() {
        assert_eq!(after("ListKeys", &token("ListAliases", "alias/a")), None);
        assert_eq!(after("ListKeys", "???"), None);
    }
}
