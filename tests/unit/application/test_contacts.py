import pytest

from qs.application.plan.contacts import (
    read_contact,
    read_contacts,
    read_locale,
    read_text,
    read_timezone,
)
from qs.domain.kernel.errors import Problem
from qs.domain.plan.testee import Contact


def problems_of(channel: object, address: object) -> list[tuple[str, str]]:
    problems: list[Problem] = []
    assert read_contact(channel, address, "/contacts/0", problems) is None
    return [(problem.pointer, problem.detail) for problem in problems]


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "anna@example.org"),
        ("email", "o'brien+qs@mail.example.co.uk"),
        ("email", "测试@example.org"),
        ("email", "x" * 64 + "@example.org"),
        ("phone", "+8613800138000"),
        ("phone", "010 6552 9988"),
        ("phone", "+44 (0)20-7946/0958"),
        ("sms", "+8613800138000"),
        ("sms", "+491512345678"),
        ("wechat", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        ("webhook", "patient-17"),
    ],
)
def test_an_address_that_fits_its_channel_is_taken_as_it_is(channel, address):
    problems: list[Problem] = []

    assert read_contact(channel, address, "", problems) == Contact(channel, address)
    assert problems == []


@pytest.mark.parametrize(
    "address",
    [
        "anna",
        "anna@",
        "@example.org",
        "anna@@example.org",
        "anna@exa mple.org",
        "anna @example.org",
        "Anna <anna@example.org>",
        "anna@example.org,bo@example.org",
        "anna@example.org\n",
        "anna@-example.org",
        "anna@example.org-",
        "x" * 65 + "@example.org",
        "anna@" + "x" * 300,
        'anna"@example.org',
    ],
)
def test_what_no_mail_server_could_be_asked_about_is_no_email_address(address):
    ((pointer, _),) = problems_of("email", address)

    assert pointer == "/contacts/0/address"


@pytest.mark.parametrize(
    "number", ["110a", "+", "12", "++86138", "x" * 12, "0" * 40, "１３８００１３８０００"]
)
def test_what_cannot_be_dialled_is_no_phone_number(number):
    assert [pointer for pointer, _ in problems_of("phone", number)] == ["/contacts/0/address"]


@pytest.mark.parametrize(
    "number",
    [
        "13800138000",
        "+86 138 0013 8000",
        "+0123456789",
        "+12345",
        "+" + "1" * 16,
        "+861380013800０",
        "+8613800138000\n",
    ],
)
def test_a_number_that_gateways_do_not_take_is_no_address_for_text_messages(number):
    assert [pointer for pointer, _ in problems_of("sms", number)] == ["/contacts/0/address"]


@pytest.mark.parametrize(
    "openid", ["anna", "o" * 19, "o" * 65, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6 o", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6é"]
)
def test_what_no_mini_program_gives_out_is_no_openid(openid):
    assert [pointer for pointer, _ in problems_of("wechat", openid)] == ["/contacts/0/address"]


@pytest.mark.parametrize("channel", ["text", "EMAIL", "", None, 7, ["email"]])
def test_an_unknown_channel_is_refused_with_those_there_are(channel):
    assert problems_of(channel, "anna@example.org") == [
        ("/contacts/0/channel", "must be one of email, phone, sms, wechat, webhook")
    ]


@pytest.mark.parametrize("address", [None, "", "   ", 7, ["anna@example.org"], "a\x07b", "\ud800", "x" * 321])
def test_an_address_is_text_of_bounded_length(address):
    assert [pointer for pointer, _ in problems_of("wechat", address)] == ["/contacts/0/address"]


def test_no_problem_repeats_the_address():
    assert "secret" not in str(problems_of("email", "secret@@example.org"))


def test_contacts_given_by_column_are_named_by_their_column():
    problems: list[Problem] = []

    contacts = read_contacts({"email": "nonsense", "phone": "+8613800138000", "wechat": None}, problems)

    assert contacts == (Contact("phone", "+8613800138000"),)
    assert [problem.pointer for problem in problems] == ["/email"]


@pytest.mark.parametrize(
    ("raw", "locale"),
    [("zh", "zh"), ("en", "en"), ("zh_CN", "zh"), ("en-GB", "en"), ("ZH-Hans-CN", "zh"), (None, None)],
)
def test_a_locale_is_read_by_its_language(raw, locale):
    problems: list[Problem] = []

    assert (read_locale(raw, problems), problems) == (locale, [])


@pytest.mark.parametrize("raw", ["fr", "english", "", "_", "x" * 10_000, 7, ["zh"]])
def test_a_language_without_texts_is_refused(raw):
    problems: list[Problem] = []

    assert read_locale(raw, problems) is None
    assert [problem.pointer for problem in problems] == ["/locale"]


@pytest.mark.parametrize(
    "raw", ["Mars/Olympus", "asia/shanghai", "", "../../etc/passwd", "UTC+8", 8, ["UTC"]]
)
def test_a_zone_is_one_of_the_pinned_data_set(raw):
    problems: list[Problem] = []

    assert read_timezone(raw, problems) is None
    assert [problem.pointer for problem in problems] == ["/timezone"]
    assert read_timezone("Asia/Shanghai", problems) == "Asia/Shanghai"


def test_text_is_kept_as_it_was_written():
    problems: list[Problem] = []

    assert read_text("/name", " Zoë 安娜 ", 20, problems) == " Zoë 安娜 "
    assert problems == []
