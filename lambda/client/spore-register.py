#!/usr/bin/env python3
"""spore-register for systems that the compiled program does not run on: Python 3.6 and its standard library.

One file: copy it to the instance. Same configuration, commands, state and exit codes as spore-register, and
the same promise: an answer counts as done only if AWS STS says that the updater's role signed it. Written
from the text at the top of lambda/src/protocol.rs and not from the other program, so that each of the two
judges whether that text is all a client needs.

    spore-register.py register [NAME] [--ip ADDRESS]
    spore-register.py delete [NAME]
    spore-register.py watch [NAME] [--once]
"""

import argparse
import datetime
import email.utils
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import platform
import random
import re
import signal
import socket
import ssl
import stat
import sys
import time
import xml.etree.ElementTree
from urllib.parse import quote, urlsplit

DONE, USAGE, INSTANCE, LATER, REFUSED, TAKEN, UNPROVEN = range(7)

METADATA = "http://169.254.169.254"
# Its two addresses, which the SDKs' variable may name as well.
METADATA_HOSTS = ("169.254.169.254", "fd00:ec2::254")
IDENTITY = "meta-data/identity-credentials/ec2/security-credentials/ec2-instance"
ADDRESS_PATHS = {
    "ipv4": "meta-data/public-ipv4",
    "private-ipv4": "meta-data/local-ipv4",
    "ipv6": "meta-data/ipv6",
}
ACTION = "Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
SIGNED_HEADERS = (
    "content-type;host;x-amz-date;x-amz-security-token;x-spore-audience;x-spore-nonce;x-spore-sha256"
)
STS_XML = "{https://sts.amazonaws.com/doc/2011-06-15/}"
UPDATE = ["record_name", "ip_address", "action", "record_type", "ttl", "text", "owner"]
ANSWER = ["code", "message", "error", "record", "change_id", "owner", "request_id", "timestamp"]
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")
LABEL_RULE = "letters, digits and hyphens are allowed, a letter first, no hyphen last, 63 in all"
MODIFY = "aws ec2 modify-instance-metadata-options --instance-id ID "
ANSWER_BYTES_MAX = 65536


class Trouble(Exception):
    """What went wrong, with its exit code; after: when the updater wants to be asked again."""

    def __init__(self, exit_code, text, after=None):
        Exception.__init__(self, text)
        self.exit_code, self.after = exit_code, after


class Changed(Trouble):
    """The name is not as it was believed to be."""


def say(line):
    print("spore-register: " + line, file=sys.stderr, flush=True)


def shown(text):
    """Text of others, made harmless for terminals and logs."""
    return re.sub(r"[^ -~]", "", str(text))[:600]


# ---- Configuration -----------------------------------------------------------------------------


def read_config(path):
    """The file that `spore-infra client-config` prints: one `key = value` on a line."""

    def bad(why):
        return Trouble(USAGE, "%s: %s" % (path, why))

    try:
        with open(path, encoding="utf-8") as file:
            about = os.fstat(file.fileno())
            text = file.read(65537)
    except (OSError, UnicodeDecodeError) as error:
        raise bad("%s; `spore-infra client-config` prints it" % error)
    if about.st_uid not in (0, os.geteuid()):
        raise bad("belongs to user %d; it must belong to root: chown root it" % about.st_uid)
    if stat.S_IMODE(about.st_mode) & 0o022:
        raise bad("may be written by others: chmod 644 it")
    if len(text) > 65536:
        raise bad("is longer than 65536 bytes")

    plain = r'"[^"\\]*"'
    value = r'(?:\d+|%s|\[\s*(?:%s\s*(?:,\s*%s\s*)*,?\s*)?\])' % (plain, plain, plain)
    line_form = re.compile(r"\s*(?:([A-Za-z0-9-]+)\s*=\s*(%s)\s*)?(?:#.*)?\Z" % value)
    config = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = line_form.match(line)
        if not found:
            raise bad("line %d is not of the form `key = value`" % number)
        key, written = found.groups()
        if key is None:
            continue
        if key in config:
            raise bad("line %d: %s is there twice" % (number, key))
        if written.startswith("["):
            config[key] = re.findall(r'"([^"]*)"', written)
        else:
            config[key] = written[1:-1] if written.startswith('"') else int(written)
    return check_config(config, bad)


