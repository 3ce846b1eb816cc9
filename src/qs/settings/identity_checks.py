"""Rules over the settings of who issues access tokens."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from qs.settings.guessing import PASSWORD_BITS, is_guessable
from qs.settings.keys import value_of
from qs.settings.sections import Settings

Problems = Iterator[tuple[str, str]]

_SHORTEST_SECRET = 12
# What only one of the modes reads; set in another it is a mode that somebody forgot to set.
_OF_MODE = {
    "auth.jwks_url": ("jwks",),
    "auth.introspection_url": ("introspection",),
    "auth.client_id": ("introspection",),
    "auth.client_secret": ("introspection",),
    "auth.default_tenant": ("jwks", "introspection"),
    "auth.role_prefix": ("jwks", "introspection"),
    "auth.ca_file": ("jwks", "introspection"),
    "auth.admin_username": ("builtin",),
    "auth.admin_password": ("builtin",),
}
_NEEDED = {
    "jwks": {
        "auth.jwks_url": "the address of the provider's keys",
        "auth.issuer": "the iss of its tokens, letter by letter",
        "auth.audience": "what its tokens must name in aud to be for this service",
    },
    "introspection": {
        "auth.introspection_url": "the address at which the provider tells of tokens",
        "auth.issuer": "the iss of its tokens, letter by letter",
        "auth.audience": "what its tokens must name in aud to be for this service",
    },
}


def find_identity_problems(settings: Settings) -> Problems:
    """What does not go together with ``auth.mode``."""
    auth = settings.auth
    for name, modes in _OF_MODE.items():
        if auth.mode not in modes and value_of(settings, name) is not None:
            expected = " or ".join(modes)
            yield (
                name,
                f"is not read with auth.mode {auth.mode}; expected auth.mode {expected}, or leave it out",
            )
    for name, what in _NEEDED.get(auth.mode, {}).items():
        if value_of(settings, name) is None:
            yield name, f"is missing; auth.mode {auth.mode} needs {what}"
    if auth.mode == "introspection" and (auth.client_id is None) != (auth.client_secret is None):
        missing = "auth.client_id" if auth.client_id is None else "auth.client_secret"
        yield (
            missing,
            "is missing; the provider is asked with both auth.client_id and auth.client_secret, or neither",
        )
    if auth.ca_file is not None and not _holds_certificates(auth.ca_file):
        yield (
            "auth.ca_file",
            f"is {auth.ca_file}, which holds no certificates; expected a PEM file of authorities",
        )
    for name in ("auth.jwks_url", "auth.introspection_url"):
        if _has_userinfo(value_of(settings, name)):
            yield (
                name,
                "holds a user name or a password; expected auth.client_id and auth.client_secret instead",
            )


def find_open_identity(settings: Settings) -> Problems:
    """What production refuses."""
    for name in ("auth.jwks_url", "auth.introspection_url"):
        address = value_of(settings, name)
        if address is not None and address.lower().startswith("http:"):
            yield (
                name,
                "is not https, so whoever is on the way decides who may come in; expected https://host/path",
            )
    secret = settings.auth.client_secret
    if secret is not None and (len(secret) < _SHORTEST_SECRET or is_guessable(secret, PASSWORD_BITS)):
        yield (
            "auth.client_secret",
            f"can be guessed; expected {_SHORTEST_SECRET} characters or more, not a known one",
        )


def _holds_certificates(file: Path) -> bool:
    try:
        return bool(ssl.create_default_context(cafile=str(file)).get_ca_certs())
    except OSError:
        # It cannot be read, or not as PEM.
        return False


def _has_userinfo(address: str | None) -> bool:
    try:
        return "@" in urlsplit(address or "").netloc
    except ValueError:
        # That it is no address is said elsewhere.
        return False
