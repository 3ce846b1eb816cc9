"""Settings of e-mail and text messages: what belongs together, and how it is refused by name."""

import pytest

from qs.infra.notification.channels.sms_gateway import SmsGateway
from qs.settings.errors import SettingsError
from qs.settings.loading import load_settings
from qs.settings.masking import MASK, masked

SMS = {
    "QS_NOTIFICATION__SMS__URL": "https://sms.example.org/v1",
    "QS_NOTIFICATION__SMS__BODY": '{"to": "{to}", "text": "{text}"}',
}
RECEIPTS = "QS_NOTIFICATION__SMS__RECEIPTS__"
PRODUCTION = {
    "QS_ENV": "production",
    "QS_SECRET_KEY": "k1:N7yJw2pXv9QkL4rT8sZb3mFh6cGd1aVe",
    "QS_DATABASE_URL": "postgresql://qs@db.example.org/qs",
}

BAD = [
    ({"QS_NOTIFICATION__CHANNELS": "sms"}, "notification.sms.url", "is missing"),
    ({**SMS, "QS_NOTIFICATION__SMS__URL": "sms.example.org"}, "notification.sms.url", "https://host/path"),
    ({"QS_NOTIFICATION__SMS__URL": "https://sms.example.org"}, "notification.sms.body", "is missing"),
    ({**SMS, "QS_NOTIFICATION__SMS__BODY": '{"to": "{to}"}'}, "notification.sms.body", "lacks {text}"),
    ({**SMS, "QS_NOTIFICATION__SMS__METHOD": "GET"}, "notification.sms.format", "expected form"),
    ({**SMS, "QS_NOTIFICATION__SMS__HEADERS": "hunter2"}, "notification.sms.headers", "Authorization"),
    ({**SMS, "QS_NOTIFICATION__SMS__CODE": "/code"}, "notification.sms.accepted", "expected what code"),
    ({**SMS, "QS_NOTIFICATION__SMS__ID": "id"}, "notification.sms.id", "JSON pointer"),
    ({**SMS, "QS_NOTIFICATION__SMS__MAX_SEGMENTS": "0"}, "notification.sms.max_segments", "from 1 to 20"),
    ({f"{RECEIPTS}SIGNATURE": "hmac-sha256"}, "notification.sms.receipts.header", "is missing"),
    ({f"{RECEIPTS}HEADER": "X-Key"}, "notification.sms.receipts.secret", "is missing"),
    (
        {f"{RECEIPTS}HEADER": "X Key", f"{RECEIPTS}SECRET": "s"},
        "notification.sms.receipts.header",
        "name of a header",
    ),
    ({f"{RECEIPTS}STATUS": "status"}, "notification.sms.receipts.status", "JSON pointer"),
    ({**PRODUCTION, f"{RECEIPTS}SECRET": "secret"}, "notification.sms.receipts.secret", "guessed"),
    ({"QS_NOTIFICATION__UNSUBSCRIBE_URL": "/stop"}, "notification.unsubscribe_url", "https://host"),
    ({"QS_NOTIFICATION__UNSUBSCRIBE_MAIL": "stop"}, "notification.unsubscribe_mail", "stop@example.org"),
]


@pytest.mark.parametrize(("environ", "key", "expected"), BAD, ids=lambda value: str(value)[:60])
def test_what_does_not_fit_together_stops_the_start_and_names_its_key(environ, key, expected):
    with pytest.raises(SettingsError) as refused:
        load_settings(None, environ)

    told = {problem.pointer: problem.detail for problem in refused.value.problems}
    assert expected in told[key]
    assert "hunter2" not in str(told)


def test_a_gateway_that_is_set_up_is_a_channel_and_its_secrets_are_not_shown():
    headers = '["Authorization: Bearer hunter2", "X-Id: {id}"]'
    given = {**SMS, "QS_NOTIFICATION__SMS__HEADERS": headers, f"{RECEIPTS}SECRET": "hunter2"}
    settings = load_settings(None, given)
    shown = masked(settings)["notification"]["sms"]

    assert settings.notification_channels == ("log", "sms")
    assert SmsGateway.of(settings.notification.sms) is not None
    assert "hunter2" not in str(shown)
    assert (shown["body"], shown["receipts"]["secret"]) == (MASK, MASK)
