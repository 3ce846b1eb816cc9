"""Passwords are hashed slowly, and slowly for nobody as well."""

import asyncio
import threading
import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters

from qs.infra.auth.passwords import Argon2Passwords


@pytest.fixture
def passwords() -> Argon2Passwords:
    return Argon2Passwords()


async def test_only_the_same_password_matches(passwords: Argon2Passwords):
    stored = await passwords.hash("correct horse")

    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("correct horsE", stored)
    assert not await passwords.verify("", stored)


async def test_the_hash_is_argon2id_with_at_least_the_recommended_costs(passwords: Argon2Passwords):
    parameters = extract_parameters(await passwords.hash("correct horse"))

    assert parameters.type.name == "ID"
    assert parameters.memory_cost >= 64 * 1024
    assert parameters.time_cost >= 3


async def test_two_hashes_of_one_password_differ(passwords: Argon2Passwords):
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


async def test_how_a_keyboard_composes_a_letter_makes_no_difference(passwords: Argon2Passwords):
    stored = await passwords.hash(unicodedata.normalize("NFC", "contraseña-é"))

    assert await passwords.verify(unicodedata.normalize("NFD", "contraseña-é"), stored)


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$m=65536,t=3,p=4$broken"])
async def test_nobody_has_no_password_and_a_broken_hash_lets_nobody_in(
    passwords: Argon2Passwords, stored: str | None
):
    assert not await passwords.verify("correct horse", stored)


async def test_a_lone_surrogate_is_just_a_wrong_password(passwords: Argon2Passwords):
    assert not await passwords.verify("\ud800", await passwords.hash("correct horse"))


async def test_for_nobody_the_same_work_is_done(passwords: Argon2Passwords):
    nobody = extract_parameters(passwords._nobody)

    assert nobody == extract_parameters(await passwords.hash("correct horse"))


async def test_a_hash_of_other_costs_is_outdated():
    cheap = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1))
    current = Argon2Passwords()
    stored = await cheap.hash("correct horse")

    assert current.is_outdated(stored)
    assert await current.verify("correct horse", stored)
    assert not current.is_outdated(await current.hash("correct horse"))


async def test_the_event_loop_goes_on_while_passwords_are_hashed():
    turned = threading.Event()

    class Waiting(PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            assert turned.wait(60), "the event loop stands still"
            return super().hash(password, salt=salt)

    hashing = asyncio.ensure_future(Argon2Passwords(Waiting()).hash("correct horse"))
    for _ in range(10):
        await asyncio.sleep(0)
    turned.set()

    assert await hashing
