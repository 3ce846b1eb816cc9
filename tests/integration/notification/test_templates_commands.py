"""`qs templates` as it is typed."""

import json
from typing import Any

import pytest

from tests.support.command_line import called
from tests.support.settings import SECRET_KEY

FILE = "A few questions\n\n{greeting}\n\nHow are you?\n{link}\n"


@pytest.fixture
def qs(database_url, redis_url, tmp_path):
    settings = {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }
    return lambda *words, stdin="": called(settings, "templates", *words, stdin=stdin)


def told(answer: Any) -> Any:
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_a_text_is_set_from_a_file_previewed_and_taken_back(qs, tmp_path):
    file = tmp_path / "invitation.txt"
    file.write_text("\ufeff" + FILE.replace("\n", "\r\n"), encoding="utf-8")

    previewed = told(qs("preview", "task_opened", "en", "--file", file))
    saved = json.loads(told(qs("set", "task_opened", "en", "--file", file, "--json")))
    shown = told(qs("show", "task_opened", "en"))
    listed = json.loads(told(qs("list", "--json")))["items"]
    told(qs("reset", "task_opened", "en"))
    back = told(qs("activate", "task_opened", "en", "1"))
    greeting = json.loads(told(qs("set", "greeting", "zh", "--file", "-", "--json", stdin="您好，{name}\n")))

    assert previewed.startswith("A few questions\n\nHello A**,\n\nHow are you?\nhttps://example.invalid/")
    assert (saved["version"], saved["subject"]) == (1, "A few questions")
    assert "{greeting}\n\nHow are you?\n{link}\n" in shown
    assert [each["version"] for each in listed if each["key"] == "task_opened"] == [1, 0]
    assert "version  1" in back
    assert (greeting["subject"], greeting["body"]) == ("", "您好，{name}")


@pytest.mark.parametrize(
    ("words", "stdin", "code", "complaint"),
    [
        (
            ("set", "task_opened", "en", "--file", "-"),
            "Hi\n\n{lnk}",
            1,
            "/body: line 1, column 1: {lnk} is no",
        ),
        (("set", "task_opened", "fr", "--file", "-"), FILE, 1, "no text of that key and language"),
        (("set", "task_opened", "en", "--file", "/nowhere"), "", 2, "cannot be read"),
        (("preview", "task_opened", "en", "--task", "x"), "", 2, "is no task id"),
    ],
)
def test_what_is_wrong_is_said_on_stderr_and_nothing_is_kept(qs, words, stdin, code, complaint):
    found = qs(*words, stdin=stdin)

    assert (found.returncode, found.stdout) == (code, "")
    assert complaint in found.stderr
