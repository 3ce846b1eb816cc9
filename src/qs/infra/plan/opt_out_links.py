"""Links that stop messages: the wish itself under a key, so that nothing is stored and nothing can be read or forged."""

import base64
import binascii
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from qs.application.kernel.opt_out_links import OptOutWish

_PURPOSE = "opt_out"
_FORMAT = 1
_LONGEST_TOKEN = 400
_UUID_BYTES = 16
_EVERY_PLAN = UUID(int=0)


class Subkeys(Protocol):
    """Secret keys for one purpose, by id; the current one seals."""

    @property
    def current_id(self) -> str: ...

    def subkey(self, purpose: str, key_id: str) -> bytes:
        """32 bytes. Raises LookupError for an id that is no longer configured."""
        ...


class SealedOptOutLinks:
    """Tokens are ``format, id length, id, sealed wish`` in base64url, sealed by AES-SIV (RFC 5297).

    That is deterministic, so each attempt of a message has the same link, and it keeps working as long as the key is in
    the keyring.
    """

    def __init__(self, keys: Subkeys, base_url: str | None) -> None:
        """``base_url`` is where the page is reached from outside; None where nobody knows."""
        self._keys = keys
        self._base = None if base_url is None else urlsplit(base_url)

    def url(self, wish: OptOutWish) -> str | None:
        if self._base is None:
            return None
        path = f"{self._base.path.rstrip('/')}/{self._token(wish)}"
        return urlunsplit((self._base.scheme, self._base.netloc, path, "", ""))

    def read(self, token: str) -> OptOutWish | None:
        if len(token) > _LONGEST_TOKEN:
            return None
        try:
            given = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            if len(given) < 2 or given[0] != _FORMAT or _encoded(given) != token:
                return None
            end = 2 + given[1]
            opened = self._aead(given[2:end].decode("ascii")).decrypt(given[end:], [given[:end]])
        except (ValueError, LookupError, InvalidTag, binascii.Error):
            return None
        return _wish(opened)

    def _token(self, wish: OptOutWish) -> str:
        key_id = self._keys.current_id
        header = bytes([_FORMAT, len(key_id)]) + key_id.encode("ascii")
        sealed = self._aead(key_id).encrypt(_plain(wish), [header])
        return _encoded(header + sealed)

    def _aead(self, key_id: str) -> AESSIV:
        return AESSIV(self._keys.subkey(_PURPOSE, key_id))


def _encoded(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")


def _plain(wish: OptOutWish) -> bytes:
    ids = (wish.tenant_id, wish.testee_id, wish.plan_id or _EVERY_PLAN)
    return b"".join(each.bytes for each in ids) + wish.channel.encode()


def _wish(plain: bytes) -> OptOutWish:
    ids = [UUID(bytes=plain[at : at + _UUID_BYTES]) for at in range(0, 3 * _UUID_BYTES, _UUID_BYTES)]
    plan_id = None if ids[2] == _EVERY_PLAN else ids[2]
    return OptOutWish(ids[0], ids[1], plain[3 * _UUID_BYTES :].decode(), plan_id)
