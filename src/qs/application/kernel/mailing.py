"""Sending e-mail, for whoever has something to say."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from qs.domain.kernel.errors import QsError


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one address. The Message-ID is made of ``id``: the same at every attempt, so that repeats show.

    ``language`` is an RFC 5646 tag such as ``zh``. ``unsubscribe`` are the URIs by which the receiver stops such mails.
    """

    id: UUID
    to: str
    subject: str
    text: str
    language: str
    unsubscribe: tuple[str, ...] = ()


class MailFailure(QsError):
    """A mail was not accepted, or nobody knows. Retrying reads nothing but ``permanent``.

    ``told`` is what was answered, without addresses.
    """

    code = "mail.not_sent"

    def __init__(self, told: str, *, permanent: bool) -> None:
        super().__init__(f"the mail was not accepted ({told})")
        self.told = told
        self.permanent = permanent


class Mailer(Protocol):
    """Hands mails to a mail server; it may send one twice after a crash, under the same Message-ID."""

    async def send(self, mail: Mail) -> str:
        """The server's answer, without addresses.

        Raises:
            MailFailure: it was not accepted, or nobody knows.
        """
        ...


class UnsetMailer:
    """Stands where no mail server is set up: every mail fails for good, and says which settings are missing."""

    async def send(self, mail: Mail) -> str:
        raise MailFailure("no mail server is set up; set smtp.host and smtp.from", permanent=True)
