//! One request and what is known of it so far: the variables of templates and logs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::Definition;
use super::address::Address;
use super::record;
use super::refusal::Refusal;
use super::route::Route;
use crate::wire::text;
use crate::world::{Request, Response, World};

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub account: String,
    pub region: String,
    pub api: String,
    pub api_name: String,
    pub stage: String,
    pub deployment: String,
    /// The deployed API.
    pub definition: Definition,
    pub variables: BTreeMap<String, String>,
    pub request: Request,
    pub peer: IpAddr,
    pub at: Timestamp,
    pub request_id: String,
    pub extended_id: String,
    pub trace: String,
    pub verb: String,
    /// Path below the stage.
    pub path: String,
    pub domain: String,
    pub route: Option<Route>,
    pub refusal: Option<Refusal>,
    pub integrated: Option<Integrated>,
    /// Status of the answer, once it is known.
    pub status: Option<u16>,
    length: usize,
}

/// What the integration did.
#[derive(Debug, Clone)]
pub(super) struct Integrated {
    pub took: Duration,
    /// Status of the call to the integration; for a function 200 even if it failed.
    pub status: u16,
    pub error: Option<String>,
}

impl Exchange {
    /// The request to a stage; none if there is no such stage.
    pub fn open(
        world: &mut World,
        now: Timestamp,
        peer: IpAddr,
        request: &Request,
        address: &Address,
        (account, region): (String, String),
    ) -> Option<Self> {
        let of_region = world.apigateway.region(&account, &region)?;
        let api = of_region.apis.get(&address.api)?;
        let stage = api.stages.get(&address.stage)?;
        let deployment = api.deployments.get(&stage.deployment_id)?;
        let mut exchange = Self {
            domain: format!("{}.execute-api.{region}.amazonaws.com", address.api),
            account,
            region,
            api: address.api.clone(),
            api_name: api.name.clone(),
            stage: address.stage.clone(),
            deployment: stage.deployment_id.clone(),
            definition: deployment.definition.clone(),
            variables: stage.variables.clone(),
            request: request.clone(),
            peer,
            at: now,
            request_id: String::new(),
            extended_id: String::new(),
            trace: String::new(),
            verb: request.method.clone(),
            path: address.path.clone(),
            route: None,
            refusal: None,
            integrated: None,
            status: None,
            length: 0,
        };
        exchange.request_id = world.random.uuid();
        exchange.extended_id = format!("{}=", world.random.text(BASE64, 15));
        let trace = world.random.text(b"0123456789abcdef", 24);
        exchange.trace = format!("Root=1-{:08x}-{trace}", now.as_second());
        Some(exchange)
    }

    /// The ARN of a method as policies know it.
    pub fn arn(&self, verb: &str, path: &str) -> String {
        format!(
            "arn:aws:execute-api:{}:{}:{}/{}/{verb}{path}",
            self.region, self.account, self.api, self.stage
        )
    }

    /// Content type without parameters; "application/json" is what API Gateway takes for none.
    pub fn content_type(&self) -> &str {
        let header = self.request.header("content-type");
        let kind = header.and_then(|kind| kind.split(';').next());
        kind.map(str::trim)
            .filter(|kind| !kind.is_empty())
            .unwrap_or("application/json")
    }

    /// The query's pairs, decoded, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        text::pairs(&self.request.query).unwrap_or_default()
    }

    /// The value of `method.request.{header,querystring,path}.NAME`.
    pub fn parameter(&self, route: &Route, key: &str) -> Option<String> {
        let rest = key.strip_prefix("method.request.")?;
        let (place, name) = rest.split_once('.')?;
        match place {
            "header" => self
                .request
                .header(&name.to_ascii_lowercase())
                .map(str::to_owned),
            "querystring" => {
                let mut pairs = self.query().into_iter().rev();
                pairs.find(|(key, _)| key == name).map(|(_, value)| value)
            }
            "path" => route.parameters.get(name).cloned(),
            _ => None,
        }
    }

    /// The value of a variable of templates and log formats; none where AWS has none either, and for
    /// what this sandbox cannot know, such as the TLS version
    /// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html>).
    pub fn variable(&self, name: &str) -> Option<String> {
        if let Some(name) = name.strip_prefix("stageVariables.") {
            return self.variables.get(name).cloned();
        }
        if name.starts_with("method.request.") {
            return self.parameter(self.route.as_ref()?, name);
        }
        let name = name.strip_prefix("context.")?;
        if let Some(name) = name.strip_prefix("error.") {
            return self.refusal.as_ref()?.variable(name);
        }
        let route = self.route.as_ref();
        let took = self.integrated.as_ref();
        let millis = |took: &Integrated| took.took.as_millis().to_string();
        Some(match name {
            "accountId" => self.account.clone(),
            "apiId" => self.api.clone(),
            "deploymentId" => self.deployment.clone(),
            "domainName" => self.domain.clone(),
            "domainPrefix" => self.api.clone(),
            "extendedRequestId" => self.extended_id.clone(),
            "httpMethod" => self.verb.clone(),
            "identity.sourceIp" => self.peer.to_string(),
            "identity.userAgent" => self.request.header("user-agent")?.to_owned(),
            "integrationLatency" | "integration.latency" => millis(took?),
            "integrationStatus" | "integration.status" => took?.status.to_string(),
            "integration.integrationStatus" => self.status?.to_string(),
            "integrationErrorMessage" | "integration.error" => took?.error.clone()?,
            "path" => format!("/{}{}", self.stage, self.path),
            "protocol" => "HTTP/1.1".into(),
            "requestId" => self.request_id.clone(),
            "requestTime" => self.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "requestTimeEpoch" => self.at.as_millisecond().to_string(),
            "resourceId" => route?.resource_id.clone(),
            "resourcePath" => route?.resource_path.clone(),
            "responseLatency" => self.latency().as_millis().to_string(),
            "responseLength" => self.length.to_string(),
            "stage" => self.stage.clone(),
            "status" => self.status?.to_string(),
            "xrayTraceId" => self.trace.clone(),
            _ => return None,
        })
    }

    /// How long the answer took: as long as the integration, since nothing else takes time here.
    pub fn latency(&self) -> Duration {
        self.integrated
            .as_ref()
            .map(|integrated| integrated.took)
            .unwrap_or_default()
    }

    /// The answer as it leaves: with the ids of the request, and written to log and metrics.
    pub fn close(mut self, world: &mut World, mut response: Response) -> Response {
        self.status = Some(response.status);
        self.length = response.body.len();
        let ids = [
            ("x-amzn-requestid", &self.request_id),
            ("x-amz-apigw-id", &self.extended_id),
        ];
        for (name, value) in ids {
            response.headers.push((name.to_owned(), value.clone()));
        }
        record::access(world, &self);
        record::metrics(world, &self);
        response
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_";
