"""Secrets: where they come from, who sees them, and how they are blacked out."""

import base64
import json
from urllib.parse import quote, quote_plus
from uuid import uuid4

import pytest

from qs.application.scheduler.executors import OutputStream, SecretAbsent
from qs.infra.scheduler.executors.redacting import BLACK, RedactingOutput, Redactions
from qs.infra.scheduler.executors.secrets import SecretUnusable, SettingsSecrets
from tests.conformance.rigs.rig import TENANT_ID, KeptOutput

VALUE = 'p4ss/w+rd&="ü'


def redactions(*values: str) -> Redactions:
    found = Redactions()
    for value in values:
        found.add(value)
    return found


async def reveal(secrets: SettingsSecrets, text: str) -> str:
    return await secrets.reveal(TENANT_ID, text)


async def test_a_secret_comes_from_the_settings_the_environment_or_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    secrets = SettingsSecrets(
        {"a": "from-settings", "b": "overridden"},
        {"QS_SECRET_B": "from-variable", "QS_SECRET_C_D_FILE": str(file)},
    )

    assert (
        await reveal(secrets, "secret://a secret://b secret://c-d") == "from-settings from-variable from-file"
    )


async def test_a_file_that_was_rotated_is_read_again(tmp_path):
    file = tmp_path / "secret"
    secrets = SettingsSecrets({}, {"QS_SECRET_A_FILE": str(file)})

    for value in ("first-value", "second-value"):
        file.write_text(value)
        assert await reveal(secrets, "secret://a") == value

    assert secrets.redact("first-value second-value") == f"{BLACK} {BLACK}"


async def test_text_without_secrets_stays_as_it_is():
    assert await reveal(SettingsSecrets({}, {}), "secret:/x http://secret/x") == "secret:/x http://secret/x"


async def test_a_secret_that_names_another_is_not_followed():
    secrets = SettingsSecrets({"a": "secret://b", "b": "hunter22"}, {})

    assert await reveal(secrets, "secret://a") == "secret://b"


async def test_a_secret_nobody_set_is_named_and_where_to_set_it():
    with pytest.raises(SecretAbsent) as failure:
        await reveal(SettingsSecrets({"a": "hunter22"}, {}), "secret://a-b")

    assert "QS_SECRET_A_B" in failure.value.sentence


@pytest.mark.parametrize("reference", ["key", "key-file", "a-file", "A", "", "-a", "a_b", "a" * 65, "Key"])
async def test_the_installations_own_key_and_odd_names_are_no_secrets(reference):
    environment = {
        "QS_SECRET_KEY": "k1:" + "0" * 40,
        "QS_SECRET_KEY_FILE": "/etc/hostname",
        "QS_SECRET_A_FILE": "/etc/passwd",
    }

    with pytest.raises((SecretUnusable, SecretAbsent)):
        await reveal(SettingsSecrets({}, environment), f"secret://{reference}")


@pytest.mark.parametrize("value", ["12345", "", "a" * 8193, "abc\0def"])
async def test_a_value_that_cannot_be_blacked_out_is_refused(value):
    with pytest.raises(SecretUnusable) as failure:
        SettingsSecrets({"a": value}, {})

    assert not value or value not in failure.value.sentence
    if value and "\0" not in value:
        with pytest.raises(SecretUnusable):
            await reveal(SettingsSecrets({}, {"QS_SECRET_A": value}), "secret://a")


@pytest.mark.parametrize("name", ["key", "A", "a_b", "x-file"])
def test_settings_with_a_name_that_is_none_are_refused(name):
    with pytest.raises(SecretUnusable):
        SettingsSecrets({name: "hunter22"}, {})


async def test_a_file_that_cannot_be_read_does_not_tell_what_is_in_it():
    with pytest.raises(SecretUnusable) as failure:
        await reveal(SettingsSecrets({}, {"QS_SECRET_A_FILE": "/nowhere/secret"}), "secret://a")

    assert "QS_SECRET_A_FILE" in failure.value.sentence


async def test_the_jobs_of_other_tenants_see_no_secret():
    secrets = SettingsSecrets({"a": "hunter22"}, {}, tenants=[TENANT_ID])

    assert await secrets.reveal(TENANT_ID, "secret://a") == "hunter22"
    with pytest.raises(SecretAbsent):
        await secrets.reveal(uuid4(), "secret://a")


async def test_only_what_was_revealed_is_blacked_out():
    secrets = SettingsSecrets({"a": "hunter22", "b": "tractor"}, {})

    await reveal(secrets, "secret://a")

    assert secrets.redact("hunter22 tractor") == f"{BLACK} tractor"


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE),
        quote(VALUE, safe=""),
        quote_plus(VALUE),
        quote(VALUE, safe="").lower(),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        VALUE.encode().hex(),
        *(base64.b64encode(f"{'x' * before}{VALUE}".encode()).decode() for before in range(4)),
        *(base64.b64encode(f"user:{VALUE}{'y' * after}".encode()).decode() for after in range(3)),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_is_blacked_out_in_every_form(form):
    text = redactions(VALUE).text(f"before {form} after")

    assert BLACK in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    # Only characters that also hold bits of what stands beside the secret may be left.
    assert len(text) - len(f"before {BLACK} after") <= 12


def test_every_line_of_a_key_is_blacked_out():
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\nAAAABBBBCCCCDDDD\n-----END PRIVATE KEY-----\n"

    assert redactions(key).text("x MC4CAQAwBQYDK2VwBCIEIJ y AAAABBBBCCCCDDDD") == f"x {BLACK} y {BLACK}"


def test_of_two_secrets_that_begin_alike_no_end_stays_legible():
    assert redactions("hunter", "hunter22-longer").text("hunter22-longer hunter") == f"{BLACK} {BLACK}"


@pytest.mark.parametrize("size", range(1, 12))
async def test_a_secret_in_pieces_is_blacked_out(size):
    kept = KeptOutput()
    output = RedactingOutput(kept, redactions("hunter22"))
    text = b"a hunter22 b hunterhunter22 c hunter2"

    for start in range(0, len(text), size):
        await output.write(text[start : start + size], OutputStream.STDOUT)
    await output.flush()

    assert kept.data.decode() == f"a {BLACK} b hunter{BLACK} c hunter2"


async def test_the_streams_of_a_command_do_not_complete_each_others_secrets():
    kept = KeptOutput()
    output = RedactingOutput(kept, redactions("hunter22"))

    await output.write(b"hun", OutputStream.STDOUT)
    await output.write(b"ter22", OutputStream.STDERR)
    await output.write(b"ter22", OutputStream.STDOUT)
    await output.flush()

    assert kept.of(OutputStream.STDOUT) == BLACK.encode()
    assert kept.of(OutputStream.STDERR) == b"ter22"


async def test_what_cannot_become_a_secret_is_passed_on_at_once():
    kept = KeptOutput()
    output = RedactingOutput(kept, redactions("hunter22", "tractor"))

    await output.write(b"progress 10%\n")
    assert kept.data == b"progress 10%\n"

    await output.write(b"the hun")
    assert kept.data == b"progress 10%\nthe "


async def test_bytes_that_are_no_text_pass_unchanged():
    kept = KeptOutput()
    output = RedactingOutput(kept, redactions("hunter22"))

    await output.write(bytes(range(256)))
    await output.flush()

    assert kept.data == bytes(range(256))
