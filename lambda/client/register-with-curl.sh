#!/bin/sh
# Registers this instance's public IPv4 address with nothing but curl, base64 and tr, by the proof
# `identity-document`: the way of spawn's document. The stack must allow it:
#
#   [updater]
#   proofs = ["instance-role", "identity-document"]
#
#   register-with-curl.sh https://API.execute-api.REGION.amazonaws.com/prod/update-dns my-instance
#
# What it cannot do, and why spore-register is better: the document was signed when the instance was started,
# not for this request, so whoever once saw it can use it from the same address while it is young enough
# for the updater, and after a quarter of an hour it proves nothing any more. The answer is not signed either:
# it is believed because of the URL.
set -eu

url=$1 name=$2
imds=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest

token=$(curl -fsS --noproxy '*' -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' "$imds/api/token")
metadata() {
    curl -fsS --noproxy '*' -H "x-aws-ec2-metadata-token: $token" "$imds/$1"
}

address=$(metadata meta-data/public-ipv4)
# The exact bytes: a document that was read and written again has another signature.
document=$(metadata dynamic/instance-identity/document | base64 | tr -d '\n')
# RSA-2048; the older `signature` with `instance_identity_signature` is weaker (RSA-1024).
rsa2048=$(metadata dynamic/instance-identity/rsa2048 | tr -d '\n')

curl -sS -X POST -H 'content-type: application/json' --data-binary @- "$url" <<END
{"record_name": "$name", "ip_address": "$address", "action": "UPSERT",
 "instance_identity_document": "$document",
 "instance_identity_rsa2048": "$rsa2048"}
END
echo
