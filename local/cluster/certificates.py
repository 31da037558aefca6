"""A certificate authority per simulated cluster, and what it issues: real TLS, on loopback only."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.cluster.files import write_private

_LIFETIME = dt.timedelta(days=3650)
_SKEW = dt.timedelta(hours=1)
_RSA_BITS = 2048


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key (mode 0600), as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority kept in ``directory``; made on first use, read again later.

    With ``rotated`` it has the form that controllers ask of it which renew their certificates by themselves (module
    open-policy-agent/cert-controller): an RSA key in PKCS #1, and a certificate that is valid for its own name.
    """

    def __init__(self, directory: Path, name: str, *, rotated: bool = False) -> None:
        self._directory = directory
        self.pair = Pair(directory / "ca.crt", directory / "ca.key")
        if not (self.pair.certificate.exists() and self.pair.key.exists()):
            _make_authority(self.pair, name, rotated=rotated)
        self._certificate = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(self.pair.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError(f"{self.pair.key} is no elliptic-curve or RSA key: remove the directory {directory}")
        self._key = key

    @property
    def pem(self) -> str:
        """The authority's certificate."""
        return self.pair.certificate.read_text()

    def server(self, file_name: str, hosts: Sequence[str]) -> Pair:
        """A certificate for a server that is reached by ``hosts`` (names and IP addresses), also usable as a client.

        etcd's server certificate is presented by etcd as a client too (its own gateway), hence both usages.
        """
        return self._issue(file_name, file_name, (), hosts)

    def client(self, file_name: str, user: str, groups: Sequence[str] = ()) -> Pair:
        """A client certificate: Kubernetes reads the common name as the user, organizations as groups."""
        return self._issue(file_name, user, groups, ())

    def node(self, file_name: str, node: str, hosts: Sequence[str]) -> Pair:
        """A kubelet's certificate, client and server in one; its user is one that the Node authorizer knows."""
        return self._issue(file_name, f"system:node:{node}", ("system:nodes",), hosts)

    def _issue(self, file_name: str, common_name: str, groups: Sequence[str], hosts: Sequence[str]) -> Pair:
        pair = Pair(self._directory / f"{file_name}.crt", self._directory / f"{file_name}.key")
        if pair.certificate.exists() and pair.key.exists():
            return pair
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = _builder(x509.Name(attributes), self._certificate.subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), False)
        certificate = builder.sign(self._key, hashes.SHA256())
        write_private(pair.key, _key_pem(key))
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM).decode())
        return pair


def service_account_keys(directory: Path) -> Pair:
    """The key pair that signs service-account tokens; ``certificate`` is the public key (PEM)."""
    pair = Pair(directory / "service-accounts.pub", directory / "service-accounts.key")
    if not (pair.certificate.exists() and pair.key.exists()):
        key = _rsa_key()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(pair.key, _key_pem(key))
        write_private(pair.certificate, public.decode())
    return pair


def _make_authority(pair: Pair, name: str, *, rotated: bool) -> None:
    key = _rsa_key() if rotated else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    if rotated:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    write_private(pair.key, _key_pem(key, traditional=rotated))
    write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM).decode())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *, traditional: bool = False) -> str:
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
