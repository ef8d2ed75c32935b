//! Filters: several are joined by AND, the values of one by OR
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>).

use serde::Deserialize;

use crate::policy::Glob;
use crate::world::AwsError;

/// One filter of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    name: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

/// Whether a thing passes all filters. `values_of` gives what the thing has under a filter's name, and
/// none for a name that is not modelled: that is refused, not ignored, since a filter that does
/// nothing finds too much.
pub(super) fn passes(
    filters: &[Filter],
    operation: &str,
    values_of: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<bool, AwsError> {
    let mut passes = true;
    for filter in filters {
        let name = filter.name.as_deref().unwrap_or_default();
        if name.is_empty() || filter.values.is_empty() {
            return Err(AwsError::new(
                "InvalidParameterValue",
                format!("The filter '{name}' is invalid"),
            ));
        }
        let has = values_of(name).ok_or_else(|| {
            AwsError::not_modelled(&format!("{operation} with the filter {name}"))
        })?;
        // Filter values have the wildcards of policies, and their case matters.
        passes &= filter.values.iter().any(|wanted| {
            let wanted = Glob::new(wanted);
            has.iter().any(|value| wanted.fits(value))
        });
    }
    Ok(passes)
}
