//! Managed policies of AWS that are known here: few, but with the documents that AWS gives them.
//!
//! Facts (name, path, dates, document) as the AWS Managed Policy Reference has them
//! (<https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>). AWS has about
//! a thousand more; to attach one of those is refused as if it did not exist.

/// A managed policy of AWS.
#[derive(Debug)]
pub(super) struct AwsManaged {
    pub name: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    pub created: &'static str,
    pub updated: &'static str,
    pub document: &'static str,
}

impl AwsManaged {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }
}

/// A policy by its ARN.
pub(super) fn find(arn: &str) -> Option<&'static AwsManaged> {
    let rest = arn.strip_prefix("arn:aws:iam::aws:policy")?;
    ALL.iter()
        .find(|policy| rest.strip_prefix(policy.path) == Some(policy.name))
}

/// By name.
pub(super) static ALL: [AwsManaged; 5] = [
    AwsManaged {
        name: "AWSDenyAll",
        path: "/",
        id: "ANPAZKAPJZG4P43IUQ5E5",
        version: "v2",
        description: "Deny all access.",
        created: "2019-05-01T22:36:14Z",
        updated: "2023-12-18T16:42:05Z",
        document: r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Sid" : "DenyAll",
    "Effect" : "Deny",
    "Action" : [ "*" ],
    "Resource" : "*"
  } ]
}"#,
    },
    AwsManaged {
        name: "AWSLambdaBasicExecutionRole",
        path: "/service-role/",
        id: "ANPAJNCQGXC42545SKXIK",
        version: "v1",
        description: "Provides write permissions to CloudWatch Logs.",
        created: "2015-04-09T15:03:43Z",
        updated: "2015-04-09T15:03:43Z",
        document: r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Effect" : "Allow",
    "Action" : [ "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents" ],
    "Resource" : "*"
  } ]
}"#,
    },
    AwsManaged {
        name: "AdministratorAccess",
        path: "/",
        id: "ANPAIWMBCKSKIEE64ZLYK",
        version: "v1",
        description: "Provides full access to AWS services and resources.",
        created: "2015-02-06T18:39:46Z",
        updated: "2015-02-06T18:39:46Z",
        document: r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Effect" : "Allow",
    "Action" : "*",
    "Resource" : "*"
  } ]
}"#,
    },
    AwsManaged {
        name: "AmazonAPIGatewayPushToCloudWatchLogs",
        path: "/service-role/",
        id: "ANPAIK4GFO7HLKYN64ASK",
        version: "v1",
        description: "Allows API Gateway to push logs to user's account.",
        created: "2015-11-11T23:41:46Z",
        updated: "2015-11-11T23:41:46Z",
        document: r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Effect" : "Allow",
    "Action" : [
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
      "logs:GetLogEvents",
      "logs:FilterLogEvents"
    ],
    "Resource" : "*"
  } ]
}"#,
    },
    AwsManaged {
        name: "AmazonRoute53ReadOnlyAccess",
        path: "/",
        id: "ANPAITOYK2ZAOQFXV2JNC",
        version: "v2",
        description: "Provides read only access to all Amazon Route 53 via the AWS Management Console.",
        created: "2015-02-06T18:40:55Z",
        updated: "2016-11-15T21:15:16Z",
        document: r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Effect" : "Allow",
    "Action" : [ "route53:Get*", "route53:List*", "route53:TestDNSAnswer" ],
    "Resource" : [ "*" ]
  } ]
}"#,
    },
];
