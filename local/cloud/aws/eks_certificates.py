"""A certificate authority for clusters that no supervisor makes real: valid PEM, but its key is thrown away."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

LIFETIME = timedelta(days=3650)


@cache
def certificate_authority() -> str:
    """Base64 of the PEM text of a self-signed CA certificate, as ``certificateAuthority.data`` holds it."""
    # Only plans and tests without a supervisor get here; the import costs a tenth of a second.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes (simulated)")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()
