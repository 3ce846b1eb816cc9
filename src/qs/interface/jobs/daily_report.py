"""Mails yesterday's figures to the staff of the tenant, or to whom the payload names."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from qs.application.kernel.mailing import Mail, Mailer, MailFailure
from qs.application.scheduler.builtins import BuiltinContext, PermanentFailure, Result, builtin
from qs.interface.jobs.daily_figures import Statistics, figures_of
from qs.interface.jobs.daily_report_text import LANGUAGES, compose

_MOST_RECIPIENTS = 20


class Contact(Protocol):
    @property
    def channel(self) -> str: ...

    @property
    def address(self) -> str: ...


class Staff(Protocol):
    async def contacts(self, tenant_id: UUID) -> Sequence[Contact]: ...


@builtin(
    "task:daily-report",
    needs={
        "statistics": "statistics_reading",
        "staff": "staff_contacts",
        "mailer": "mailer",
        "clock": "system_time",
        "language": "language",
    },
)
class DailyReport:
    """Payload, all of which may be left out: ``to`` (an address or a list), ``date``, ``lang`` (``en`` or ``zh``)."""

    def __init__(
        self,
        statistics: Statistics,
        staff: Staff,
        mailer: Mailer,
        clock: Callable[[], datetime],
        language: str,
    ) -> None:
        self._statistics = statistics
        self._staff = staff
        self._mailer = mailer
        self._clock = clock
        self._language = language

    async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Result:
        """How many mails were accepted and how many addresses were refused.

        Raises:
            PermanentFailure: there is nobody to mail to, or all of them were refused.
            MailFailure: the mail server did not take some; all are sent again, under the same Message-IDs.
        """
        language = str(payload.get("lang", self._language))
        if language not in LANGUAGES:
            raise PermanentFailure(f"the payload's lang is not one of {', '.join(LANGUAGES)}")
        recipients = await self._recipients(context.tenant_id, payload)
        figures = await figures_of(self._statistics, self._clock, context, payload)
        subject, text = compose(figures, language)
        # One message each: nobody learns who else gets it.
        mails = [
            Mail(uuid5(context.execution_id, address), address, subject, text, language)
            for address in recipients
        ]
        refused = await self._send(mails)
        result = {"date": figures.day.isoformat(), "mailed": len(mails) - refused, "refused": refused}
        context.log.info("daily_report", **result)
        return result

    async def _recipients(self, tenant_id: UUID, payload: Mapping[str, Any]) -> list[str]:
        to = payload.get("to")
        if to is None:
            staff = await self._staff.contacts(tenant_id)
            found = [contact.address for contact in staff if contact.channel == "email"]
        else:
            found = [to] if isinstance(to, str) else to
            if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
                raise PermanentFailure("the payload's to is neither an e-mail address nor a list of them")
        recipients = list(dict.fromkeys(found))
        if not recipients:
            raise PermanentFailure(
                "there is nobody to mail to; name somebody in the payload's to, or give the tenant staff contacts "
                "with `qs tenant set`"
            )
        if len(recipients) > _MOST_RECIPIENTS:
            raise PermanentFailure(f"the payload's to names more than {_MOST_RECIPIENTS}; use a mailing list")
        return recipients

    async def _send(self, mails: Sequence[Mail]) -> int:
        """How many were refused for good."""
        refused: list[MailFailure] = []
        passing: MailFailure | None = None
        for mail in mails:
            try:
                await self._mailer.send(mail)
            except MailFailure as failure:
                if failure.permanent:
                    refused.append(failure)
                else:
                    passing = failure
        if passing is not None:
            raise passing
        if len(refused) == len(mails):
            raise refused[0]
        return len(refused)