def check_config(config, bad):
    needed = {
        "version": int, "url": str, "domain": str, "zone-id": str, "account": str, "updater-role": str,
    }
    kinds = dict(needed, name=str, families=list, lease=str)
    for key, found in config.items():
        if not isinstance(found, kinds.get(key, type(None))):
            raise bad("%s is of the wrong type" % key if key in kinds else "there is no key %s" % key)
    for key in needed:
        if key not in config:
            raise bad("%s is missing" % key)
    if config["version"] != 1:
        raise bad("version %d is not one this program reads: 1" % config["version"])
    url = urlsplit(config["url"])
    is_plain = url.scheme == "http" and is_this_machine(url.hostname or "")
    if (url.scheme != "https" and not is_plain) or not url.hostname or "@" in url.netloc or url.query:
        raise bad("url is not https; plain http is for this machine only")
    if not re.match(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+\Z", config["domain"]):
        raise bad("domain is not a domain in lower case without a last dot")
    if not re.match(r"[A-Z0-9]{1,32}\Z", config["zone-id"]):
        raise bad("zone-id is not the id of a zone")
    if not re.match(r"[0-9]{12}\Z", config["account"]):
        raise bad("account is not 12 digits")
    role = re.match(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:.*/)?([\w+=,.@-]+)\Z", config["updater-role"])
    if not role or role.group(2) != config["account"]:
        raise bad("updater-role is not the ARN of a role of `account`")
    config["role"] = role.groups()
    if "name" in config:
        if not LABEL.match(config["name"].lower()):
            raise bad("name cannot be registered: " + LABEL_RULE)
        config["name"] = config["name"].lower()
    families = config.setdefault("families", ["ipv4", "ipv6"])
    if not families or set(families) - set(ADDRESS_PATHS) or {"ipv4", "private-ipv4"} <= set(families):
        raise bad("families is to be some of ipv4 or private-ipv4, and ipv6")
    lease = re.match(r"([0-9]{1,9})([smhd])\Z", config.get("lease", "7d"))
    if not lease:
        raise bad("lease is not of the form `7d`: a number and s, m, h or d")
    config["lease"] = int(lease.group(1)) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[lease.group(2)]
    if not 60 <= config["lease"] <= 366 * 86400:
        raise bad("lease is not between a minute and a year")
    return config


def label(text, given):
    lowered = text.lower()
    if not LABEL.match(lowered):
        raise Trouble(USAGE, "%s: %r cannot be registered: %s" % (given, shown(text), LABEL_RULE))
    return lowered


def is_this_machine(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def simulated(variable, known=()):
    """Where a simulated AWS on this machine is, by a variable of the AWS SDKs; only for tests. known: hosts
    that it may name besides."""
    text = os.environ.get(variable)
    if text is None:
        return None
    try:
        url = urlsplit(text)
        # A port that is no number is an error only when it is looked at.
        host, _ = url.hostname or "", url.port
        is_plain = url.scheme == "http" and url.path in ("", "/") and not url.query and "@" not in url.netloc
        if is_plain and (host in known or is_this_machine(host)):
            return "http://" + url.netloc
    except ValueError:
        pass
    raise Trouble(
        USAGE,
        "%s is set to another place than this machine: it is for tests with the simulated AWS; "
        "unset it" % variable,
    )


def metadata_service():
    """Where the metadata is, and whether it is that of a simulated instance."""
    given = simulated("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA_HOSTS)
    return given or METADATA, given is not None and urlsplit(given).hostname not in METADATA_HOSTS


# ---- HTTP --------------------------------------------------------------------------------------


class Unreached(Exception):
    """No connection: nothing was sent."""


class Lost(Exception):
    """Something may have been sent; no answer came."""


class Sent:
    """An answer, whatever it says."""

    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read(ANSWER_BYTES_MAX + 1)
        if len(self.body) > ANSWER_BYTES_MAX:
            raise Lost("an answer of more than %d bytes" % ANSWER_BYTES_MAX)

    def date(self):
        try:
            return email.utils.parsedate_to_datetime(self.headers.get("date")).timestamp()
        except (TypeError, ValueError, AttributeError, IndexError):
            return None

    def retry_after(self):
        text = self.headers.get("retry-after") or ""
        return int(text) if re.match(r"[0-9]{1,6}\Z", text.strip()) else None


def send(method, url, headers, body="", within=30, source=None):
    """One request: by no proxy, without redirects. source: the unspecified address of a family."""
    parts = urlsplit(url)
    address = (source, 0) if source else None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=5, source_address=address, context=context
        )
    else:
        connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=min(5, within), source_address=address
        )
    try:
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise Unreached(str(error))
        connection.sock.settimeout(within)
        try:
            path = parts.path or "/"
            connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
            data = body.encode()
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(data)))
            connection.endheaders(data)
            return Sent(connection.getresponse())
        except socket.timeout:
            raise Lost("no answer within %d s" % within)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Lost(str(error) or type(error).__name__)
    finally:
        connection.close()


