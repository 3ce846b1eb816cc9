"""The installation's secret keys, and a subkey of each for every purpose."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST_KEY = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,1024}")
_SUBKEY_BYTES = 32


class KeyringUnusable(ValueError):
    """The text is no keyring; the message names key ids and never a key."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the secret key {what}, so nothing can be signed or read; write QS_SECRET_KEY as id:key[,id:key], "
            f"each key of {SHORTEST_KEY} characters or more"
        )


class KeyUnknown(LookupError):
    """Something was made with a key that is not in the keyring (any more)."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(
            f"the keyring has no key {key_id[:32]!r}, so what was made with it cannot be read; "
            "add that key to QS_SECRET_KEY again, behind the present one"
        )


class Keyring:
    """Keys by id. The first one signs and encrypts, all of them verify and decrypt."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self._keys: dict[str, bytes] = {}
        for key_id, key in keys:
            if not _KEY_ID.fullmatch(key_id):
                raise KeyringUnusable("has an id that is not 1 to 32 letters, digits, - and _")
            if key_id in self._keys:
                raise KeyringUnusable(f"names the id {key_id} twice")
            if not _KEY.fullmatch(key):
                raise KeyringUnusable(f"{key_id} is empty, too long, or holds a blank or a comma")
            if len(key) < SHORTEST_KEY:
                raise KeyringUnusable(f"{key_id} is shorter than {SHORTEST_KEY} characters")
            self._keys[key_id] = key.encode("ascii")
        if not self._keys:
            raise KeyringUnusable("is empty")
        self._derive = cache(self._derived)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keyring written as ``id:key[,id:key]``.

        Raises:
            KeyringUnusable: it is malformed, names an id twice, or has a key of under 32 characters.
        """
        pairs = [part.strip().partition(":") for part in text.split(",")]
        if not all(colon for _, colon, _ in pairs):
            raise KeyringUnusable("is not of the form id:key")
        return cls((key_id, key) for key_id, _, key in pairs)

    @property
    def current_id(self) -> str:
        """The id of the key that signs and encrypts now."""
        return next(iter(self._keys))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the current one first."""
        return tuple(self._keys)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def __repr__(self) -> str:
        return f"Keyring(ids={self.ids!r})"

    def subkey(self, purpose: str, key_id: str | None = None) -> bytes:
        """The 32 bytes derived from a key (the current one by default) for one purpose: HKDF-SHA256, RFC 5869.

        Subkeys of different purposes tell nothing about one another.

        Raises:
            KeyUnknown: there is no key of that id.
        """
        return self._derive(purpose, self.current_id if key_id is None else key_id)

    def _derived(self, purpose: str, key_id: str) -> bytes:
        if key_id not in self._keys:
            raise KeyUnknown(key_id)
        kdf = HKDF(algorithm=SHA256(), length=_SUBKEY_BYTES, salt=None, info=b"qs:" + purpose.encode())
        return kdf.derive(self._keys[key_id])
