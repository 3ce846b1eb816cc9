"""The keyring, what is encrypted under it, and the secrets known by their digest."""

import pytest

from qs.infra.auth.cipher import Cipher, Undecipherable
from qs.infra.auth.keys import Keyring, KeyringUnusable, KeyUnknown
from qs.infra.auth.secrets import KeyedSecrets

OLD = "old:" + "o1d-" * 10
NEW = "new:" + "n3w-" * 10


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(f"{NEW},{OLD}")


def test_the_first_key_is_the_one_in_use(keyring: Keyring):
    assert keyring.current_id == "new"
    assert keyring.ids == ("new", "old")
    assert keyring.subkey("jwt") == keyring.subkey("jwt", "new")


def test_a_key_may_hold_colons_and_blanks_around_it_do_not_count():
    keyring = Keyring.parse(f" {NEW} , k:{'a:b=' * 10}\n")

    assert keyring.ids == ("new", "k")
    assert keyring.subkey("jwt", "k") == Keyring.parse(f"k:{'a:b=' * 10}").subkey("jwt")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "new",
        "x" * 40,
        ":" + "x" * 40,
        "new:",
        "new:" + "x" * 31,
        f"{NEW},new:" + "y" * 40,
        f"{NEW},",
        f"{NEW},,{OLD}",
        "a b:" + "x" * 40,
        "k" * 33 + ":" + "x" * 40,
        "new:" + "x" * 40 + " y",
        "new:" + "é" * 40,
        "new:" + "x" * 1025,
    ],
)
def test_a_keyring_that_is_not_beyond_doubt_is_refused(text: str):
    with pytest.raises(KeyringUnusable) as caught:
        Keyring.parse(text)

    assert "xxx" not in str(caught.value)


def test_subkeys_differ_by_purpose_and_by_key(keyring: Keyring):
    subkeys = {
        keyring.subkey(purpose, key) for purpose in ("jwt", "entry", "personal") for key in keyring.ids
    }

    assert len(subkeys) == 6
    assert {len(subkey) for subkey in subkeys} == {32}


def test_subkeys_are_the_same_in_every_process_and_release(keyring: Keyring):
    # Links already sent and contacts already stored depend on these bytes.
    assert keyring.subkey("entry").hex() == "b124650725f52ea4d855b6514fd6fd1a3aed4d59922c2d7573b62e040d54ea47"
    assert Keyring.parse(f"{OLD},{NEW}").subkey("entry", "new") == keyring.subkey("entry", "new")


def test_a_key_that_left_the_keyring_is_named(keyring: Keyring):
    with pytest.raises(KeyUnknown, match="gone"):
        keyring.subkey("jwt", "gone")


def test_no_key_shows_in_a_representation(keyring: Keyring):
    assert "n3w-" not in repr(keyring)
    assert "o1d-" not in repr(keyring)


def test_what_was_encrypted_comes_back(keyring: Keyring):
    cipher = Cipher(keyring, "personal")

    assert cipher.decrypt(cipher.encrypt("王小明".encode(), b"row 1"), b"row 1") == "王小明".encode()
    assert cipher.decrypt(cipher.encrypt(b"", b""), b"") == b""


def test_encrypting_twice_gives_two_ciphertexts_without_the_plaintext(keyring: Keyring):
    cipher = Cipher(keyring, "personal")

    first, second = cipher.encrypt(b"a@example.org", b"row"), cipher.encrypt(b"a@example.org", b"row")

    assert first != second
    assert b"example" not in first


def test_an_old_key_still_decrypts_and_is_known_as_old(keyring: Keyring):
    sealed = Cipher(Keyring.parse(OLD), "personal").encrypt(b"contact", b"row")
    cipher = Cipher(keyring, "personal")

    assert cipher.decrypt(sealed, b"row") == b"contact"
    assert not cipher.is_current(sealed)
    assert cipher.is_current(cipher.encrypt(b"contact", b"row"))


def test_a_ciphertext_does_not_open_in_another_row(keyring: Keyring):
    cipher = Cipher(keyring, "personal")

    with pytest.raises(Undecipherable):
        cipher.decrypt(cipher.encrypt(b"contact", b"row 1"), b"row 2")


def test_a_ciphertext_does_not_open_for_another_purpose(keyring: Keyring):
    with pytest.raises(Undecipherable):
        Cipher(keyring, "other").decrypt(Cipher(keyring, "personal").encrypt(b"contact", b"row"), b"row")


def test_every_altered_byte_is_noticed(keyring: Keyring):
    cipher = Cipher(keyring, "personal")
    sealed = cipher.encrypt(b"contact", b"row")

    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises((Undecipherable, KeyUnknown)):
            cipher.decrypt(bytes(altered), b"row")


def test_every_cut_is_noticed(keyring: Keyring):
    cipher = Cipher(keyring, "personal")
    sealed = cipher.encrypt(b"contact", b"row")

    for length in range(len(sealed)):
        with pytest.raises((Undecipherable, KeyUnknown)):
            cipher.decrypt(sealed[:length], b"row")


def test_a_ciphertext_without_its_key_names_the_missing_one(keyring: Keyring):
    sealed = Cipher(keyring, "personal").encrypt(b"contact", b"row")

    with pytest.raises(KeyUnknown, match="new"):
        Cipher(Keyring.parse(OLD), "personal").decrypt(sealed, b"row")


def test_a_secret_is_known_by_its_digest_under_any_key(keyring: Keyring):
    secrets = KeyedSecrets(keyring, "refresh")
    secret = secrets.mint("qsr_")

    assert secret.startswith("qsr_")
    assert len(secret) == 4 + 43
    assert secrets.digests(secret)[0] == secrets.digest(secret)
    assert secrets.matches(secret, KeyedSecrets(Keyring.parse(OLD), "refresh").digest(secret))
    assert not secrets.matches(secret + "x", secrets.digest(secret))
    assert not secrets.matches(secret, KeyedSecrets(keyring, "other").digest(secret))


def test_no_two_secrets_are_alike(keyring: Keyring):
    secrets = KeyedSecrets(keyring, "refresh")

    assert len({secrets.mint("") for _ in range(1000)}) == 1000
