"""Encryption at rest: AES-256-GCM under a subkey of the keyring, with the key's id in front."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from qs.infra.auth.keys import Keyring

_FORMAT = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16


class Undecipherable(ValueError):
    """The ciphertext was cut, altered, or belongs to something else than the associated data says."""

    def __init__(self) -> None:
        super().__init__(
            "the stored ciphertext does not fit its key and its row, so it cannot be read; "
            "restore the row from a backup"
        )


class Cipher:
    """Encrypts for one purpose. What it makes is ``format, id length, id, nonce, ciphertext and tag``.

    The nonce is random, which is safe for 2^32 encryptions under one key (NIST SP 800-38D §8.3).
    """

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        self._keyring = keyring
        self._purpose = purpose

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """A ciphertext that opens only with the same ``aad``, so that it cannot be moved to another row."""
        key_id = self._keyring.current_id
        header, nonce = _header(key_id), os.urandom(_NONCE_BYTES)
        return header + nonce + self._aead(key_id).encrypt(nonce, plaintext, header + aad)

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes:
        """What was encrypted with the same ``aad``.

        Raises:
            Undecipherable: it was altered or belongs elsewhere.
            KeyUnknown: its key left the keyring.
        """
        header, nonce, sealed = _split(ciphertext)
        try:
            key_id = header[2:].decode("ascii")
            return self._aead(key_id).decrypt(nonce, sealed, header + aad)
        except (InvalidTag, UnicodeDecodeError):
            raise Undecipherable from None

    @property
    def current_header(self) -> bytes:
        """What every ciphertext made now begins with, and none that another key made."""
        return _header(self._keyring.current_id)

    def is_current(self, ciphertext: bytes) -> bool:
        """Whether it was made with the key that encrypts now."""
        header, _, _ = _split(ciphertext)
        return header == self.current_header

    def _aead(self, key_id: str) -> AESGCM:
        return AESGCM(self._keyring.subkey(self._purpose, key_id))


def _header(key_id: str) -> bytes:
    return bytes([_FORMAT, len(key_id)]) + key_id.encode("ascii")


def _split(ciphertext: bytes) -> tuple[bytes, bytes, bytes]:
    if len(ciphertext) < 2 or ciphertext[0] != _FORMAT:
        raise Undecipherable
    header_end = 2 + ciphertext[1]
    sealed_from = header_end + _NONCE_BYTES
    if len(ciphertext) < sealed_from + _TAG_BYTES:
        raise Undecipherable
    return ciphertext[:header_end], ciphertext[header_end:sealed_from], ciphertext[sealed_from:]
