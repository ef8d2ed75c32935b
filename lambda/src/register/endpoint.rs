//! Where things are: at AWS, or in a simulated AWS on this machine. The latter is chosen by the variables
//! of the AWS SDKs (AWS SDKs and Tools Reference Guide, "Service-specific endpoints" and "IMDS
//! credential provider"):
//!
//! | variable | leads there |
//! |---|---|
//! | `AWS_EC2_METADATA_SERVICE_ENDPOINT` | metadata |
//! | `AWS_ENDPOINT_URL_STS`, else `AWS_ENDPOINT_URL` | STS, which says who signed an answer |
//! | `AWS_ENDPOINT_URL` | the updater, if the configuration's `url` is on this machine too: a simulated instance has its own way out |
//!
//! They are for tests: whoever could lead these questions elsewhere could give any answer, so all but
//! addresses of this machine are refused.

use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::protocol::Region;

/// Where every instance finds its metadata (EC2 User Guide, "Access instance metadata").
const METADATA: &str = "http://169.254.169.254";

/// The two addresses of metadata, which the SDKs' variable may name as well.
const METADATA_HOSTS: [&str; 2] = ["169.254.169.254", "[fd00:ec2::254]"];

/// Where things are.
#[derive(Debug, Clone)]
pub struct Endpoints {
    metadata: String,
    is_simulated: bool,
    sts: Option<Authority>,
    way_out: Option<Authority>,
}

/// A variable that names what it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is set to another place than this machine: it is for tests with the simulated AWS; unset it"
)]
pub struct BadEndpoint(&'static str);

impl Endpoints {
    /// As the environment says.
    ///
    /// # Errors
    /// When a variable names another machine, or is no URL of scheme, host and port.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadEndpoint> {
        let metadata = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let of = |name: &'static str| match variable(name) {
            None => Ok(None),
            Some(text) => local(&text).map(Some).ok_or(BadEndpoint(name)),
        };
        let (metadata, is_simulated) = match variable(metadata) {
            None => (METADATA.to_owned(), false),
            Some(text) => match authority(&text) {
                Some(at) if METADATA_HOSTS.contains(&at.host()) => (format!("http://{at}"), false),
                Some(at) if is_this_machine(at.host()) => (format!("http://{at}"), true),
                Some(_) | None => return Err(BadEndpoint(metadata)),
            },
        };
        let way_out = of("AWS_ENDPOINT_URL")?;
        Ok(Self {
            metadata,
            is_simulated,
            sts: of("AWS_ENDPOINT_URL_STS")?.or_else(|| way_out.clone()),
            way_out,
        })
    }

    /// Whether the instance is a simulated one, whose world has a clock of its own.
    pub(super) fn is_simulated(&self) -> bool {
        self.is_simulated
    }

    /// The URL of a category of metadata.
    pub(super) fn metadata(&self, path: &str) -> Option<Uri> {
        format!("{}/latest/{path}", self.metadata).parse().ok()
    }

    /// The URL of a region's STS.
    pub(super) fn sts(&self, region: Region) -> Option<Uri> {
        let uri = Uri::builder().path_and_query("/");
        match &self.sts {
            Some(at) => uri.scheme(Scheme::HTTP).authority(at.clone()),
            None => uri.scheme(Scheme::HTTPS).authority(region.sts_host()),
        }
        .build()
        .ok()
    }

    /// The URL of the updater.
    pub(super) fn updater(&self, url: &Uri) -> Option<Uri> {
        let at = self.way_out.as_ref().filter(|_| is_loopback(url));
        let Some(at) = at else {
            return Some(url.clone());
        };
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(at.clone())
            .path_and_query(url.path());
        uri.build().ok()
    }
}

/// Whether a URL's host is an address of this machine.
pub(super) fn is_loopback(uri: &Uri) -> bool {
    uri.host().is_some_and(is_this_machine)
}

/// A literal address: a name can be made to mean another machine.
fn is_this_machine(host: &str) -> bool {
    address(host).is_some_and(|address| address.is_loopback())
}

/// The address that a URL's host is.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok()
}

fn local(url: &str) -> Option<Authority> {
    authority(url).filter(|at| is_this_machine(at.host()))
}

/// Of a URL of plain http without a path.
fn authority(url: &str) -> Option<Authority> {
    let parts = url.parse::<Uri>().ok()?.into_parts();
    let is_plain = parts.scheme == Some(Scheme::HTTP);
    let has_path = parts.path_and_query.is_some_and(|path| path != "/");
    let authority = parts.authority?;
    (is_plain && !has_path && !authority.as_str().contains('@')).then_some(authority)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Endpoints, BadEndpoint> {
        Endpoints::new(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_aws() {
        let endpoints = of(&[]).unwrap();
        let text = |uri: Option<Uri>| uri.unwrap().to_string();
        assert_eq!(
            text(endpoints.metadata("api/token")),
            "http://169.254.169.254/latest/api/token"
        );
        let region = Region::named("eu-west-1").unwrap();
        assert_eq!(
            text(endpoints.sts(region)),
            "https://sts.eu-west-1.amazonaws.com/"
        );
        let url: Uri = "https://a.execute-api.eu-west-1.amazonaws.com/prod/update-dns"
            .parse()
            .unwrap();
        assert_eq!(endpoints.updater(&url), Some(url));
        assert!(!endpoints.is_simulated());
    }

    #[test]
    fn an_instance_of_the_simulated_aws_has_its_own_way_out() {
        let endpoints = of(&[
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:81"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:82/"),
        ])
        .unwrap();
        assert!(endpoints.is_simulated());
        let here: Uri = "http://127.0.0.1:4566/restapis/a/prod/x".parse().unwrap();
        assert_eq!(
            endpoints.updater(&here).unwrap(),
            "http://127.0.0.1:82/restapis/a/prod/x"
        );
        // A real updater stays where it is.
        let there: Uri = "https://a.example.edu/x".parse().unwrap();
        assert_eq!(endpoints.updater(&there).unwrap(), there);
        let region = Region::named("eu-west-1").unwrap();
        assert_eq!(endpoints.sts(region).unwrap(), "http://127.0.0.1:82/");
    }

    #[test]
    fn no_variable_leads_to_another_machine() {
        for name in [
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_STS",
        ] {
            for url in [
                "http://10.0.0.1:80",
                "https://127.0.0.1:80",
                "http://localhost:80",
                "http://127.0.0.1.example.edu",
                "http://user@127.0.0.1",
                "http://127.0.0.1/path",
                "",
            ] {
                assert_eq!(of(&[(name, url)]).unwrap_err(), BadEndpoint(name), "{url}");
            }
        }
        let v6 = "http://[fd00:ec2::254]";
        let endpoints = of(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", v6)]).unwrap();
        assert!(!endpoints.is_simulated());
    }
}
