"""Reads a CRL with Python's cryptography, verifies it, and writes the serial
numbers as JSON, in the form of AWS's sample for API Gateway.

Usage: pyca.py ISSUER.pem FILE.crl OUTPUT"""

import json
import sys

from cryptography import x509

issuer, path, out = sys.argv[1:]
with open(issuer, "rb") as f:
    ca = x509.load_pem_x509_certificate(f.read())
with open(path, "rb") as f:
    crl = x509.load_der_x509_crl(f.read())
if not crl.is_signature_valid(ca.public_key()):
    sys.exit("the signature does not verify")
revoked = {hex(entry.serial_number): "" for entry in crl}
with open(out, "w") as f:
    json.dump(revoked, f)
