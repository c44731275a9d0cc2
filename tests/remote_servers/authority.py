"""A private authority, and servers' certificates that it signs."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from remote_servers.processes import HOST

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Authority"]


class Authority:
    """An authority with its certificate, `ca`, and one for HOST with its key, `certificate` and `key`: files."""

    def __init__(self, root: Path, name: str = "Private Authority") -> None:
        root.mkdir(parents=True, exist_ok=True)
        own, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        where = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")])
        self.ca = _written(root / "ca.crt", _builder(issuer, issuer, own, constraints).sign(own, hashes.SHA256()))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        signed = _builder(subject, issuer, key, where).sign(own, hashes.SHA256())
        self.certificate = _written(root / "server.pem", signed)
        self.key = root / "server.key"
        coding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.key.write_bytes(key.private_bytes(*coding))

    @property
    def section(self) -> dict[str, object]:
        """The section `tls` of a registry."""
        return {"certificate": str(self.certificate), "key": str(self.key)}

    @property
    def context(self) -> ssl.SSLContext:
        """The context of a server in Python."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
    return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))


def _written(path: Path, certificate: x509.Certificate) -> Path:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path
