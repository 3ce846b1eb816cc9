"""What the doctor asks the identity provider: does it answer, is what it answers of use, does its clock agree."""

import secrets
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from qs.infra.auth.introspection import asking
from qs.infra.auth.provider_endpoint import ANYWHERE, NoAnswer, ProviderAnswer, ProviderEndpoint
from qs.infra.auth.provider_keys import usable_keys
from qs.infra.auth.provider_tokens import LEEWAY
from qs.infra.http.guarded import GuardedClient
from qs.interface.cli.findings import Finding, found, well
from qs.settings import Settings
from qs.settings.masking import mask_address

_SUBJECT = "identity provider"
# Clocks that NTP keeps differ by less, and what the provider tells is in whole seconds.
_NOTEWORTHY = timedelta(seconds=2)
_SHOWN_KEYS = 5


async def provider_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about the identity provider; none where qs logs people in by itself."""
    auth = settings.auth
    if auth.mode == "builtin":
        return
    url = (auth.jwks_url if auth.mode == "jwks" else auth.introspection_url) or ""
    client = GuardedClient(ANYWHERE, ca_file=auth.ca_file)
    asked_at = datetime.now(UTC)
    try:
        answer = await _ask(settings, ProviderEndpoint(client, url))
    except NoAnswer as failure:
        what = f"{mask_address(url)}: {_why(failure)}"
        yield found("provider.away", _SUBJECT, what, _todo(settings, failure))
        return
    finally:
        await client.aclose()
    yield _keys(answer) if auth.mode == "jwks" else _introspection(answer)
    if answer.at is not None:
        yield _clock(answer.at, asked_at, datetime.now(UTC))


async def _ask(settings: Settings, endpoint: ProviderEndpoint) -> ProviderAnswer:
    auth = settings.auth
    if auth.mode == "jwks":
        return await endpoint.answer("GET")
    pair = (auth.client_id, auth.client_secret)
    credentials = (pair[0], pair[1]) if pair[0] is not None and pair[1] is not None else None
    # Of a token that was never issued every provider knows that it is not active.
    return await endpoint.answer("POST", *asking(secrets.token_urlsafe(32), credentials))


def _why(failure: NoAnswer) -> str:
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not believed ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return failure.reason


def _todo(settings: Settings, failure: NoAnswer) -> str:
    if "certificate" in _why(failure):
        return "name the authority that signed it in auth.ca_file"
    if settings.auth.mode == "introspection" and failure.reason in ("status 401", "status 403"):
        return "correct auth.client_id and auth.client_secret, or let that client introspect at the provider"
    key = "jwks_url" if settings.auth.mode == "jwks" else "introspection_url"
    return f"start it, let this machine reach it, or correct auth.{key}"


def _keys(answer: ProviderAnswer) -> Finding:
    keys = [f"{kid} ({algorithm})" for (kid, algorithm), _ in usable_keys(answer.content)]
    if not keys:
        return found("provider.no_keys", _SUBJECT, "answers, and has no key that may be used")
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    return well(_SUBJECT, f"answers, with keys that may be used: {', '.join(keys[:_SHOWN_KEYS])}{more}")


def _introspection(answer: ProviderAnswer) -> Finding:
    active = answer.content.get("active")
    if active is False:
        return well(_SUBJECT, "answers, and knows a made-up token for what it is")
    if active is True:
        what = "says of a made-up token that it is active, so it tells good ones from bad ones no more"
    else:
        what = "answers, and not as RFC 7662 has it"
    return found("provider.useless", _SUBJECT, what)


def _clock(told: datetime, asked_at: datetime, answered_at: datetime) -> Finding:
    subject = f"{_SUBJECT} clock"
    # It was told some time between asking and answer, in a second that had begun.
    ahead, behind = told - answered_at, asked_at - (told + timedelta(seconds=1))
    gap = max(ahead, behind)
    if gap <= _NOTEWORTHY:
        return well(subject, "agrees with this machine's")
    what = f"{'+' if gap == ahead else '-'}{gap.total_seconds():.0f} s against this machine's"
    return found("provider.clock" if gap >= LEEWAY else "provider.clock_drift", subject, what)
