"""Certificate and key are tried before anything starts, and the key that is wrong is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qs.settings import SettingsError, load_settings
from tests.support.certificates import make_certificate

CERT, KEY = "server.tls.cert_file", "server.tls.key_file"
Spoil = Callable[[Path, Path], tuple[Path | str, Path | str]]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No qs.yaml of the working directory is read by accident."""
    monkeypatch.chdir(tmp_path)


def load(cert: Path | str, key: Path | str) -> None:
    load_settings(None, {"QS_SERVER__TLS__CERT_FILE": str(cert), "QS_SERVER__TLS__KEY_FILE": str(key)})


def rewritten(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def of_another(path: Path) -> Path:
    other = path.parent / "other"
    other.mkdir()
    return make_certificate(other)[1]


BROKEN: list[tuple[str, Spoil, str, str]] = [
    ("no key file", lambda cert, key: (cert, key.parent / "nowhere"), KEY, "not a file"),
    ("a directory", lambda cert, key: (cert, key.parent), KEY, "not a file"),
    ("a file that cannot be read", lambda cert, key: (cert, "/proc/self/mem"), KEY, "cannot be read"),
    ("an empty key", lambda cert, key: (cert, rewritten(key, "")), KEY, "a private key in PEM form"),
    ("the key of another", lambda cert, key: (cert, of_another(key)), KEY, "the key of that certificate"),
    ("cut short", lambda cert, key: (cert, rewritten(key, key.read_text()[:60])), KEY, "private key|go with"),
    ("no certificate file", lambda cert, key: (key.parent / "nowhere", key), CERT, "not a file"),
    ("the key twice", lambda cert, key: (key, key), CERT, "a certificate in PEM form"),
    ("both swapped", lambda cert, key: (key, cert), CERT, "a certificate in PEM form"),
]


@pytest.mark.parametrize(
    ("spoil", "name", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_files_that_cannot_be_used_stop_the_start(
    tmp_path: Path, spoil: Spoil, name: str, words: str
) -> None:
    files = spoil(*make_certificate(tmp_path))

    with pytest.raises(SettingsError) as refused:
        load(*files)

    found = {problem.pointer: problem.detail for problem in refused.value.problems}
    assert any(word in found[name] for word in words.split("|")), found


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, password=b"hunter2")

    with pytest.raises(SettingsError, match=r"server\.tls\.key_file.*needs a password"):
        load(certificate, key)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    key.chmod(0)

    with pytest.raises(SettingsError, match=r"server\.tls\.key_file.*cannot be read"):
        load(certificate, key)


def test_files_that_go_together_are_taken(tmp_path: Path) -> None:
    load(*make_certificate(tmp_path))
