//! Where services are: AWS's own host names by partition and region, or one address of a simulated AWS.

use std::net::IpAddr;

use ::http::Uri;
use ::http::uri::{Authority, Scheme};

use crate::protocol::{Partition, Region};

/// A service as the updater uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Route53,
    Ec2(Region),
    Sts(Region),
}

/// Where services are.
#[derive(Debug, Clone)]
pub struct Endpoints {
    simulated: Option<(Scheme, Authority)>,
}

/// What `AWS_ENDPOINT_URL` may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// Not of the form `http://127.0.0.1:4566`.
    #[error("is not a URL of scheme, host and port")]
    Form,
    /// Credentials and records would go over the network in the clear.
    #[error("is plain http, which is for addresses of this machine only")]
    Clear,
}

impl Endpoints {
    /// AWS's, or those at a URL.
    ///
    /// # Errors
    /// When it is no URL, or one that would send proofs over a network unencrypted.
    pub fn new(url: Option<&str>) -> Result<Self, BadEndpoint> {
        let Some(url) = url else {
            return Ok(Self { simulated: None });
        };
        let uri: Uri = url.parse().map_err(|_| BadEndpoint::Form)?;
        let parts = uri.into_parts();
        let has_path = parts.path_and_query.is_some_and(|path| path != "/");
        let (Some(scheme), Some(authority), false) = (parts.scheme, parts.authority, has_path)
        else {
            return Err(BadEndpoint::Form);
        };
        if authority.as_str().contains('@') {
            return Err(BadEndpoint::Form);
        }
        match scheme.as_str() {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => return Err(BadEndpoint::Clear),
            _ => return Err(BadEndpoint::Form),
        }
        Ok(Self {
            simulated: Some((scheme, authority)),
        })
    }

    /// Whether it is not AWS.
    pub(super) fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    /// Where to connect to for a host of AWS. What is sent there names that host all the same, since the
    /// signature is over it.
    pub(super) fn uri(&self, host: &str, path_and_query: &str) -> Option<Uri> {
        let uri = Uri::builder().path_and_query(path_and_query);
        let uri = match &self.simulated {
            Some((scheme, authority)) => uri.scheme(scheme.clone()).authority(authority.clone()),
            None => uri.scheme(Scheme::HTTPS).authority(host),
        };
        uri.build().ok()
    }
}

impl Service {
    /// The host (botocore, endpoints.json).
    pub(super) fn host(self, home: Region) -> String {
        match self {
            Self::Route53 => {
                let partition = home.partition();
                let suffix = partition.dns_suffix();
                match partition {
                    Partition::Aws | Partition::China | Partition::EuropeanSovereign => {
                        format!("route53.{suffix}")
                    }
                    Partition::GovCloud => format!("route53.us-gov.{suffix}"),
                }
            }
            Self::Ec2(region) => format!("ec2.{region}.{}", region.partition().dns_suffix()),
            Self::Sts(region) => region.sts_host(),
        }
    }

    /// The name and the region that requests are signed for. Route 53 is one for a whole partition and
    /// signs as one of its regions.
    pub(super) fn scope(self, home: Region) -> (&'static str, &'static str) {
        match self {
            Self::Route53 => {
                let region = match home.partition() {
                    Partition::Aws => "us-east-1",
                    Partition::China => "cn-northwest-1",
                    Partition::GovCloud => "us-gov-west-1",
                    Partition::EuropeanSovereign => "eusc-de-east-1",
                };
                ("route53", region)
            }
            Self::Ec2(region) => ("ec2", region.name()),
            Self::Sts(region) => ("sts", region.name()),
        }
    }
}

/// Whether it is plain http to this machine, as a simulated AWS is.
pub(super) fn is_plain_loopback(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTP) && uri.host().is_some_and(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for url in [
            "http://127.0.0.1:4566",
            "http://[::1]:80/",
            "https://aws.example.edu",
        ] {
            assert!(Endpoints::new(Some(url)).is_ok(), "{url}");
        }
        for (url, expected) in [
            ("http://10.0.0.1:4566", BadEndpoint::Clear),
            ("http://localhost:4566", BadEndpoint::Clear),
            ("http://127.0.0.1.evil.example:80", BadEndpoint::Clear),
            ("ftp://127.0.0.1", BadEndpoint::Form),
            ("https://user@127.0.0.1", BadEndpoint::Form),
            ("https://aws.example.edu/path", BadEndpoint::Form),
            ("127.0.0.1:4566", BadEndpoint::Form),
            ("", BadEndpoint::Form),
        ] {
            assert_eq!(Endpoints::new(Some(url)).unwrap_err(), expected, "{url}");
        }
    }

    #[test]
    fn hosts_and_scopes_follow_the_partition() {
        let of = |home: &str, service: Service| {
            let home = Region::named(home).unwrap();
            (service.host(home), service.scope(home).1)
        };
        let route53 = |home| of(home, Service::Route53);
        assert_eq!(
            route53("eu-west-1"),
            ("route53.amazonaws.com".to_owned(), "us-east-1")
        );
        assert_eq!(
            route53("us-gov-east-1"),
            ("route53.us-gov.amazonaws.com".to_owned(), "us-gov-west-1")
        );
        assert_eq!(
            route53("cn-north-1"),
            ("route53.amazonaws.com.cn".to_owned(), "cn-northwest-1")
        );
        let region = Region::named("eu-west-1").unwrap();
        assert_eq!(
            of("us-east-1", Service::Ec2(region)),
            ("ec2.eu-west-1.amazonaws.com".to_owned(), "eu-west-1")
        );
        let simulated = Endpoints::new(Some("http://127.0.0.1:4566")).unwrap();
        let uri = simulated
            .uri("ec2.eu-west-1.amazonaws.com", "/?a=b")
            .unwrap();
        assert_eq!(uri.to_string(), "http://127.0.0.1:4566/?a=b");
        let real = Endpoints::new(None).unwrap();
        let uri = real.uri("sts.eu-west-1.amazonaws.com", "/").unwrap();
        assert_eq!(uri.to_string(), "https://sts.eu-west-1.amazonaws.com/");
    }
}
