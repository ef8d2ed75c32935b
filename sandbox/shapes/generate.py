#!/usr/bin/env python3
"""Writes the tables of operations and shapes that the sandbox's codec is driven by.

    python3 -m venv /tmp/shapes && /tmp/shapes/bin/pip install botocore==1.44.5
    /tmp/shapes/bin/python sandbox/shapes/generate.py

Facts only are taken from botocore's service models (Apache-2.0): names, wire locations,
constraints and errors. Documentation is left out. What is taken of each model is a closed list:
an attribute this script does not know stops it, so that a newer botocore cannot change the wire
format behind the codec's back. `serves` lists the operations that get shapes; every other
operation of the service is kept by name and route, so that it can be refused by name.
"""

import gzip
import importlib.metadata
import json
import pathlib
import sys

import botocore

VERSION = "1.44.5"

SERVES = {
    "sts": ["AssumeRole", "GetCallerIdentity", "GetSessionToken"],
    "ec2": ["CreateTags", "DescribeInstances", "DescribeRegions", "DescribeTags"],
    "kms": [
        "CancelKeyDeletion", "CreateAlias", "CreateGrant", "CreateKey", "Decrypt", "DeleteAlias",
        "DescribeKey", "DisableKey", "DisableKeyRotation", "EnableKey", "EnableKeyRotation",
        "Encrypt", "GenerateDataKey", "GetKeyPolicy", "GetKeyRotationStatus", "GetPublicKey",
        "ListAliases", "ListGrants", "ListKeyPolicies", "ListKeys", "ListResourceTags",
        "PutKeyPolicy", "RetireGrant", "RevokeGrant", "ScheduleKeyDeletion", "Sign", "TagResource",
        "UntagResource", "UpdateAlias", "UpdateKeyDescription", "Verify",
    ],
    "route53": [
        "ActivateKeySigningKey", "ChangeResourceRecordSets", "ChangeTagsForResource",
        "CreateHostedZone", "CreateKeySigningKey", "CreateQueryLoggingConfig",
        "CreateReusableDelegationSet", "DeactivateKeySigningKey", "DeleteHostedZone",
        "DeleteKeySigningKey", "DeleteQueryLoggingConfig", "DeleteReusableDelegationSet",
        "DisableHostedZoneDNSSEC", "EnableHostedZoneDNSSEC", "GetAccountLimit", "GetChange",
        "GetDNSSEC", "GetHostedZone", "GetHostedZoneCount", "GetQueryLoggingConfig",
        "GetReusableDelegationSet", "ListHostedZones", "ListHostedZonesByName",
        "ListQueryLoggingConfigs", "ListResourceRecordSets", "ListReusableDelegationSets",
        "ListTagsForResource", "ListTagsForResources", "TestDNSAnswer", "UpdateHostedZoneComment",
    ],
    "logs": [
        "AssociateKmsKey", "CreateLogGroup", "CreateLogStream", "DeleteDataProtectionPolicy",
        "DeleteLogGroup", "DeleteLogStream", "DeleteMetricFilter", "DeleteQueryDefinition",
        "DeleteResourcePolicy", "DeleteRetentionPolicy", "DeleteSubscriptionFilter",
        "DescribeLogGroups", "DescribeLogStreams", "DescribeMetricFilters",
        "DescribeQueryDefinitions", "DescribeResourcePolicies", "DescribeSubscriptionFilters",
        "DisassociateKmsKey", "FilterLogEvents", "GetDataProtectionPolicy", "GetLogEvents",
        "ListLogGroups", "ListTagsForResource", "ListTagsLogGroup", "PutDataProtectionPolicy",
        "PutLogEvents", "PutMetricFilter", "PutQueryDefinition", "PutResourcePolicy",
        "PutRetentionPolicy", "PutSubscriptionFilter", "TagLogGroup", "TagResource",
        "TestMetricFilter", "UntagResource",
    ],
    "iam": [
        "AttachRolePolicy", "CreateAccessKey", "CreatePolicy", "CreateRole", "CreateUser",
        "DeleteAccessKey", "DeletePolicy", "DeleteRole", "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy", "DeleteUser", "DetachRolePolicy", "GenerateCredentialReport",
        "GetAccountPasswordPolicy", "GetAccountSummary", "GetCredentialReport", "GetPolicy",
        "GetPolicyVersion", "GetRole", "GetRolePolicy", "GetUser", "ListAccessKeys",
        "ListAccountAliases", "ListAttachedRolePolicies", "ListAttachedUserPolicies",
        "ListEntitiesForPolicy", "ListGroups", "ListInstanceProfilesForRole", "ListMFADevices",
        "ListPolicies", "ListPolicyVersions", "ListRolePolicies", "ListRoleTags", "ListRoles",
        "ListSAMLProviders", "ListServerCertificates", "ListUserPolicies", "ListUsers",
        "ListVirtualMFADevices", "PutRolePermissionsBoundary", "PutRolePolicy", "PutUserPolicy",
        "SimulateCustomPolicy", "SimulatePrincipalPolicy", "TagRole", "UntagRole",
        "UpdateAssumeRolePolicy", "UpdateRole",
    ],
    "cloudwatch": [
        "DeleteAlarms", "DescribeAlarmHistory", "DescribeAlarms", "DescribeAlarmsForMetric",
        "DisableAlarmActions", "EnableAlarmActions", "GetMetricData", "GetMetricStatistics",
        "ListMetrics", "ListTagsForResource", "PutMetricAlarm", "PutMetricData", "SetAlarmState",
        "TagResource", "UntagResource",
    ],
    "lambda": [
        "AddPermission", "CreateAlias", "CreateFunction", "CreateFunctionUrlConfig", "DeleteAlias",
        "DeleteFunction", "DeleteFunctionConcurrency", "DeleteFunctionUrlConfig",
        "GetAccountSettings", "GetAlias", "GetFunction", "GetFunctionCodeSigningConfig",
        "GetFunctionConcurrency", "GetFunctionConfiguration", "GetFunctionEventInvokeConfig",
        "GetFunctionUrlConfig", "GetPolicy", "GetRuntimeManagementConfig", "Invoke", "ListAliases",
        "ListEventSourceMappings", "ListFunctionUrlConfigs", "ListFunctions", "ListTags",
        "ListVersionsByFunction", "PublishVersion", "PutFunctionConcurrency", "RemovePermission",
        "TagResource", "UntagResource", "UpdateAlias", "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
    ],
    "apigateway": [
        "CreateAuthorizer", "CreateDeployment", "CreateModel", "CreateRequestValidator",
        "CreateResource", "CreateRestApi", "CreateStage", "DeleteAuthorizer", "DeleteDeployment",
        "DeleteGatewayResponse", "DeleteIntegration", "DeleteIntegrationResponse", "DeleteMethod",
        "DeleteMethodResponse", "DeleteModel", "DeleteRequestValidator", "DeleteResource",
        "DeleteRestApi", "DeleteStage", "GetAccount", "GetAuthorizers", "GetClientCertificates",
        "GetDeployment", "GetDeployments", "GetExport", "GetGatewayResponse",
        "GetGatewayResponses", "GetIntegration", "GetIntegrationResponse", "GetMethod",
        "GetMethodResponse", "GetModel", "GetModels", "GetRequestValidator",
        "GetRequestValidators", "GetResource", "GetResources", "GetRestApi", "GetRestApis",
        "GetStage", "GetStages", "GetTags", "ImportRestApi", "PutGatewayResponse",
        "PutIntegration", "PutIntegrationResponse", "PutMethod", "PutMethodResponse", "PutRestApi",
        "TagResource", "UntagResource", "UpdateAccount", "UpdateDeployment", "UpdateIntegration",
        "UpdateMethod", "UpdateModel", "UpdateRequestValidator", "UpdateResource", "UpdateRestApi",
        "UpdateStage",
    ],
    "resourcegroupstaggingapi": ["GetResources", "GetTagKeys", "TagResources", "UntagResources"],
}

