"""What an HTTP job says: a request, which answers are a success, and where secrets may stand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from qs.domain.kernel.durations import parse_duration
from qs.infra.http.guarded import CallFailed, check_header, check_url
from qs.infra.scheduler.executors.secrets import references
from qs.infra.scheduler.executors.targets import MOST_BYTES, Findings, is_number

_MOST_URL = 2000
_MOST_HEADERS = 50
_MOST_HEADER_NAME = 200
_MOST_HEADER_VALUE = 4000
_MOST_CODES = 50
_LONGEST_S = 7 * 86400

_KEYS = frozenset({"method", "url", "headers", "body", "success", "async", "timeout"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = _WITH_BODY | {"GET", "HEAD", "OPTIONS"}

# How receivers know who asks and whether they have done it already; a job must not be able to pose as another one.
_OURS = re.compile(r"idempotency-key|traceparent|tracestate|x-qs-.*")

# What stands in them is a secret by its nature.
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})

_CODE = re.compile(r"([2-5])xx|([2-5]\d\d)(?:-([2-5]\d\d))?", re.ASCII)
_IN_CLEAR = "holds a secret in clear, which everybody who may read the job would see; use secret://name"


@dataclass(frozen=True, slots=True)
class Success:
    """The statuses that count as success, as ranges with both ends in them."""

    ranges: tuple[tuple[int, int], ...]
    told: str

    def __contains__(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.ranges)


def check(target: Mapping[str, Any]) -> Findings:
    """All that is wrong with a target."""
    findings = Findings()
    findings.unknown(target, _KEYS)
    method = _check_method(target.get("method", "POST"), findings)
    _check_url(target.get("url"), findings)
    headers = findings.mapping(target.get("headers", {}), _MOST_HEADERS, "headers")
    _check_headers(headers, findings)
    _check_body(target.get("body"), method, findings)
    if "success" in target and success(target["success"]) is None:
        findings.add("must be statuses such as 200, 2xx or 200-204, or a list of such", "success")
    findings.flag(target.get("async", False), "async")
    if "timeout" in target and timeout(target["timeout"]) is None:
        findings.add("must be a duration such as 30s or a number of seconds, up to 7 days", "timeout")
    return findings


def success(given: Any) -> Success | None:
    """The statuses that ``2xx``, ``200-204``, ``200`` or a list of these stand for; None if they are none."""
    items = given if isinstance(given, list | tuple) else [given]
    if not 1 <= len(items) <= _MOST_CODES:
        return None
    ranges = []
    for item in items:
        found = None if isinstance(item, bool | float) else _CODE.fullmatch(str(item))
        if found is None:
            return None
        hundreds, low, high = found.groups()
        one = (int(f"{hundreds}00"), int(f"{hundreds}99")) if hundreds else (int(low), int(high or low))
        if one[0] > one[1]:
            return None
        ranges.append(one)
    return Success(tuple(ranges), ", ".join(map(str, items)))


def timeout(given: Any) -> timedelta | None:
    """The duration a target gives, or None if that is none."""
    if not isinstance(given, str) and not is_number(given):
        return None
    try:
        length = parse_duration(given) if isinstance(given, str) else timedelta(seconds=given)
    except (ValueError, OverflowError):
        return None
    return length if timedelta(0) < length <= timedelta(seconds=_LONGEST_S) else None


def takes_payload(method: str) -> bool:
    """Whether the payload is sent where the target gives no body."""
    return method in _WITH_BODY - {"DELETE"}


def _check_method(given: Any, findings: Findings) -> str:
    if not isinstance(given, str) or given.upper() not in _METHODS:
        findings.add(f"must be one of {', '.join(sorted(_METHODS))}", "method")
        return "POST"
    return given.upper()


def _check_url(given: Any, findings: Findings) -> None:
    url = findings.text(given, _MOST_URL, "url")
    if url is None:
        return
    findings.secrets(url, "url")
    if "\\" in url or "#" in url:
        # Programs differ in where they see the host of such a URL end; and a fragment is never sent.
        findings.add("must not hold a backslash or a fragment", "url")
        return
    address, _, _ = url.partition("?")
    if any(references(address)):
        findings.add("may hold secrets in the query only, never in what decides where the call goes", "url")
        return
    try:
        check_url(url)
    except CallFailed as failure:
        findings.add(_IN_CLEAR if _has_userinfo(url) else f"is refused: {failure.reason}", "url")


def _has_userinfo(url: str) -> bool:
    try:
        return bool(httpx.URL(url).userinfo)
    except (httpx.InvalidURL, UnicodeError):
        return False


def _check_headers(headers: Mapping[str, Any], findings: Findings) -> None:
    seen: set[str] = set()
    for name, value in headers.items():
        # Many a receiver takes _ for -, and then for a header that we set.
        plain = name.lower().replace("_", "-")
        text = findings.text(value, _MOST_HEADER_VALUE, "headers", name)
        if text is None:
            continue
        findings.secrets(text, "headers", name)
        if plain in seen:
            findings.add("stands twice; keep one", "headers", name)
        seen.add(plain)
        if len(name) > _MOST_HEADER_NAME:
            findings.add(f"has a name of more than {_MOST_HEADER_NAME} characters", "headers", name)
        elif _OURS.fullmatch(plain):
            findings.add("is set by qs and cannot be given", "headers", name)
        elif plain in _CREDENTIALS and not any(references(text)):
            findings.add(_IN_CLEAR, "headers", name)
        elif not text.isascii():
            findings.add("must be ASCII; percent-encode what is not", "headers", name)
        else:
            try:
                check_header(plain, text)
                check_header(name, text)
            except CallFailed as failure:
                findings.add(f"is refused: {failure.reason}", "headers", name)


def _check_body(body: Any, method: str, findings: Findings) -> None:
    if body is None:
        return
    if method not in _WITH_BODY:
        findings.add(f"is not sent with {method}", "body")
    if isinstance(body, str):
        if "\0" in body or len(body.encode("utf-8", "surrogatepass")) > MOST_BYTES:
            findings.add("must be a text of up to 64 KiB without NUL", "body")
    else:
        findings.json(body, "body")
    for text in texts(body):
        findings.secrets(text, "body")


def texts(body: Any) -> list[str]:
    """Every text in a JSON value, not counting keys; found without recursion, since it is somebody else's."""
    found, waiting = [], [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return found
