"""Mistakes on the machine itself and on the way to the mail server, found by the doctor under their codes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from qs.interface.cli.examining import Check, examine, hide_secrets
from qs.interface.cli.findings import Finding, found, well
from qs.interface.cli.machine_findings import machine_findings
from qs.interface.cli.mail_findings import mail_findings
from qs.settings import Settings
from qs.settings.sections import ServerSettings, SmtpSettings, TlsSettings
from tests.integration.doctor.conftest import Doctor
from tests.support.certificates import make_certificate
from tests.support.processes import clean_environment
from tests.support.receivers import MailReceiver

# On disks of its own, which end with it: one that is nearly full, and one that is full but for a little.
_ON_SMALL_DISKS = """
ulimit -n 512
mount -t tmpfs -o size=8m qs "$QS_HOME" && head -c 8200000 /dev/zero > "$QS_HOME/ballast"
mount -t tmpfs -o size=8m qs "$LOGS" && head -c 7800000 /dev/zero > "$LOGS/ballast"
exec "$PYTHON" -P -m qs doctor --json
"""


def test_disks_that_are_full_and_too_few_open_files_are_found(
    installation: dict[str, str], tmp_path: Path
) -> None:
    home, logs = tmp_path / "home", tmp_path / "logs"
    home.mkdir()
    logs.mkdir()
    given = installation | {"QS_HOME": str(home), "QS_LOG__PATH": str(logs / "qs.log")}
    environment = clean_environment(**given, LOGS=str(logs), PYTHON=sys.executable)
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]

    done = subprocess.run(
        [*own, "sh", "-c", _ON_SMALL_DISKS], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout, done.stderr
    subjects = {each["code"]: each["subject"] for each in json.loads(done.stdout)["findings"]}
    assert (subjects["disk.full"], subjects["disk.filling"]) == ("home disk", "log.path disk")
    assert "descriptors.few" in subjects


async def test_a_home_that_cannot_be_is_found(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    told = await doctor(QS_HOME=str(tmp_path / "file" / "home"))

    assert f"{tmp_path / 'file'} is not a folder" in told["home.unwritable"][0]["what"]


@pytest.mark.parametrize(
    ("left", "code"),
    [
        (timedelta(days=60), "ok"),
        (timedelta(days=3), "certificate.ends"),
        (timedelta(seconds=-5), "certificate.ended"),
    ],
)
async def test_a_certificate_that_ends_is_found(
    settings: Settings, tmp_path: Path, left: timedelta, code: str
) -> None:
    cert_file, key_file = make_certificate(tmp_path, lasting=left)
    server = ServerSettings(tls=TlsSettings(cert_file=cert_file, key_file=key_file))

    told = [each async for each in machine_findings(msgspec.structs.replace(settings, server=server))]

    assert [each.code for each in told if each.subject == "server.tls.cert_file"] == [code]


class Watchful(MailReceiver):
    """A mail server that lets nobody log in."""

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, authenticator=self.refuse, auth_require_tls=False, loop=loop),
            "127.0.0.1",
            self.port,
        )

    def refuse(self, *_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailReceiver]:
    receiver = MailReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def watchful() -> AsyncIterator[Watchful]:
    receiver = Watchful()
    await receiver.start()
    yield receiver
    await receiver.close()


async def of_mail(settings: Settings, port: int, **more: Any) -> list[Finding]:
    given: dict[str, Any] = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "qs@x.org"}
    smtp = SmtpSettings(**given | more)
    return [each async for each in mail_findings(msgspec.structs.replace(settings, smtp=smtp))]


async def test_a_mail_server_that_takes_mails_is_well_and_gets_none(
    settings: Settings, mail_server: MailReceiver
) -> None:
    assert [each.code for each in await of_mail(settings, mail_server.port)] == ["ok"]
    assert mail_server.accepted == []


async def test_without_a_mail_server_nothing_is_said_of_one(settings: Settings) -> None:
    assert await of_mail(settings, 25, host=None) == []


async def test_a_mail_server_that_is_away_is_found(settings: Settings, refusing_port: int) -> None:
    [told] = await of_mail(settings, refusing_port)

    assert told.code == "mail.away"
    assert f"127.0.0.1:{refusing_port}" in told.what


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_mail_server_that_speaks_no_tls_is_found(
    settings: Settings, mail_server: MailReceiver, tls: str
) -> None:
    [told] = await of_mail(settings, mail_server.port, tls=tls)

    assert told.code == "mail.no_tls"


async def test_a_mail_server_that_does_not_let_qs_log_in_is_found_and_the_password_hidden(
    settings: Settings, mail_server: MailReceiver, watchful: Watchful
) -> None:
    # One takes no logins at all, the other not this one.
    for receiver in (mail_server, watchful):
        [told] = await of_mail(settings, receiver.port, username="qs", password="hunter2-and-more")

        assert told.code == "mail.login_refused"
        assert "hunter2" not in str(told)


async def test_a_check_that_hangs_or_fails_takes_no_other_with_it() -> None:
    async def hanging() -> AsyncIterator[Finding]:
        yield well("first", "is well")
        await asyncio.sleep(3600)

    async def failing() -> AsyncIterator[Finding]:
        yield well("second", "is well")
        raise RuntimeError("no such column")

    async def sound() -> AsyncIterator[Finding]:
        yield well("last", "is well")

    told = await examine([Check("a", hanging()), Check("b", failing()), Check("c", sound())], 0.05)

    assert [(each.code, each.subject) for each in told] == [
        ("ok", "first"),
        ("check.unfinished", "a"),
        ("ok", "second"),
        ("check.failed", "b"),
        ("ok", "last"),
    ]


def test_secrets_that_a_server_repeats_are_hidden(settings: Settings) -> None:
    smtp = SmtpSettings(host="mail.example.org", username="qs", password="hunter2-and-more")
    secretive = msgspec.structs.replace(settings, smtp=smtp)
    finding = found(
        "mail.away", "mail server", "535 hunter2-and-more of smtp://qs:other-one@mail.example.org"
    )

    [told] = hide_secrets([finding], secretive)

    assert told.what == "535 ******** of smtp://qs:********@mail.example.org"