# Attributes of a shape and of a reference to one. First those kept, then those dropped on purpose.
KEPT_SHAPE = {
    "type", "required", "members", "member", "key", "value", "min", "max", "pattern", "enum",
    "flattened", "locationName", "xmlNamespace", "payload", "sensitive", "box", "union",
    "streaming", "exception", "fault", "error", "timestampFormat",
}
KEPT_REF = {
    "shape", "location", "locationName", "flattened", "xmlAttribute", "xmlNamespace", "streaming",
    "timestampFormat", "jsonvalue", "box", "idempotencyToken", "queryName",
}
DROPPED = {
    "documentation", "deprecated", "deprecatedMessage", "deprecatedSince", "synthetic",
    "xmlOrder", "eventstream", "event", "eventpayload", "wrapper", "retryable",
}


def take(source, kept, where):
    unknown = set(source) - kept - DROPPED
    if unknown:
        sys.exit(f"{where}: attributes this script does not know: {sorted(unknown)}")
    return {name: source[name] for name in source if name in kept}


def reference(source, where):
    kept = take(source, KEPT_REF, where)
    if isinstance(kept.get("xmlNamespace"), dict):
        kept["xmlNamespace"] = kept["xmlNamespace"]["uri"]
    return kept


def shape(source, where):
    kept = take(source, KEPT_SHAPE, where)
    if "members" in kept:
        kept["members"] = {
            name: reference(member, f"{where}.{name}") for name, member in kept["members"].items()
        }
    for part in ("member", "key", "value"):
        if part in kept:
            kept[part] = reference(kept[part], f"{where}.{part}")
    if isinstance(kept.get("xmlNamespace"), dict):
        kept["xmlNamespace"] = kept["xmlNamespace"]["uri"]
    return kept


