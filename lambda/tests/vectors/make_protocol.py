#!/usr/bin/env python3
"""Writes protocol.json: the formats that spore-updater and its clients agree on, by example.

Written from the text at the top of lambda/src/protocol.rs and from AWS's description of Signature
Version 4, in Python's standard library: it shares no code with what it judges. The credentials are the
examples of AWS's documentation.

Usage: python3 make_protocol.py > protocol.json
"""

import hashlib
import hmac
import json
from urllib.parse import quote

KEY = "ASIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE/session+token=="
BODY = "Action=GetCallerIdentity&Version=2011-06-15"
DOMAIN, ZONE = "spore.example.edu", "Z0123456789ABCDEFGHIJ"

UPDATE = ["record_name", "ip_address", "action", "record_type", "ttl", "text", "owner"]
ANSWER = ["code", "message", "error", "record", "change_id", "owner", "request_id", "timestamp"]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def lines(title, pairs):
    text = title + "\n"
    for name, value in pairs:
        text += name if value is None else f"{name}={quote(str(value), safe='')}"
        text += "\n"
    return text


def canonical_update(update):
    return lines("spore/1 update", [(name, update.get(name)) for name in UPDATE])


def canonical_answer(request, answer):
    success = "true" if answer["success"] else "false"
    pairs = [("request", request), ("success", success)]
    return lines("spore/1 answer", pairs + [(name, answer.get(name)) for name in ANSWER])


def host(region):
    if region.startswith("cn-"):
        return f"sts.{region}.amazonaws.com.cn"
    if region.startswith("eusc-"):
        return f"sts.{region}.amazonaws.eu"
    return f"sts.{region}.amazonaws.com"


def signed(region, date, audience, nonce, digest):
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": host(region),
        "x-amz-date": date,
        "x-amz-security-token": TOKEN,
        "x-spore-audience": audience,
        "x-spore-nonce": nonce,
        "x-spore-sha256": digest,
    }
    names = ";".join(sorted(headers))
    canonical = "POST\n/\n\n"
    canonical += "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical += f"\n{names}\n{sha256(BODY)}"
    scope = f"{date[:8]}/{region}/sts/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha256(canonical)}"
    key = mac(("AWS4" + SECRET).encode(), date[:8])
    for part in (region, "sts", "aws4_request"):
        key = mac(key, part)
    signature = mac(key, to_sign).hex()
    credential = f"Credential={KEY}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    )
    return {
        "canonical_request": canonical,
        "string_to_sign": to_sign,
        "headers": headers,
        "body": BODY,
        "signature": signature,
    }


def request(name, kind, region, date, nonce, update):
    digest = sha256(canonical_update(update))
    made = signed(region, date, f"spore/1 request {DOMAIN} {ZONE}", nonce, digest)
    proof = {
        "type": kind,
        "region": region,
        "access_key_id": KEY,
        "date": date,
        "token": TOKEN,
        "signature": made.pop("signature"),
        "nonce": nonce,
    }
    canonical = canonical_update(update)
    return {"name": name, "update": update, "canonical_update": canonical, "sha256": digest,
            **made, "proof": proof}


def answer(name, region, date, nonce, update, outcome):
    asked = sha256(canonical_update(update))
    canonical = canonical_answer(asked, outcome)
    digest = sha256(canonical)
    made = signed(region, date, f"spore/1 response {DOMAIN} {ZONE}", nonce, digest)
    proof = {
        "type": "updater-role",
        "region": region,
        "access_key_id": KEY,
        "date": date,
        "token": TOKEN,
        "signature": made.pop("signature"),
    }
    return {"name": name, "update": update, "nonce": nonce, "answer": outcome,
            "canonical_answer": canonical, "sha256": digest, **made, "proof": proof}


OWNER = ("v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261121T235948Z "
         "n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b")
NONCE = "5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b"
LEAST = {"record_name": "my-instance", "ip_address": "203.0.113.7"}
MOST = {"record_name": "my-instance", "ip_address": "2001:db8::7", "action": "UPSERT",
        "record_type": "AAAA", "ttl": 60, "owner": OWNER}
TEXT = {"record_name": "my-instance", "action": "UPSERT", "record_type": "TXT",
        "text": "v=1; a\nttl=1\r\n\tw\u00f6rter \u2603 \U0001f600 100% -._~ \"\\\x00"}
EMPTY = {"record_name": "", "text": "", "ttl": 0}
DELETE = {"record_name": "My-Instance", "action": "delete", "owner": OWNER}

REQUESTS = [
    request("least", "instance-role", "us-east-1", "20261122T060000Z", NONCE, LEAST),
    request("most", "instance-role", "us-west-2", "20260228T235959Z", "0" * 32, MOST),
    request("text", "instance-role", "eu-central-1", "20261122T060000Z", "f" * 32, TEXT),
    request("empty is not absent", "instance-role", "us-east-1", "20261122T060000Z", NONCE, EMPTY),
    request("nothing", "instance-role", "us-east-1", "20261122T060000Z", NONCE, {}),
    request("delete", "iam-role", "us-gov-west-1", "20240229T000000Z", NONCE, DELETE),
    request("china", "instance-role", "cn-north-1", "20261122T060000Z", NONCE, LEAST),
    request("sovereign", "instance-role", "eusc-de-east-1", "20261122T060000Z", NONCE, LEAST),
]

DONE = {"success": True, "code": "ok", "message": "my-instance is 203.0.113.7 now", "error": None,
        "record": "my-instance.1kpqzg2c.spore.example.edu", "change_id": "/change/C0123456789",
        "owner": OWNER, "request_id": "0b8a1c52-2a5c-4f0e-9d0e-2f6f2b6a6a6a",
        "timestamp": "2026-11-22T06:00:01Z"}
REFUSED = {"success": False, "code": "name_taken", "message": None,
           "error": "taken by another instance\nsuccess=true", "record": None, "change_id": None,
           "owner": None, "request_id": "gateway-1", "timestamp": "2026-11-22T06:00:01Z"}

ANSWERS = [
    answer("done", "us-east-1", "20261122T060001Z", NONCE, LEAST, DONE),
    answer("refused", "us-east-1", "20261122T060001Z", NONCE, MOST, REFUSED),
]

print(json.dumps({
    "made_by": "lambda/tests/vectors/make_protocol.py",
    "domain": DOMAIN,
    "zone_id": ZONE,
    "secret_access_key": SECRET,
    "requests": REQUESTS,
    "answers": ANSWERS,
}, indent=1))
