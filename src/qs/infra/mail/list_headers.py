"""How a mail says that its receiver can stop such mails: RFC 2369, and with one click RFC 8058."""

from collections.abc import Sequence
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from typing import Any

UNSUBSCRIBE = "List-Unsubscribe"
ONE_CLICK = "List-Unsubscribe-Post"


class _Addresses(BaseHeader):
    """A list of addresses in angle brackets, one a line. The standard library would encode a long one beyond use."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        UnstructuredHeader.parse(value, kwds)

    def fold(self, *, policy: Policy) -> str:
        return f"{UNSUBSCRIBE}: " + str(self).replace(", ", f",{policy.linesep} ") + policy.linesep


def _header_factory() -> HeaderRegistry:
    headers = HeaderRegistry()
    headers.map_to_type(UNSUBSCRIBE, _Addresses)
    return headers


POLICY = SMTP.clone(header_factory=_header_factory())
"""What mails are made with: SMTP's rules, and these headers as they are."""


def offer_to_stop(message: EmailMessage, addresses: Sequence[str]) -> None:
    """Adds the headers for these URIs, the best first; one click needs one of them to be https."""
    if not addresses:
        return
    message[UNSUBSCRIBE] = ", ".join(f"<{address}>" for address in addresses)
    if any(address.startswith("https://") for address in addresses):
        message[ONE_CLICK] = "List-Unsubscribe=One-Click"