def operation(source, where):
    kept = {"http": take(source["http"], {"method", "requestUri", "responseCode"}, where)}
    for side in ("input", "output"):
        if side in source:
            kept[side] = take(
                source[side], {"shape", "locationName", "xmlNamespace", "resultWrapper"}, where
            )
            if "xmlNamespace" in kept[side]:
                kept[side]["xmlNamespace"] = kept[side]["xmlNamespace"]["uri"]
    kept["errors"] = sorted(error["shape"] for error in source.get("errors", []))
    return kept


def used(shapes, roots):
    """Names of all shapes that the roots reach."""
    seen, queue = set(), list(roots)
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        source = shapes[name]
        refs = list(source.get("members", {}).values())
        refs += [source[part] for part in ("member", "key", "value") if part in source]
        queue += [ref["shape"] for ref in refs]
    return seen


def table(service, model):
    meta, operations, shapes = model["metadata"], model["operations"], model["shapes"]
    missing = [name for name in SERVES[service] if name not in operations]
    if missing:
        sys.exit(f"{service}: not in the model: {missing}")
    served = {name: operation(operations[name], f"{service}.{name}") for name in SERVES[service]}
    roots = set()
    namespaces = {meta.get("xmlNamespace")}
    for entry in served.values():
        roots.update(entry[side]["shape"] for side in ("input", "output") if side in entry)
        roots.update(entry["errors"])
        namespaces.add(entry.get("input", {}).get("xmlNamespace"))
    namespaces.discard(None)
    if len(namespaces) > 1:
        sys.exit(f"{service}: more than one XML namespace: {namespaces}")
    return {
        "source": f"botocore {VERSION}, data/{service}/{meta['apiVersion']}/service-2.json",
        "licence": "Apache-2.0, Copyright Amazon.com, Inc. or its affiliates",
        "note": "Written by sandbox/shapes/generate.py; documentation left out. Do not edit.",
        "service": service,
        "serviceId": meta["serviceId"],
        "signingName": meta.get("signingName", meta["endpointPrefix"]),
        "apiVersion": meta["apiVersion"],
        "global": "globalEndpoint" in meta and service != "sts",
        "protocols": meta["protocols"],
        "jsonVersion": meta.get("jsonVersion"),
        "targetPrefix": meta.get("targetPrefix"),
        "xmlNamespace": next(iter(namespaces), None),
        "operations": served,
        "refused": {
            name: {"method": entry["http"]["method"], "requestUri": entry["http"]["requestUri"]}
            for name, entry in operations.items()
            if name not in served
        },
        "shapes": {
            name: shape(shapes[name], f"{service}.{name}") for name in sorted(used(shapes, roots))
        },
    }


def dump(content):
    """JSON with one line per operation and shape: small, and a diff shows what changed."""
    lines = []
    for key, value in content.items():
        if isinstance(value, dict):
            rows = [
                f"  {json.dumps(name)}: {json.dumps(value[name], separators=(',', ':'))}"
                for name in sorted(value)
            ]
            lines.append(f' {json.dumps(key)}: {{\n' + ",\n".join(rows) + "\n }")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    found = importlib.metadata.version("botocore")
    if found != VERSION:
        sys.exit(f"this script was written against botocore {VERSION}, found {found}")
    data = pathlib.Path(botocore.__file__).parent / "data"
    for service in SERVES:
        path = sorted((data / service).glob("*/service-2.json.gz"))[-1]
        with gzip.open(path) as source:
            model = json.load(source)
        target = pathlib.Path(__file__).parent / f"{service}.json"
        target.write_text(dump(table(service, model)))


if __name__ == "__main__":
    main()
