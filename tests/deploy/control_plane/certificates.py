"""Certificates for servers on loopback, by an authority that lives as long as the process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from workers.local.ports import LOOPBACK

_DAY: Final = timedelta(days=1)


class Authority:
    """Signs certificates for servers and clients alike; its own key is nowhere but in memory."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("rpbert test authority")
        self._certificate = (
            self._unsigned(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, SHA256())
        )

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self._certificate.public_bytes(Encoding.PEM).decode()

    def issue(self, directory: Path, name: str, *, hosts: Sequence[str] = ()) -> Path:
        """Write `ca.crt`, `tls.crt` and `tls.key`, and `both.pem` with key and certificate.

        Args:
            directory: where; made if it isn't there.
            name: common name, which a client is known by.
            hosts: names that a server has beside `localhost` and its address.

        Returns:
            The directory.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(host) for host in ("localhost", *hosts)]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            self._unsigned(_named(name), key.public_key())
            .add_extension(
                x509.SubjectAlternativeName([*names, x509.IPAddress(ip_address(LOOPBACK))]), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, SHA256())
        )
        directory.mkdir(parents=True, exist_ok=True)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = certificate.public_bytes(Encoding.PEM).decode()
        for file, text in (
            ("ca.crt", self.pem),
            ("tls.crt", public),
            ("tls.key", private),
            ("both.pem", private + public),
        ):
            (directory / file).write_text(text, encoding="ascii")
        return directory

    def _unsigned(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _DAY,
            not_valid_after=now + _DAY,
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
