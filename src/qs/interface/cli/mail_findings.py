"""What the doctor asks the mail server: would it take our mails? None is sent."""

from collections.abc import AsyncIterator
from datetime import timedelta

from qs.infra.mail.smtp import MailServer
from qs.infra.mail.trying import MailServerUnusable, try_mail_server
from qs.interface.cli.findings import Finding, found, well
from qs.settings import Settings

_WITHIN = timedelta(seconds=10)
_CODES = {"away": "mail.away", "tls": "mail.no_tls", "login": "mail.login_refused"}


async def mail_findings(settings: Settings) -> AsyncIterator[Finding]:
    """One finding about the mail server; none where mails are not set up."""
    smtp = settings.smtp
    if smtp.host is None:
        return
    shown = f"{smtp.host}:{smtp.port} ({smtp.tls})"
    server = MailServer(smtp.host, smtp.port, smtp.tls, smtp.sender or "", smtp.username, smtp.password)
    try:
        await try_mail_server(server, _WITHIN)
    except MailServerUnusable as failure:
        yield found(_CODES[failure.obstacle], "mail server", f"{shown}: {failure}")
    else:
        yield well("mail server", f"{shown} takes mails")