# ---- Metadata ----------------------------------------------------------------------------------


class Metadata:
    """What this instance is told of itself (IMDS version 2), for a minute."""

    def __init__(self):
        where, is_simulated = metadata_service()
        self.base = where + "/latest/"
        why = None
        for _ in range(3):
            try:
                headers = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}
                answer = send("PUT", self.base + "api/token", headers, within=2)
                break
            except Unreached as error:
                why = (
                    "the instance metadata service cannot be reached (%s): this is no EC2 instance, or a "
                    "firewall or a network policy keeps this program from 169.254.169.254" % error
                )
            except Lost:
                why = (
                    "the instance metadata service gives no token: in a container its answer has one "
                    "network hop more to go than it may; on the instance's side: "
                    + MODIFY + "--http-put-response-hop-limit 2"
                )
        else:
            raise Trouble(INSTANCE, why)
        if answer.status == 403:
            text = "the instance's metadata is switched off; on: " + MODIFY + "--http-endpoint enabled"
            raise Trouble(INSTANCE, text)
        if answer.status != 200:
            raise Trouble(INSTANCE, "the instance metadata service answered %d for a token" % answer.status)
        self.token = answer.body.decode("ascii", "replace").strip()
        # A simulated world has a clock of its own; a real instance's is its own business.
        date = answer.date() if is_simulated else None
        self.ahead = date - time.time() if date is not None else 0

    def now(self):
        return time.time() + self.ahead

    def read(self, path):
        """What a category says; None if the instance has none."""
        for _ in range(3):
            try:
                answer = send("GET", self.base + path, {"x-aws-ec2-metadata-token": self.token}, within=2)
                break
            except (Unreached, Lost) as error:
                text = "the instance metadata service did not answer for %s: %s" % (path, error)
        else:
            raise Trouble(INSTANCE, text)
        if answer.status == 404:
            return None
        if answer.status != 200:
            text = "the instance metadata service answered %d for %s" % (answer.status, path)
            raise Trouble(INSTANCE, text)
        return answer.body.decode("utf-8", "replace").strip()

    def credentials(self):
        text = self.read(IDENTITY)
        if text is None:
            raise Trouble(
                INSTANCE,
                "the metadata has no identity-credentials, which every EC2 instance has: something stands "
                "between this program and the metadata service; run it on the instance itself",
            )
        try:
            given = json.loads(text)
            if given["Code"] != "Success":
                raise ValueError
            return given["AccessKeyId"], given["SecretAccessKey"], given["Token"]
        except (ValueError, KeyError, TypeError):
            # What is wrong with the text is not told: it holds a secret.
            raise Trouble(INSTANCE, "the instance metadata service answered no credentials") from None

    def region(self):
        region = self.read("meta-data/placement/region") or ""
        if not re.match(r"[a-z]{2,4}(-[a-z]+)+-[0-9]\Z", region):
            raise Trouble(INSTANCE, "the instance metadata service answered no region")
        return region

    def addresses(self, families):
        found = {}
        for family in families:
            text = self.read(ADDRESS_PATHS[family])
            if text is not None:
                try:
                    address = ipaddress.ip_address(text)
                except ValueError:
                    raise Trouble(INSTANCE, "the instance metadata service answered no address")
                found[kind(address)] = address
        return found

    def name(self):
        if self.read("meta-data/tags/instance") is None:
            why = "the instance's metadata shows no tags (on: " + MODIFY + "--instance-metadata-tags enabled)"
        else:
            tag = self.read("meta-data/tags/instance/Name")
            if tag:
                return label(tag, "the instance's tag Name")
            why = "the instance has no tag Name"
        host = platform.node().split(".")[0]
        if not host or re.match(r"(localhost|ip(-[0-9]{1,3})+|i-[0-9a-f]{8,})\Z", host):
            text = "there is no name to register: %s, and its host name is EC2's own; say it (`register NAME`)"
            raise Trouble(INSTANCE, text % why)
        say(why + "; its host name is used")
        return label(host, "the host name")


