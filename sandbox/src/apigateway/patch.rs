//! The patch operations of the `Update` calls: a dialect of JSON Patch (RFC 6902) whose values are
//! always text and whose paths are a fixed list for each kind of object
//! (<https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html>).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{bad, read};
use crate::world::AwsError;

/// What a patch does. `test` and `move` are not taken by any object of API Gateway, `copy` only to
/// promote a canary, which is not modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// One patch operation.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Patch {
    op: Option<Op>,
    path: Option<String>,
    value: Option<String>,
}

/// Whether a patch writes or removes; what it writes is always text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit<'a> {
    Set(&'a str),
    Remove,
}

/// The patches of an input.
pub(super) fn patches(input: &Value) -> Result<Vec<Patch>, AwsError> {
    let patches: Vec<Patch> = match input.get("patchOperations") {
        Some(patches) => read(patches.clone())?,
        None => Vec::new(),
    };
    for patch in &patches {
        if patch.path.is_none() || patch.op.is_none() {
            return Err(bad("Invalid request input: op and path must be given"));
        }
    }
    Ok(patches)
}

impl Patch {
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    /// The parts of the path, with `~1` and `~0` read as `/` and `~`.
    pub fn parts(&self) -> Vec<String> {
        self.raw_parts().map(decoded).collect()
    }

    /// The parts of the path as they are written.
    pub fn raw_parts(&self) -> impl Iterator<Item = &str> {
        let path = self.path();
        path.strip_prefix('/').unwrap_or(path).split('/')
    }

    /// What the patch does to a place that takes `add`, `replace` and `remove`.
    pub fn edit(&self) -> Result<Edit<'_>, AwsError> {
        match self.op {
            Some(Op::Add | Op::Replace) => Ok(Edit::Set(self.value.as_deref().unwrap_or_default())),
            Some(Op::Remove) => Ok(Edit::Remove),
            Some(Op::Copy) => Err(AwsError::not_modelled(
                "apigateway patches with op 'copy' (canary promotion)",
            )),
            Some(Op::Move | Op::Test) | None => Err(bad(format!(
                "Invalid patch operation for '{}'",
                self.path()
            ))),
        }
    }

    /// The text that the patch writes; removing is refused.
    pub fn text(&self) -> Result<&str, AwsError> {
        match self.edit()? {
            Edit::Set(value) => Ok(value),
            Edit::Remove => Err(bad(format!(
                "Invalid patch path '{}' specified for op 'remove'.",
                self.path()
            ))),
        }
    }

    pub fn boolean(&self) -> Result<bool, AwsError> {
        match self.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(bad(format!(
                "Invalid boolean value '{other}' for '{}'",
                self.path()
            ))),
        }
    }

    pub fn integer(&self) -> Result<i64, AwsError> {
        let text = self.text()?;
        text.parse().map_err(|_| {
            bad(format!(
                "Invalid integer value '{text}' for '{}'",
                self.path()
            ))
        })
    }

    pub fn number(&self) -> Result<f64, AwsError> {
        let text = self.text()?;
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            bad(format!(
                "Invalid number value '{text}' for '{}'",
                self.path()
            ))
        })
    }

    /// Writes or removes an optional text. An empty text removes too, as it does in AWS.
    pub fn apply_option(&self, place: &mut Option<String>) -> Result<(), AwsError> {
        *place = match self.edit()? {
            Edit::Set("") | Edit::Remove => None,
            Edit::Set(value) => Some(value.to_owned()),
        };
        Ok(())
    }

    /// Writes or removes one entry of a map.
    pub fn apply_map(&self, key: &str, map: &mut BTreeMap<String, String>) -> Result<(), AwsError> {
        match self.edit()? {
            Edit::Set(value) => {
                map.insert(key.to_owned(), value.to_owned());
            }
            Edit::Remove => {
                map.remove(key);
            }
        }
        Ok(())
    }

    /// Writes or removes one entry of a map of booleans (request and response parameters).
    pub fn apply_flags(&self, key: &str, map: &mut BTreeMap<String, bool>) -> Result<(), AwsError> {
        match self.edit()? {
            Edit::Set("") => {
                map.insert(key.to_owned(), false);
            }
            Edit::Set(_) => {
                map.insert(key.to_owned(), self.boolean()?);
            }
            Edit::Remove => {
                map.remove(key);
            }
        }
        Ok(())
    }

    /// The refusal of a path that the object does not have.
    pub fn unknown(&self, known: &[&str]) -> AwsError {
        let op = match self.op {
            Some(Op::Add) => "add",
            Some(Op::Remove) => "remove",
            Some(Op::Replace) => "replace",
            Some(Op::Move) => "move",
            Some(Op::Copy) => "copy",
            Some(Op::Test) | None => "test",
        };
        bad(format!(
            "Invalid patch path '{}' specified for op '{op}'. Must be one of: [{}]",
            self.path(),
            known.join(", ")
        ))
    }
}

/// One part of a path, unescaped (RFC 6901).
pub(super) fn decoded(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
