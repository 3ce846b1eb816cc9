"""Carrying out the doctor's checks: all at once, each for seconds at most, and without a secret in what they tell."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from qs.interface.cli.findings import Finding, complaint, found
from qs.settings import Settings
from qs.settings.keys import all_keys, value_of
from qs.settings.masking import MASK, mask_address

PATIENCE_S = 20.0
"""How long a check may take before it is given up; what it has found by then stands."""

_SHORTEST_SECRET = 4


class Check(NamedTuple):
    """Something to look at, and what tells of it."""

    subject: str
    findings: AsyncIterator[Finding]


async def examine(checks: Sequence[Check], patience_s: float = PATIENCE_S) -> list[Finding]:
    """What all checks found, in their order; one that hangs or fails is a finding itself."""
    found_by_each = await asyncio.gather(*(_bounded(check, patience_s) for check in checks))
    return [finding for findings in found_by_each for finding in findings]


async def _bounded(check: Check, patience_s: float) -> list[Finding]:
    told: list[Finding] = []
    try:
        async with asyncio.timeout(patience_s):
            async for finding in check.findings:
                told.append(finding)  # noqa: PERF401 - what was found before it hangs must stand
    except TimeoutError:
        told.append(found("check.unfinished", check.subject, f"did not end within {patience_s:g} s"))
    except Exception as error:  # noqa: BLE001 - the others are told all the same
        told.append(found("check.failed", check.subject, complaint(error)))
    return told


def hide_secrets(findings: Iterable[Finding], settings: Settings) -> list[Finding]:
    """The same findings without any secret of the settings, wherever a server may have repeated one."""
    secrets = sorted(_secrets(settings), key=len, reverse=True)

    def hidden(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return mask_address(text)

    return [
        msgspec.structs.replace(finding, what=hidden(finding.what), todo=hidden(finding.todo))
        for finding in findings
    ]


def _secrets(settings: Settings) -> Iterator[str]:
    for name, key in all_keys().items():
        if not key.secret:
            continue
        value = value_of(settings, name)
        for each in value if isinstance(value, tuple) else (value,):
            # An address is shown, but for the password in it.
            if each and not key.extra.get("url") and len(each) >= _SHORTEST_SECRET:
                yield each
