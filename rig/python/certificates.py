"""Certificates for a test: certificates.py FOLDER.

Writes the authority's `ca.pem` and another authority's `other-ca.pem`. For `server` and for `weir` it writes a
certificate, its key, and both in one file: `NAME.crt`, `NAME.key`, `NAME.pem`.
"""

import sys
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(timezone.utc)


def name(common: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def builder(subject: x509.Name, issuer: x509.Name, public_key) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
    made = made.serial_number(x509.random_serial_number())
    return made.not_valid_before(NOW - timedelta(hours=1)).not_valid_after(NOW + timedelta(days=2))


def authority(common: str):
    own = key()
    subject = name(common, "weir-test")
    made = builder(subject, subject, own.public_key())
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return own, made.add_extension(usage, critical=True).sign(own, hashes.SHA256())


def signed(authority_key, authority_certificate, subject: x509.Name, usage):
    own = key()
    made = builder(subject, authority_certificate.subject, own.public_key())
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return own, made.sign(authority_key, hashes.SHA256())


def pem(certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def private(own) -> bytes:
    return own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def main(folder: Path) -> None:
    own, certificate = authority("weir-test-ca")
    (folder / "ca.pem").write_bytes(pem(certificate))
    (folder / "other-ca.pem").write_bytes(pem(authority("another-ca")[1]))
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    # MongoDB treats a client's certificate as a member's if both names have the same organisation.
    for file, subject, usage in [
        ("server", name("localhost", "weir-test-servers"), both),
        ("weir", name("weir", "weir-test-clients"), [ExtendedKeyUsageOID.CLIENT_AUTH]),
    ]:
        client_key, signed_certificate = signed(own, certificate, subject, usage)
        (folder / f"{file}.crt").write_bytes(pem(signed_certificate))
        (folder / f"{file}.key").write_bytes(private(client_key))
        (folder / f"{file}.pem").write_bytes(private(client_key) + pem(signed_certificate))
    for file in folder.glob("*.pem"):
        file.chmod(0o600)


main(Path(sys.argv[1]))
