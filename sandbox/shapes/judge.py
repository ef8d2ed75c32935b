#!/usr/bin/env python3
"""Lets botocore judge the codec: what it writes, the sandbox must read.

    SPORE_RECORD=/tmp/record.jsonl cargo run --release -p spore-sandbox --example serve - 127.0.0.1:4595 instant
    python sandbox/shapes/judge.py http://127.0.0.1:4595 /tmp/record.jsonl [SEED]

For every operation of the tables botocore serialises, signs and sends random inputs over the
protocol it prefers, characters that need escaping included; the recorder writes down what the
sandbox made of them. Both must be equal, and no signature may be refused. Exit code 1 if not.
"""

import base64
import datetime
import json
import pathlib
import random
import string
import sys
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROUNDS = 6
DEPTH_MAX = 6
# No slash: botocore itself takes off what stands before one in Route 53's ids.
ALPHABET = string.ascii_letters + string.digits + " <>&\"'~%+=é☃_-."
REFUSED = {"SignatureDoesNotMatch", "InvalidSignatureException", "InternalFailure"}


def invent(shape, depth=0, is_query=False):
    """A random value of a shape, in botocore's parameter form.

    In the query protocol, whose parameters are names of leaves, a structure with nothing in it leaves no
    trace ("AWS query protocol", Smithy): there no structure but the outermost is empty.
    """
    kind, limits = shape.type_name, shape.metadata
    least = max(1, int(limits.get("min", 1)))
    if kind == "structure":
        names = list(shape.members)
        if limits.get("union"):
            names = [random.choice(names)]
        wanted = [
            name
            for name in names
            if name in shape.required_members or (depth < DEPTH_MAX and random.random() < 0.7)
        ]
        if is_query and depth > 0 and not wanted:
            wanted = [random.choice(names)]
        return {name: invent(shape.members[name], depth + 1, is_query) for name in wanted}
    if kind == "list":
        count = least + random.randint(0, 2)
        return [invent(shape.member, depth + 1, is_query) for _ in range(count)]
    if kind == "map":
        return {
            invent(shape.key): invent(shape.value, depth + 1, is_query) for _ in range(2)
        }
    if kind == "string":
        if shape.enum:
            return random.choice(shape.enum)
        text = "".join(random.choice(ALPHABET) for _ in range(least + random.randint(0, 12)))
        text = text.strip()
        # In a path, URL libraries resolve "." and ".." (RFC 3986, 5.2.4) before they send.
        return "x" if text in ("", ".", "..") else text
    if kind in ("integer", "long"):
        return random.randint(int(limits.get("min", 0)), min(int(limits.get("max", 1000)), 2**31 - 1))
    if kind in ("float", "double"):
        return random.choice([0.5, 1.25, 3.0])
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "blob":
        return random.randbytes(random.randint(1, 30))
    if kind == "timestamp":
        return datetime.datetime.fromtimestamp(random.randint(0, 2**31), datetime.timezone.utc)
    sys.exit(f"a shape of kind {kind}, which this judge does not know")


def as_recorded(shape, value):
    """A value as the recorder writes it."""
    kind = shape.type_name
    if kind == "structure":
        return {name: as_recorded(shape.members[name], inner) for name, inner in value.items()}
    if kind == "list":
        return [as_recorded(shape.member, inner) for inner in value]
    if kind == "map":
        return {key: as_recorded(shape.value, inner) for key, inner in value.items()}
    if kind == "blob":
        return base64.b64encode(value).decode()
    if kind == "timestamp":
        return value.timestamp()
    return value


def completed(model, value, read):
    """What botocore really sends for a value: it adds to some operations what was left out."""
    members = model.input_shape.members if model.input_shape else {}
    value = dict(value)
    for name in model.idempotent_members:
        # A random token, known only from what was read; it must be one all the same.
        if name not in value and is_uuid(token := (read or {}).get(name)):
            value[name] = token
    if model.service_model.service_name == "apigateway":
        # botocore.handlers.add_accept_header: API Gateway's answers are asked for in JSON, and GetExport
        # binds that same header to a parameter.
        for name, member in members.items():
            if member.serialization.get("name") == "Accept":
                value.setdefault(name, "application/json")
    return value


def is_uuid(text):
    try:
        return str(uuid.UUID(text)) == text
    except (ValueError, TypeError, AttributeError):
        return False


def main():
    url, record = sys.argv[1:3]
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    skip = sum(1 for _ in open(record)) if pathlib.Path(record).exists() else 0
    sent, wrong = [], []
    for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
        table = json.loads(path.read_text())
        client = boto3.client(
            table["service"],
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        for operation in table["operations"]:
            model = client.meta.service_model.operation_model(operation)
            shape = model.input_shape
            is_query = client.meta.service_model.resolved_protocol in ("query", "ec2")
            for _ in range(ROUNDS):
                value = invent(shape, is_query=is_query) if shape else {}
                # botocore fills in what is missing in the very value it is given.
                sent.append((model, as_recorded(shape, value) if shape else {}))
                try:
                    client._make_api_call(operation, value)
                except ClientError as error:
                    if error.response["Error"]["Code"] in REFUSED:
                        wrong.append(f"{table['service']}.{operation}: {error}")
                except BotoCoreError as error:
                    wrong.append(f"{table['service']}.{operation}: {error}")
    read = [json.loads(line) for line in open(record)][skip:]
    if len(read) != len(sent):
        wrong.append(f"{len(sent)} requests were sent and {len(read)} recorded")
    judged = 0
    for (model, value), line in zip(sent, read):
        operation = model.name
        # What is not modelled is refused before its input is read.
        if line["operation"] == operation and line["error"] == "NotImplemented":
            continue
        judged += 1
        value = completed(model, value, line["input"])
        if line["operation"] != operation or line["input"] != value:
            wrong.append(f"{operation}: sent {value}\n  read {line['operation']} {line['input']}")
    print("\n".join(wrong[:20]))
    print(f"{len(sent)} requests, {judged} judged, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
