"""Delivery receipts as the provider of a channel posts them."""

import hashlib
import hmac
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl
from uuid import UUID

from qs.application.notification.report_ports import MOST_RECEIPTS, Receipt, ReceiptsUnauthenticated
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.notification.fates import Fate, Report
from qs.infra.notification.channels.sms_gateway import code_of, provider_id_of
from qs.infra.notification.json_pointers import find, find_text, read_document

FORM = "application/x-www-form-urlencoded"


class ReceiptRules(Protocol):
    """How receipts look. Without a ``secret`` none is believed."""

    @property
    def secret(self) -> str | None: ...

    @property
    def header(self) -> str | None: ...

    @property
    def signature(self) -> Literal["none", "hmac-sha256"]: ...

    @property
    def reports(self) -> str | None: ...

    @property
    def id(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def delivered(self) -> Collection[str]: ...

    @property
    def failed(self) -> Collection[str]: ...


class PostedReceipts:
    """Implements ReceiptReading: JSON or a form, one receipt or a list of them.

    A receipt names the message by our id, or by the one that the provider gave it. What it says beside ``delivered`` and
    ``failed``, such as that the message is on its way, changes nothing.
    """

    def __init__(self, rules: ReceiptRules) -> None:
        self._rules = rules

    def read(
        self, headers: Mapping[str, str], key: str | None, media_type: str, body: bytes
    ) -> Sequence[Receipt]:
        if not self._is_provider(headers, key, body):
            raise ReceiptsUnauthenticated
        reports = list(self._reports(_document(media_type, body)))
        if len(reports) > MOST_RECEIPTS:
            raise Invalid([Problem("", f"must hold at most {MOST_RECEIPTS} receipts")])
        return [receipt for each in reports if (receipt := self._receipt(each)) is not None]

    def _is_provider(self, headers: Mapping[str, str], key: str | None, body: bytes) -> bool:
        rules = self._rules
        if rules.secret is None:
            return False
        given = key if rules.header is None else headers.get(rules.header.lower())
        expected = rules.secret
        if rules.signature == "hmac-sha256":
            expected = hmac.digest(rules.secret.encode(), body, hashlib.sha256).hex()
            given = None if given is None else given.strip().lower().removeprefix("sha256=")
        return given is not None and hmac.compare_digest(given.encode(), expected.encode())

    def _reports(self, document: Any) -> Iterator[Any]:
        found = document if self._rules.reports is None else find(document, self._rules.reports)
        if isinstance(found, list):
            yield from found
        elif isinstance(found, dict):
            yield found
        else:
            raise Invalid([Problem(self._rules.reports or "", "must be a receipt or a list of receipts")])

    def _receipt(self, report: Any) -> Receipt | None:
        status, named = find_text(report, self._rules.status), find_text(report, self._rules.id)
        if status is None or named is None:
            raise Invalid([Problem("", "must hold an id and a status where the settings say they are")])
        if status in self._rules.delivered:
            fate = Report(Fate.DELIVERED)
        elif status in self._rules.failed:
            fate = Report(Fate.UNDELIVERED, code_of(status))
        else:
            return None
        with suppress(ValueError):
            return Receipt(fate, message_id=UUID(named))
        return Receipt(fate, provider_id=provider_id_of(named))


def _document(media_type: str, body: bytes) -> Any:
    if media_type == FORM:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    document = read_document(body)
    if document is None:
        raise Invalid([Problem("", "must be JSON or a form")])
    return document
