"""Cookies of browser sessions: AES-256-GCM over the session, in base64url without padding."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from qs.application.identity.browser_sessions import BrowserSession
from qs.infra.auth.cipher import Cipher, Undecipherable
from qs.infra.auth.keys import KeyUnknown

LONGEST = 4000
"""Of a cookie that browsers keep, with its name (RFC 6265 §6.1)."""

_AAD = b"browser session"


class SealedSessions:
    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def seal(self, session: BrowserSession) -> str:
        """The session as a cookie's value."""
        sealed = self._cipher.encrypt(msgspec.json.encode(session), _AAD)
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, sealed: str) -> BrowserSession | None:
        """The session that was sealed; None for anything else."""
        if len(sealed) > LONGEST:
            return None
        try:
            opened = self._cipher.decrypt(urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)), _AAD)
            return msgspec.json.decode(opened, type=BrowserSession)
        except (Undecipherable, KeyUnknown, msgspec.MsgspecError, binascii.Error, ValueError):
            return None