def kind(address):
    return "A" if address.version == 4 else "AAAA"


# ---- The protocol ------------------------------------------------------------------------------


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def lines(title, pairs):
    """Members as they are hashed: a name alone where there is no value."""
    text = title + "\n"
    for name, value in pairs:
        # Before Python 3.7 quote() did not know that `~` is unreserved.
        text += name if value is None else name + "=" + quote(str(value), safe="~")
        text += "\n"
    return text


def canonical_update(update):
    return lines("spore/1 update", [(name, update.get(name)) for name in UPDATE])


def canonical_answer(request, answer):
    success = "true" if answer.get("success") is True else "false"
    pairs = [("request", request), ("success", success)]
    return lines("spore/1 answer", pairs + [(name, answer.get(name)) for name in ANSWER])


def sts_host(region):
    for start, suffix in (("cn-", "amazonaws.com.cn"), ("eusc-", "amazonaws.eu")):
        if region.startswith(start):
            return "sts.%s.%s" % (region, suffix)
    return "sts.%s.amazonaws.com" % region


def signed_headers(region, date, token, audience, nonce, digest):
    return {
        "content-type": CONTENT_TYPE,
        "host": sts_host(region),
        "x-amz-date": date,
        "x-amz-security-token": token,
        "x-spore-audience": audience,
        "x-spore-nonce": nonce,
        "x-spore-sha256": digest,
    }


def sign(secret, region, headers):
    """AWS Signature Version 4 over the one request there is."""
    date = headers["x-amz-date"]
    canonical = "POST\n/\n\n"
    canonical += "".join("%s:%s\n" % (name, headers[name]) for name in SIGNED_HEADERS.split(";"))
    canonical += "\n%s\n%s" % (SIGNED_HEADERS, sha256(ACTION))
    scope = "%s/%s/sts/aws4_request" % (date[:8], region)
    to_sign = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (date, scope, sha256(canonical))
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def who_signed(body):
    """Account, ARN and user id as STS writes them, and in no other form."""
    if len(body) > 4096 or b"<!" in body or b"<?" in body[5:]:
        return None
    try:
        root = xml.etree.ElementTree.fromstring(body)
    except xml.etree.ElementTree.ParseError:
        return None
    shape = [(child.tag, [leaf.tag for leaf in child]) for child in root]
    result = [STS_XML + name for name in ("Arn", "UserId", "Account")]
    if root.tag != STS_XML + "GetCallerIdentityResponse" or len(shape) != 2:
        return None
    if shape[0][0] != STS_XML + "GetCallerIdentityResult" or sorted(shape[0][1]) != sorted(result):
        return None
    if shape[1] != (STS_XML + "ResponseMetadata", [STS_XML + "RequestId"]):
        return None
    if any(len(leaf) for child in root for leaf in child) or any(one.attrib for one in root.iter()):
        return None
    return tuple(root[0].find(tag).text or "" for tag in result)


def is_updater(role, who):
    """Whether it is a session of the role that the configuration names."""
    partition, account, name = role
    arn, user_id, of_account = who
    session = re.match(r"[\w+=,.@-]{2,64}\Z", arn.rsplit("/", 1)[-1])
    if of_account != account or not session:
        return False
    is_role = arn == "arn:%s:sts::%s:assumed-role/%s/%s" % (partition, account, name, session.group())
    return is_role and re.match(r"AROA[A-Z0-9]+:", user_id) is not None and user_id.endswith(
        ":" + session.group()
    )


