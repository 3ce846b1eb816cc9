"""Whether the API could speak HTTPS with these files, found out before it is started with them."""

import ssl
from collections.abc import Iterator
from pathlib import Path

_CERTIFICATE, _KEY = "-----BEGIN CERTIFICATE-----", "PRIVATE KEY-----"


class _NeedsPassword(Exception):
    pass


def find_tls_problems(cert_file: Path, key_file: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with a certificate and its key, as (key, what is wrong and what is expected)."""
    problems = [
        *_unreadable("server.tls.cert_file", cert_file, _CERTIFICATE, "a certificate"),
        *_unreadable("server.tls.key_file", key_file, _KEY, "a private key"),
    ]
    yield from problems or _unusable(cert_file, key_file)


def _unreadable(name: str, file: Path, mark: str, what: str) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="latin-1")
    except OSError as error:
        yield name, f"is {file}, which cannot be read ({error.strerror}); expected a PEM file that can"
        return
    if mark not in text:
        yield name, f"is {file}, which holds no such thing; expected {what} in PEM form"


def _unusable(cert_file: Path, key_file: Path) -> Iterator[tuple[str, str]]:
    def refuse() -> str:
        # OpenSSL would ask for it at the console, where nobody may be.
        raise _NeedsPassword

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file, refuse)
    except _NeedsPassword:
        yield "server.tls.key_file", f"is {key_file}, which needs a password; expected a key without one"
    except ssl.SSLError as error:
        reason = (error.reason or "unreadable").lower().replace("_", " ")
        yield (
            "server.tls.key_file",
            f"is {key_file}, which does not go with server.tls.cert_file ({reason}); expected the key of that certificate",
        )
