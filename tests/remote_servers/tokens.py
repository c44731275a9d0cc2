"""A token server for a real registry, as Docker Hub, Harbor and GitLab have one.

https://distribution.github.io/distribution/spec/auth/: GET with Basic (`token`), POST with an identity token
(`oauth2`). Tokens are JSON Web Tokens, signed with ES256: the registry checks them.
"""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from remote_servers.scripted import Reply, scripted
from remote_servers.secrets import IDENTITY, PAIR, USER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote_servers.scripted import Asked

__all__ = ["TokenServer", "token_server"]

SERVICE, ISSUER = "registry", "tokens"


class TokenServer:
    """Tokens for USER, and for everybody if `is_open`, each good for `lifetime` seconds.

    `asked` counts the scopes of the tokens that were given out, `refused` the requests that were refused. Repositories
    in `closed` are in no token.
    """

    def __init__(self, lifetime: int = 300, *, is_open: bool = False) -> None:
        self.lifetime, self.is_open = lifetime, is_open
        self.asked: Counter[str] = Counter()
        self.refused = 0
        self.closed: set[str] = set()
        self.realm = ""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(self._key)

    def section(self, root: Path) -> dict[str, object]:
        """Return the section `auth` of a registry that takes these tokens; writes the certificate into `root`."""
        root.mkdir(parents=True, exist_ok=True)
        path = root / "tokens.pem"
        path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        return {"token": {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(path)}}

    def answer(self, asked: Asked) -> Reply:
        """Return the answer to a request for a token."""
        form = parse_qs(asked.body.decode() if asked.method == "POST" else urlsplit(asked.path).query)
        if not self._is_let_in(asked, form):
            self.refused += 1
            return Reply(400 if asked.method == "POST" else 401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
        scopes = [scope for value in form.get("scope", []) for scope in value.split()]
        self.asked.update(scopes or [""])
        name = "access_token" if asked.method == "POST" else "token"
        return Reply(200, json.dumps({name: self.token(scopes), "expires_in": self.lifetime}).encode())

    def token(self, scopes: list[str]) -> str:
        """Return a signed token that permits what the scopes ask for, besides closed repositories."""
        now = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        body = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "access": [*self._access(scopes)]}
        body |= {"nbf": now - 10, "iat": now, "exp": now + self.lifetime, "jti": str(time.time_ns())}
        signed = f"{_coded(json.dumps(head).encode())}.{_coded(json.dumps(body).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_coded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _is_let_in(self, asked: Asked, form: dict[str, list[str]]) -> bool:
        if asked.method == "POST":
            return form.get("grant_type") == ["refresh_token"] and form.get("refresh_token") == [IDENTITY]
        said = asked.headers.get("Authorization", "")
        return said == f"Basic {PAIR}" or (self.is_open and not said)

    def _access(self, scopes: list[str]) -> Iterator[dict[str, object]]:
        for kind, name, actions in (scope.split(":") for scope in scopes if scope.count(":") == 2):
            if name not in self.closed:
                yield {"type": kind, "name": name, "actions": actions.split(",")}


@contextmanager
def token_server(lifetime: int = 300, *, is_open: bool = False) -> Iterator[TokenServer]:
    """Run a token server until the block ends."""
    made = TokenServer(lifetime, is_open=is_open)
    with scripted(made.answer) as server:
        made.realm = f"{server.url}/token"
        yield made


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    day = timedelta(days=1)
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + 9 * day)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
