"""Jobs that call a URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from qs.application.scheduler.executors import (
    Attempt,
    AttemptOutcome,
    AttemptStatus,
    OutputStream,
    SecretAbsent,
)
from qs.domain.kernel.errors import Problem
from qs.infra.http.guarded import Answer, CallFailed, GuardedClient
from qs.infra.scheduler.executors import http_target
from qs.infra.scheduler.executors.redacting import RedactingOutput, RedactingSecrets
from qs.infra.scheduler.executors.secrets import REFERENCE, SecretUnusable
from qs.infra.scheduler.executors.targets import MOST_BYTES, compact

# The receiver may think differently later: timeout, too early, too many.
_PASSING = frozenset({408, 425, 429})

_USUAL_SUCCESS = "2xx"

# All that a header may hold, but for what stands for something else.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class HttpExecutor:
    """Runs ``{method, url, headers, body, success, async, timeout}``: one request, no redirect, one answer.

    It goes where the client's operator allows. The receiver is told which execution asks, and by ``Idempotency-Key``
    whether it was asked before. With ``async`` an answer that is a success is only the beginning.
    """

    kind = "http"
    scope: str | None = "jobs:http"
    grace = timedelta(seconds=30)

    def __init__(
        self, client: GuardedClient, secrets: RedactingSecrets, results_path: str | None = None
    ) -> None:
        """``results_path`` is where receivers that know ECron's header ``Webhook`` report what came of it later."""
        self._client = client
        self._secrets = secrets
        self._results_path = results_path

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        """All that is wrong with a target; no name is resolved."""
        return http_target.check(target).problems

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        """Sends the request; ``http:N`` is the code of an answer that is no success."""
        target = attempt.target
        if problems := self.check(target):
            told = "; ".join(f"{problem.pointer[1:]} {problem.detail}" for problem in problems[:3])
            return _refused(f"the request is refused: {told}")
        try:
            request = await self._request(attempt)
        except (SecretAbsent, SecretUnusable) as error:
            return _refused(error.sentence, "secret")
        except ValueError as error:
            return _refused(f"the request is refused: {error}")
        limit = http_target.timeout(target["timeout"]) if "timeout" in target else None
        try:
            answer = await self._client.call(
                request.method,
                request.url,
                request.headers,
                request.body,
                deadline=min(attempt.timeout, limit or attempt.timeout),
                most_bytes=MOST_BYTES,
            )
        except CallFailed as failure:
            return _not_answered(failure)
        await self._keep(request.method, answer, attempt)
        return _judged(target, answer)

    async def aclose(self) -> None:
        """Nothing is kept between attempts; the client is whose who made it."""

    async def _request(self, attempt: Attempt) -> _Request:
        target = attempt.target
        method = target.get("method", "POST").upper()
        given = {
            name: await self._secrets.reveal(attempt.tenant_id, value)
            for name, value in target.get("headers", {}).items()
        }
        body, content_type = await self._body(method, attempt)
        # What is compressed could be neither read in the output nor searched for secrets.
        usual = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if content_type is not None:
            usual["Content-Type"] = content_type
        if self._results_path is not None and target.get("async", False):
            usual["Webhook"] = f"{self._results_path}/{attempt.execution_id}"
        named = {name.lower() for name in given}
        headers = {name: value for name, value in usual.items() if name.lower() not in named}
        url = await self._url(attempt.tenant_id, target["url"])
        return _Request(method, url, {**headers, **given, **_told(attempt)}, body)

    async def _url(self, tenant_id: UUID, url: str) -> str:
        revealed, end = "", 0
        for found in REFERENCE.finditer(url):
            secret = await self._secrets.reveal(tenant_id, found[0])
            revealed += url[end : found.start()] + quote(secret, safe="")
            end = found.end()
        return revealed + url[end:]

    async def _body(self, method: str, attempt: Attempt) -> tuple[bytes | None, str | None]:
        body = attempt.target.get("body")
        if isinstance(body, str):
            text = await self._secrets.reveal(attempt.tenant_id, body)
            return text.encode(), "text/plain; charset=utf-8"
        if body is not None:
            return compact(await self._revealed(attempt.tenant_id, body)), "application/json"
        if not http_target.takes_payload(method):
            return None, None
        payload = compact(attempt.payload)
        if len(payload) > MOST_BYTES:
            raise ValueError("its payload is larger than 64 KiB")
        return payload, "application/json"

    async def _revealed(self, tenant_id: UUID, value: Any) -> Any:
        """The JSON value with the secrets in its texts, so that no secret can become more than the text it stands in."""
        if isinstance(value, str):
            return await self._secrets.reveal(tenant_id, value)
        if isinstance(value, Mapping):
            return {key: await self._revealed(tenant_id, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [await self._revealed(tenant_id, inner) for inner in value]
        return value

    async def _keep(self, method: str, answer: Answer, attempt: Attempt) -> None:
        output = RedactingOutput(attempt.output, self._secrets.redactions)
        encoding = answer.headers.get("content-encoding", "identity")
        kind = answer.headers.get("content-type", "no content type")[:100]
        cut = ", the rest is not read" if answer.truncated else ""
        line = f"[qs] {method}: HTTP {answer.status}, {kind}, {len(answer.body)} bytes{cut}\n"
        await output.write(line.encode("utf-8", "replace"))
        if encoding.strip().lower() not in ("", "identity"):
            await output.write(b"[qs] the answer is compressed and not kept\n")
        elif answer.body:
            await output.write(answer.body, OutputStream.STDOUT)
        await output.flush()


def _told(attempt: Attempt) -> dict[str, str]:
    told = {
        "Idempotency-Key": attempt.idempotency_key,
        "X-Qs-Execution-Id": str(attempt.execution_id),
        "X-Qs-Job-Id": str(attempt.job_id),
        # Headers are ASCII, names need not be.
        "X-Qs-Job-Name": quote(attempt.job_name, safe=_PLAIN).strip(),
        "X-Qs-Attempt": str(attempt.number),
    }
    if attempt.scheduled_at is not None:
        instant = attempt.scheduled_at.astimezone(UTC).isoformat()
        told["X-Qs-Scheduled-At"] = instant.replace("+00:00", "Z")
    if attempt.traceparent is not None:
        told["traceparent"] = attempt.traceparent
    return told


def _judged(target: Mapping[str, Any], answer: Answer) -> AttemptOutcome:
    success = http_target.success(target.get("success", _USUAL_SUCCESS))
    assert success is not None
    status = answer.status
    result = {"status": status, "bytes": len(answer.body), "truncated": answer.truncated}
    if status in success:
        is_begun = target.get("async", False)
        reached = AttemptStatus.AWAITED if is_begun else AttemptStatus.SUCCEEDED
        return AttemptOutcome(status=reached, result=result)
    redirect = "; redirects are not followed" if 300 <= status < 400 else ""
    return AttemptOutcome(
        status=AttemptStatus.FAILED,
        code=f"http:{status}",
        error=f"the answer was HTTP {status}, not one of {success.told}{redirect}",
        permanent=300 <= status < 500 and status not in _PASSING,
        result=result,
    )


def _not_answered(failure: CallFailed) -> AttemptOutcome:
    timed_out = failure.code == "timeout"
    return AttemptOutcome(
        status=AttemptStatus.TIMED_OUT if timed_out else AttemptStatus.FAILED,
        code=failure.code,
        error=f"there was no answer: {failure.reason}",
        permanent=failure.permanent,
    )


def _refused(error: str, code: str = "refused") -> AttemptOutcome:
    return AttemptOutcome(status=AttemptStatus.FAILED, code=code, error=error, permanent=True)