class Asker:
    """Asks one updater as this instance."""

    def __init__(self, config, metadata):
        self.config, self.metadata = config, metadata
        self.key, self.secret, self.token = metadata.credentials()
        self.region = metadata.region()
        self.way_out = simulated("AWS_ENDPOINT_URL")
        self.sts = simulated("AWS_ENDPOINT_URL_STS") or self.way_out

    def ask(self, update):
        """One update; the updater's own answer, proven."""
        domain, zone = self.config["domain"], self.config["zone-id"]
        nonce = "%032x" % random.SystemRandom().getrandbits(128)
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.metadata.now()))
        digest = sha256(canonical_update(update))
        audience = "spore/1 request %s %s" % (domain, zone)
        headers = signed_headers(self.region, date, self.token, audience, nonce, digest)
        proof = {
            "type": "instance-role",
            "region": self.region,
            "access_key_id": self.key,
            "date": date,
            "token": self.token,
            "signature": sign(self.secret, self.region, headers),
            "nonce": nonce,
        }
        answer = self.post(update, json.dumps(dict(update, proof=proof)))
        skew = self.skew(answer)
        try:
            said = json.loads(answer.body.decode())
            if not isinstance(said["code"], str) or said["success"] is not (answer.status == 200):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise self.foreign(answer)
        proof = said.get("proof")
        if proof is not None:
            self.prove(proof, nonce, canonical_answer(digest, said), skew)
        elif said["success"]:
            raise unproven("it says that all is done, and nobody signed it")
        if said["success"]:
            return said
        text = shown(said.get("error") or said["code"]) + ("" if proof is not None else skew)
        if said["code"] == "name_changed":
            raise Changed(LATER, text + "; try again, and if it stays so look at this machine's clock")
        if said["code"] == "name_taken":
            raise Trouble(TAKEN, text)
        if said["code"] in ("rate_limited", "busy", "internal", "unavailable"):
            raise Trouble(LATER, text, answer.retry_after())
        raise Trouble(REFUSED, text)

    def post(self, update, body):
        """Sends it; once more, byte for byte, where the answer was lost."""
        url = urlsplit(self.config["url"])
        target = self.config["url"]
        if self.way_out and is_this_machine(url.hostname):
            target = self.way_out + url.path
        # Where nobody can ask EC2, an address is proven by coming from it.
        sources = [None]
        if "ip_address" in update and not re.search(r"[:\[]|^[0-9.]+$", url.hostname):
            sources.insert(0, "::" if ":" in update["ip_address"] else "0.0.0.0")
        last, lost = None, 0
        while sources and lost < 2:
            try:
                return send("POST", target, {"content-type": "application/json"}, body, 30, sources[0])
            except Unreached as error:
                last = error
                sources.pop(0)
            except Lost as error:
                last = error
                lost += 1
                time.sleep(1)
        raise Trouble(LATER, "no answer from %s: %s" % (url.hostname, last))

    def prove(self, proof, nonce, answer, skew):
        """Whether the answer is signed by the updater's role, which STS says."""
        forms = {
            "type": r"updater-role\Z",
            "region": r"[a-z]{2,4}(-[a-z]+)+-[0-9]\Z",
            "access_key_id": r"ASIA[A-Z0-9]{12,124}\Z",
            "date": r"[0-9]{8}T[0-9]{6}Z\Z",
            "token": r"[A-Za-z0-9+/=_-]{1,4096}\Z",
            "signature": r"[0-9a-f]{64}\Z",
        }
        if not isinstance(proof, dict) or set(proof) != set(forms):
            raise unproven("its proof has other members than it should")
        for name, form in forms.items():
            if not isinstance(proof[name], str) or not re.match(form, proof[name]):
                raise unproven("its proof's %s is malformed" % name)
        try:
            dated = datetime.datetime.strptime(proof["date"] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        except ValueError:
            raise unproven("its proof's date is malformed")
        if abs(dated - self.metadata.now()) > 121:
            raise unproven("it is dated %d s from this machine's clock" % abs(dated - self.metadata.now()) + skew)
        region = proof["region"]
        audience = "spore/1 response %s %s" % (self.config["domain"], self.config["zone-id"])
        headers = signed_headers(region, proof["date"], proof["token"], audience, nonce, sha256(answer))
        headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s/%s/sts/aws4_request, SignedHeaders=%s, Signature=%s" % (
            proof["access_key_id"], proof["date"][:8], region, SIGNED_HEADERS, proof["signature"],
        )
        url = (self.sts or "https://" + headers["host"]) + "/"
        why = ""
        for wait in (0, 2, 4):
            time.sleep(wait)
            try:
                told = send("POST", url, headers, ACTION, 10)
            except (Unreached, Lost) as error:
                why = error
                continue
            if told.status == 429 or told.status >= 500 or b"<Code>Throttling" in told.body:
                why = "status %d" % told.status
                continue
            is_xml = (told.headers.get("content-type") or "").split(";")[0].strip().lower() == "text/xml"
            who = who_signed(told.body) if told.status == 200 and is_xml else None
            if who is None:
                raise unproven("STS does not accept its signature (status %d)" % told.status + skew)
            if not is_updater(self.config["role"], who):
                raise unproven("it is not signed by the updater's role")
            return
        raise Trouble(
            LATER,
            "the updater answered, but %s could not be asked whether it was the updater (%s)"
            % (headers["host"], why),
        )

    def skew(self, answer):
        date = answer.date()
        behind = 0 if date is None else int(date - self.metadata.now())
        if abs(behind) <= 60:
            return ""
        way = "behind" if behind > 0 else "ahead of"
        return "; this machine's clock is %d s %s AWS's: set it (chrony, timedatectl)" % (abs(behind), way)

    def foreign(self, answer):
        """An answer that has not the form of ours."""
        url = urlsplit(self.config["url"])
        error = shown((answer.headers.get("x-amzn-errortype") or "").split(":")[0])
        if answer.status == 403:
            return Trouble(
                REFUSED,
                "%s answered 403 (%s), and not as the updater does: if the VPC has an interface endpoint for "
                "execute-api with private DNS names, that endpoint answers for public APIs too; turn its "
                "private DNS names off, or let this host name be resolved outside the VPC. Else `url` in the "
                "configuration is of an API that is gone" % (url.hostname, error),
            )
        if answer.status == 429 or answer.status >= 500:
            return Trouble(LATER, "%s answered %d" % (url.hostname, answer.status), answer.retry_after())
        return Trouble(
            REFUSED,
            "%s answered %d, and not as the updater does; compare `url` in the configuration with "
            "`spore-infra client-config`" % (url.hostname, answer.status),
        )


