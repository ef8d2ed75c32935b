#!/bin/sh
# Registers this instance's public IPv4 address with nothing but curl, base64 and tr, by the proof
# `identity-document`: the way of spawn's document. The stack must allow it:
#
#   [updater]
#   proofs = ["instance-role", "identity-document"]
#
#   register-with-curl.sh https://API.execute-api.REGION.amazonaws.com/prod/update-dns my-instance
#
# Shows the updater's answer, and ends with 0 only if it says that the name is registered.
#
# What it cannot do, and why spore-register is better: the document was signed when the instance was started,
# not for this request, so whoever once saw it can use it from the same address while it is young enough
# for the updater, and after a quarter of an hour it proves nothing any more. The answer is not signed either:
# it is believed because of the URL.
set -eu

url=$1 name=$2
imds=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest

token=$(curl -fsS --noproxy '*' --max-time 5 -X PUT \
    -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' "$imds/api/token")
# With a dot after it: $(...) drops line ends, and the end of a pipe hides how its beginning ended.
metadata() {
    curl -fsS --noproxy '*' --max-time 5 -H "x-aws-ec2-metadata-token: $token" "$imds/$1" && echo .
}

address=$(metadata meta-data/public-ipv4)
document=$(metadata dynamic/instance-identity/document)
# RSA-2048; the older `signature` with `instance_identity_signature` is weaker (RSA-1024).
rsa2048=$(metadata dynamic/instance-identity/rsa2048)

address=${address%.}
# The exact bytes: a document that was read and written again has another signature.
document=$(printf '%s' "${document%.}" | base64 | tr -d '\n')
rsa2048=$(printf '%s' "${rsa2048%.}" | tr -d '\n')

# The document proves that the request comes from the instance's public IPv4 address: so it has to come
# from there, not by IPv6 and not by a proxy.
answer=$(curl -4 -sS --noproxy '*' --max-time 40 -w '\n%{http_code}' \
    -H 'content-type: application/json' --data-binary @- "$url" <<END
{"record_name": "$name", "ip_address": "$address", "action": "UPSERT",
 "instance_identity_document": "$document",
 "instance_identity_rsa2048": "$rsa2048"}
END
)
status=${answer##*
}
printf '%s\n' "${answer%
*}"
[ "$status" = 200 ]
