//! Which API and stage a request is addressed to.

use crate::apigateway::State;
use crate::wire::text::percent_decode;
use crate::world::Request;

/// API, stage and path of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub api: String,
    /// Known from the host name only.
    pub region: Option<String>,
    pub stage: String,
    /// What follows the stage, with its first slash.
    pub path: String,
    pub host: String,
}

impl Address {
    /// The address in a host name `ID.execute-api.REGION.amazonaws.com`, or in a path
    /// `/restapis/ID/STAGE/_user_request_/…`, which is how the emulators of AWS have it.
    pub fn of(request: &Request) -> Option<Self> {
        let rest = request.path.strip_prefix('/').unwrap_or(&request.path);
        if let Some((api, region)) = of_host(&request.host) {
            let (stage, path) = rest.split_once('/').unwrap_or((rest, ""));
            return Some(Self {
                api,
                region: Some(region),
                stage: percent_decode(stage, false).ok()?,
                path: format!("/{path}"),
                host: request.host.clone(),
            });
        }
        let rest = rest.strip_prefix("restapis/")?;
        let (api, rest) = rest.split_once('/')?;
        let (stage, rest) = rest.split_once('/')?;
        let path = rest.strip_prefix("_user_request_")?;
        let is_end = path.is_empty() || path.starts_with('/');
        is_end.then(|| Self {
            api: api.to_owned(),
            region: None,
            stage: stage.to_owned(),
            path: format!("/{}", path.trim_start_matches('/')),
            host: request.host.clone(),
        })
    }
}

fn of_host(host: &str) -> Option<(String, String)> {
    let (api, rest) = host.split_once(".execute-api.")?;
    let region = rest.strip_suffix(".amazonaws.com")?;
    let is_name = |text: &str| !text.is_empty() && !text.contains('.');
    (is_name(api) && is_name(region)).then(|| (api.to_owned(), region.to_owned()))
}

impl State {
    /// Account and region of the API that is addressed.
    pub(super) fn home(&self, address: &Address) -> Option<(String, String)> {
        let regions = self.accounts.iter().flat_map(|(account, regions)| {
            regions
                .iter()
                .map(move |(name, region)| (account, name, region))
        });
        let mut homes = regions.filter(|(_, _, region)| region.apis.contains_key(&address.api));
        homes
            .find(|(_, name, _)| address.region.as_ref().is_none_or(|wanted| wanted == *name))
            .map(|(account, region, _)| (account.clone(), region.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, path: &str, expected: Option<(&str, Option<&str>, &str, &str)>) {
        let request = Request {
            method: "GET".into(),
            host: host.into(),
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let found = Address::of(&request);
        let found = found
            .as_ref()
            .map(|a| (&*a.api, a.region.as_deref(), &*a.stage, &*a.path));
        assert_eq!(found, expected, "{host} {path}");
    }

    #[test]
    fn hosts_and_paths() {
        let host = "abc.execute-api.eu-west-1.amazonaws.com";
        let region = Some("eu-west-1");
        check(host, "/prod/a/b", Some(("abc", region, "prod", "/a/b")));
        check(host, "/prod", Some(("abc", region, "prod", "/")));
        check(
            "127.0.0.1",
            "/restapis/abc/prod/_user_request_/a",
            Some(("abc", None, "prod", "/a")),
        );
        check(
            "127.0.0.1",
            "/restapis/abc/prod/_user_request_",
            Some(("abc", None, "prod", "/")),
        );
        check("127.0.0.1", "/restapis/abc/stages/prod", None);
        check("execute-api.eu-west-1.amazonaws.com", "/prod", None);
        check("apigateway.us-east-1.amazonaws.com", "/restapis/abc", None);
    }
}
