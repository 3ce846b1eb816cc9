"""Opaque secrets of 256 random bits: refresh tokens and the secrets of service accounts."""

import hmac
import secrets
from collections.abc import Sequence

from qs.infra.auth.keys import Keyring


class KeyedSecrets:
    """Makes secrets and the HMAC-SHA256 by which they are known again; the secrets themselves are never stored.

    A slow hash would add nothing: unlike a password, 256 random bits cannot be searched.
    """

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        self._keyring = keyring
        self._purpose = purpose

    def mint(self, prefix: str) -> str:
        """A new secret, for its owner's eyes once; the prefix lets scanners recognise it when it leaks."""
        return prefix + secrets.token_urlsafe(32)

    def digest(self, secret: str) -> bytes:
        """What is stored in its place, under the current key."""
        return self._digest(secret, self._keyring.current_id)

    def digests(self, secret: str) -> Sequence[bytes]:
        """What may have been stored in its place, the current key's first."""
        return [self._digest(secret, key_id) for key_id in self._keyring.ids]

    def matches(self, secret: str, digest: bytes) -> bool:
        """Whether the digest is that secret's under any key, compared in constant time."""
        found = [hmac.compare_digest(candidate, digest) for candidate in self.digests(secret)]
        return any(found)

    def _digest(self, secret: str, key_id: str) -> bytes:
        key = self._keyring.subkey(self._purpose, key_id)
        return hmac.digest(key, secret.encode("utf-8", "surrogatepass"), "sha256")
