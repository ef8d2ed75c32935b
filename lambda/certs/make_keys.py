#!/usr/bin/env python3
"""Writes keys.txt: the public keys of the certificates in signature/ and rsa2048/, by region.

The certificates are AWS's own, as its EC2 User Guide publishes them for each region ("AWS public
certificates for instance identity document signatures"). Only the keys are kept: see src/proof/keys.rs.

Usage: python3 make_keys.py > keys.txt          (Python's standard library and openssl)
"""

import base64
import pathlib
import ssl
import subprocess

HERE = pathlib.Path(__file__).parent

print("# TYPE KEY REGION...: made by make_keys.py; KEY is the base64 of a SubjectPublicKeyInfo.")
for kind in ("signature", "rsa2048"):
    regions = {}
    for pem in sorted((HERE / kind).glob("*.pem")):
        asked = ["openssl", "x509", "-in", str(pem), "-noout", "-pubkey"]
        key = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        spki = base64.b64decode("".join(key.strip().splitlines()[1:-1]))
        # The key must be part of the certificate, byte for byte, whatever openssl printed.
        assert spki in ssl.PEM_cert_to_DER_cert(pem.read_text().strip()), pem
        regions.setdefault(base64.b64encode(spki).decode(), []).append(pem.stem)
    for key, names in sorted(regions.items(), key=lambda entry: entry[1]):
        print(kind, key, *names)