def unproven(why):
    return Trouble(UNPROVEN, "the answer does not prove that it is the updater's: " + why)


# ---- What is remembered ------------------------------------------------------------------------


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def unstamp(text):
    whole = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z\Z", text or "")
    if not whole:
        return None
    return datetime.datetime.strptime(whole.group(1) + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()


class Memory:
    """The owner mark and when to ask again; lambda/src/register/memory.rs says the form."""

    def __init__(self, folder, name, zone_id, instance_id):
        self.folder, self.path = folder, os.path.join(folder, name + ".json")
        self.is_kept = True
        self.kept = {
            "version": 1, "zone_id": zone_id, "instance_id": instance_id, "owner": None, "records": {},
            "missing": {}, "renew": None, "not_before": None, "failures": 0,
        }
        try:
            with open(self.path, encoding="utf-8") as file:
                read = json.load(file)
            # A copy of another instance's disk says nothing of this one.
            is_ours = all(read[key] == self.kept[key] for key in ("version", "zone_id", "instance_id"))
            if is_ours and self.is_whole(read):
                self.kept.update({key: read[key] for key in self.kept})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass

    @staticmethod
    def is_whole(read):
        """Whether all members have their form; what is read is somebody's file."""
        addresses = read["records"].items()
        stamps = [read[key] for key in ("renew", "not_before") if read[key] is not None]
        stamps += read["missing"].values()
        return (
            all(isinstance(one, str) and kind(ipaddress.ip_address(one)) == record for record, one in addresses)
            and set(read["missing"]) <= {"A", "AAAA"}
            and all(unstamp(one) is not None for one in stamps)
            and type(read["failures"]) is int
            and read["failures"] >= 0
            and (read["owner"] is None or isinstance(read["owner"], str))
        )

    def keep(self):
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            beside = self.path + ".new"
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(number, "w") as file:
                os.fchmod(number, 0o600)
                json.dump(self.kept, file)
                file.flush()
                os.fsync(number)
            os.rename(beside, self.path)
        except OSError as error:
            if self.is_kept:
                say("%s; nothing is remembered, which costs the updater a question more each time" % error)
            self.is_kept = False

    def forget(self):
        try:
            os.remove(self.path)
        except OSError:
            pass


# ---- Commands ----------------------------------------------------------------------------------


class Client:
    """One name of this instance."""

    def __init__(self, config, folder, name):
        self.config, self.folder, self.given = config, folder, name
        self.metadata = self.asker = self.memory = self.name = None
        # Until when the updater is not asked, after a failure.
        self.waits = None

    def look(self):
        """Reads the metadata anew, and what is remembered."""
        self.metadata = Metadata()
        if self.name is None:
            self.name = self.given or self.config.get("name") or self.metadata.name()
        # Read anew each time, since `register` may have been run meanwhile.
        if self.memory is None or self.memory.is_kept:
            instance = self.metadata.read("meta-data/instance-id")
            self.memory = Memory(self.folder, self.name, self.config["zone-id"], instance)
        self.asker = None

    def register(self, addresses):
        self.look()
        wanted = {kind(address): address for address in addresses}
        if len(wanted) != len(addresses):
            raise Trouble(USAGE, "a name has at most one IPv4 and one IPv6 address; leave one --ip out")
        wanted = wanted or self.metadata.addresses(self.config["families"])
        if not wanted:
            raise self.no_address()
        tasks = list(wanted.items())
        tasks += [(record, None) for record in self.memory.kept["records"] if record not in wanted]
        self.carry_out(tasks, self.patiently)

    def carry_out(self, tasks, how=lambda once: once()):
        """Changes records, as many as it can: one that is refused is no reason to leave the others. Afterwards
        the first trouble is raised, and what is known of failures is kept."""
        troubles = []
        for record, address in tasks:
            try:
                print(how(lambda: self.change(record, address)), flush=True)
            except Exception as error:
                trouble = error if isinstance(error, Trouble) else Trouble(LATER, unexpected(error))
                troubles.append(trouble)
                # The name is somebody else's, the updater said when to come again, or it was not asked.
                is_of_one = trouble.exit_code in (LATER, REFUSED, UNPROVEN) and trouble.after is None
                if not is_of_one:
                    break
        self.ended(troubles)
        self.memory.keep()
        if troubles:
            raise troubles[0]

    def delete(self):
        self.look()
        update = {"record_name": self.name, "action": "DELETE"}
        said = self.patiently(lambda: self.newer(update))
        self.memory.forget()
        print(shown(said.get("message") or said["code"]), flush=True)

    def watch_once(self):
        """Does what is due; whether anything was."""
        self.look()
        has = self.metadata.addresses(self.config["families"])
        kept, now = self.memory.kept, self.metadata.now()
        missing = {record: kept["missing"].get(record) or stamp(now) for record in kept["records"] if record not in has}
        is_new = missing != kept["missing"]
        kept["missing"] = missing

        def is_ahead(text, at_most):
            # What is remembered for later than it can have been written is of a clock that was wrong.
            return now < (unstamp(text) or 0) <= now + at_most

        tasks = []
        self.waits = kept["not_before"] if is_ahead(kept["not_before"], 7200) else None
        if self.waits is None:
            is_held = {record: kept["records"].get(record) == str(has[record]) for record in has}
            # One record's request renews the name: that of one it has already comes first, since a new one may
            # be refused for ever.
            held = sorted(record for record in has if is_held[record])
            if held and not is_ahead(kept["renew"], self.config["lease"]):
                tasks = [(held[0], has[held[0]])]
            tasks += [(record, has[record]) for record in has if not is_held[record]]
            tasks += [(record, None) for record, since in missing.items() if now - (unstamp(since) or 0) >= 60]
        if not tasks:
            if is_new:
                self.memory.keep()
            if not has and not kept["records"]:
                raise self.no_address()
            return False
        self.carry_out(tasks)
        return True

    def watch(self):
        told = None
        while True:
            try:
                if self.watch_once():
                    told = None
            except Trouble as trouble:
                # Once, not each time.
                if told != str(trouble):
                    told = str(trouble)
                    say(told)
            except Exception as error:  # Whatever it is, the name is to be kept: the next look may go well.
                if told != unexpected(error):
                    told = unexpected(error)
                    say(told)
            time.sleep(30)

    def no_address(self):
        return Trouble(
            INSTANCE,
            "the instance has no address of the families %s; give it one, name the address (--ip), or "
            "change `families` in the configuration" % ", ".join(self.config["families"]),
        )

    def change(self, record, address):
        """One record, and what is known afterwards."""
        update = {"record_name": self.name, "action": "UPSERT" if address else "DELETE", "record_type": record}
        if address:
            update["ip_address"] = str(address)
        kept = self.memory.kept
        said = self.newer(update)
        kept["owner"] = said.get("owner")
        kept["missing"].pop(record, None)
        if address:
            kept["records"][record] = str(address)
            lease = self.config["lease"] * (0.3 + random.random() / 30)
            kept["renew"] = stamp(self.metadata.now() + lease)
        else:
            kept["records"].pop(record, None)
        self.memory.keep()
        return "%s %s %s" % (shown(said.get("record")), record, address or "-")

    def ended(self, troubles):
        """What is known after all was tried: how long to wait at least, longer each time, and never less than
        was asked for."""
        kept = self.memory.kept
        waits = [self.wait_after(one) for one in troubles if one.exit_code in (LATER, REFUSED, TAKEN, UNPROVEN)]
        if not troubles:
            kept["not_before"], kept["failures"] = None, 0
        if waits:
            kept["failures"] += 1
            # Whole seconds are kept, so rounded up.
            kept["not_before"] = stamp(self.metadata.now() + max(waits) + 1)

    def wait_after(self, trouble):
        first, longest = (60, 3600) if trouble.exit_code in (REFUSED, TAKEN) else (5, 600)
        # A wait is never so long that a name with a short lease is lost by it.
        longest = min(longest, self.config["lease"] / 6)
        wait = min(first * 2 ** min(self.memory.kept["failures"], 16), longest) * random.uniform(0.5, 1)
        return max(wait, min(trouble.after or 0, 3600) * random.uniform(1, 1.25))

    def newer(self, update):
        """Asks with a later date than that of the mark, and once more without it if it is not there."""
        self.asker = self.asker or Asker(self.config, self.metadata)
        owner = self.memory.kept["owner"]
        marked = re.search(r" t=(\d{8}T\d{6}Z) ", owner or "")
        if marked:
            dated = datetime.datetime.strptime(marked.group(1) + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
            wait = dated + 1 - self.metadata.now()
            if 0 < wait <= 2:
                time.sleep(wait)
        try:
            return self.asker.ask(dict(update, owner=owner) if owner and update["action"] == "UPSERT" else update)
        except Changed:
            self.memory.kept["owner"] = None
            time.sleep(1.1)
            return self.asker.ask(update)

    @staticmethod
    def patiently(once):
        """Tries what may work later, while somebody waits."""
        for tries in (1, 2, 3):
            try:
                return once()
            except Changed:
                raise
            except Trouble as trouble:
                wait = trouble.after or 2 << tries
                if trouble.exit_code != LATER or tries == 3 or wait > 30:
                    raise
                say("%s; trying again in %d s" % (trouble, wait))
                time.sleep(wait * random.uniform(1, 1.25))


def unexpected(error):
    """What may be told of an error of this program: its text may hold anything, a secret too."""
    return "an error of this program (%s)" % type(error).__name__


def main():
    parser = argparse.ArgumentParser(
        description="Gives this EC2 instance a name in DNS, and keeps it.",
        epilog="Exit codes: 0 done, 1 command line or configuration, 2 no instance or metadata, "
        "3 may work later, 4 refused, 5 the name is somebody else's, 6 the answer is not proven.",
    )
    parser.add_argument("--config", default="/etc/spore-register.toml", help="the configuration; root's")
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0] or "/var/lib/spore-register"
    parser.add_argument("--state", default=state, help="where to remember what was answered")
    commands = parser.add_subparsers(dest="command", metavar="register|delete|watch")
    commands.required = True
    for command in ("register", "delete", "watch"):
        one = commands.add_parser(command)
        one.add_argument("name", nargs="?", metavar="NAME")
        if command == "register":
            one.add_argument("--ip", action="append", default=[], type=ipaddress.ip_address)
        if command == "watch":
            one.add_argument("--once", action="store_true", help="do what is due, then end")
    try:
        given = parser.parse_args()
    except SystemExit as ended:
        return USAGE if ended.code else DONE
    try:
        name = label(given.name, "NAME") if given.name else None
        client = Client(read_config(given.config), given.state, name)
        if given.command == "register":
            client.register(given.ip)
        elif given.command == "delete":
            client.delete()
        elif given.once:
            if not client.watch_once() and client.waits:
                text = "the last try failed; the next one is due at %s, `register` tries at once"
                raise Trouble(LATER, text % client.waits)
        else:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
            signal.signal(signal.SIGINT, lambda *_: sys.exit(DONE))
            client.watch()
    except Trouble as trouble:
        after = "" if trouble.after is None else "; again in %d s at the earliest" % trouble.after
        say(str(trouble) + after)
        return trouble.exit_code
    except Exception as error:  # An error of this program: systemd and timers are to try again.
        say(unexpected(error))
        return LATER
    return DONE


if __name__ == "__main__":
    sys.exit(main())
