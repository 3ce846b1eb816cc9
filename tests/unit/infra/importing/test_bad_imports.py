"""Files that are cut off, hostile or something else: each is refused, or its rows are, with the line and a way out."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qs.infra.scheduler.importing import imported
from qs.infra.scheduler.importing.bingo_settings import import_bingo_settings
from qs.infra.scheduler.importing.crontab import import_crontab
from qs.infra.scheduler.importing.ecron import import_ecron
from qs.infra.scheduler.importing.ecron_settings import import_ecron_settings
from qs.infra.scheduler.importing.gocron import import_gocron
from qs.infra.scheduler.importing.gocron_settings import import_gocron_settings
from qs.infra.scheduler.importing.imported import Imported, ImportRefused
from qs.infra.scheduler.importing.sys_crontab import import_sys_crontab
from tests.unit.infra.importing.samples import ECRON, GOCRON, MYSQL_DUMP, PG_DUMP, SYSTEM_CRONTAB, told

INSERT = b"INSERT INTO sys_crontab (name,type,spec) VALUES "
JSON_JOB = b'[\n {"job_name": "a", "job_cron_time": "@daily", "job_context": {}}'

# importer, content, line (None: no line), what is said
REFUSED: dict[str, tuple[Callable[[bytes], object], bytes, int | None, str]] = {
    "crontab in Latin-1": (
        import_crontab,
        b"0 2 * * * /opt/a\n# caf\xe9\n",
        2,
        "byte 0xe9 is not UTF-8; convert the file",
    ),
    "crontab with NUL": (import_crontab, b"0 2 * * * /opt/a\0\n", 1, "NUL is no text; this is a binary file"),
    "crontab of 2 MiB": (import_crontab, b"#" * 2_000_000, None, "1048576 are the most; export only what"),
    "crontab in UTF-16": (
        import_crontab,
        "0 2 * * * x\n".encode("utf-16"),
        1,
        "byte 0xff is not UTF-8; convert the file",
    ),
    "gocron with a tab": (import_gocron, b"scheduler:\n\tjobs: []\n", 2, "replace every tab by blanks"),
    "gocron with an anchor": (
        import_gocron,
        b"a: &x 1\nscheduler: {jobs: []}\n",
        1,
        "write the value where it belongs",
    ),
    "gocron with a key twice": (import_gocron, b"scheduler:\n  jobs: []\n  jobs: []\n", 3, "keep one"),
    "gocron without jobs": (
        import_gocron,
        b"server:\n  port: 1\n",
        1,
        "no list under scheduler.jobs; hand in the settings",
    ),
    "gocron with jobs as text": (
        import_gocron,
        b"scheduler:\n  jobs: all\n",
        1,
        "no list under scheduler.jobs",
    ),
    "gocron as a word": (import_gocron, b"hello\n", 1, "'hello' has no list under scheduler.jobs"),
    "gocron empty": (import_gocron, b"", 1, "null has no list under scheduler.jobs"),
    "rows empty": (import_sys_crontab, b" \n", 1, "the file is empty; export the table with its rows"),
    "rows as prose": (import_sys_crontab, b"hello\nworld\n", 1, "is neither a SQL dump nor JSON nor CSV"),
    "rows as a picture": (import_sys_crontab, b"\x89PNG\r\n\x1a\n", 1, "byte 0x89 is not UTF-8"),
    "a dump that is cut off in a text": (
        import_sys_crontab,
        INSERT + b"('a','b','0 1",
        1,
        "a ' opens here and never closes",
    ),
    "a dump that is cut off in a row": (
        import_sys_crontab,
        b"--\n" + INSERT + b"('a','b'",
        2,
        "the dump is cut off, export it again",
    ),
    "a dump that is cut off after a row": (
        import_sys_crontab,
        INSERT + b"('a','b','c')",
        1,
        "never ends; the dump is cut off",
    ),
    "a dump that is cut off in a comment": (
        import_sys_crontab,
        b"SET x;\n/* no end",
        2,
        "a comment opens with /* and never closes",
    ),
    "a dump with a subquery": (
        import_sys_crontab,
        INSERT + b"((SELECT x),'b','c');",
        1,
        "'(' is no constant and is never run",
    ),
    "a dump with a function": (
        import_sys_crontab,
        INSERT + b"(LOAD_FILE('/etc/passwd'),'b','c');",
        1,
        "'LOAD_FILE' is no constant",
    ),
    "a dump with arithmetic": (
        import_sys_crontab,
        INSERT + b"('a' || 'x','b','c');",
        1,
        "only constants are read",
    ),
    "a dump with SELECT": (
        import_sys_crontab,
        b"INSERT INTO sys_crontab SELECT * FROM x;",
        1,
        "has no VALUES; export the table",
    ),
    "a dump with a value too few": (
        import_sys_crontab,
        INSERT + b"\n('a','b');",
        2,
        "has 2 values for 3 columns (name, type, spec)",
    ),
    "a dump with columns nobody knows": (
        import_sys_crontab,
        b"INSERT INTO sys_crontab VALUES (1,2);",
        1,
        "has 2 values for 8 columns",
    ),
    "a dump with an endless number": (
        import_sys_crontab,
        INSERT + b"(" + b"9" * 50 + b",'b','c');",
        1,
        "is too long for a number",
    ),
    "a dump with words between rows": (
        import_sys_crontab,
        INSERT + b"('a','b','c') WHAT ('d');",
        1,
        "'WHAT' stands where a row or ;",
    ),
    "a dump with an open dollar": (
        import_sys_crontab,
        b"SET x;\nDO $$ BEGIN",
        2,
        "$$ opens here and never closes",
    ),
    "CSV with a cell too many": (
        import_sys_crontab,
        b"name,type,spec\na,b,c\na,b,c,d\n",
        3,
        "has 4 cells for 3 columns; quote a cell",
    ),
    "CSV with an open quote": (import_sys_crontab, b'name,type,spec\n"a,b,c\n', 2, "close every quote"),
    "CSV with a column twice": (
        import_sys_crontab,
        b"name,type,name\na,b,c\n",
        1,
        "the column 'name' stands twice; keep one",
    ),
    "JSON that is cut off": (import_sys_crontab, b'[\n{"name": "a", "type"', 2, "is not JSON"),
    "JSON with a key twice": (
        import_sys_crontab,
        b'[\n{"name": "a",\n "name": "b"}]',
        2,
        "the key 'name' stands twice in one object",
    ),
    "JSON with numbers": (import_sys_crontab, b"[1, 2]", 1, "a row must be an object"),
    "JSON with two lists": (
        import_sys_crontab,
        b'{"x": [], "y": []}',
        1,
        "holds no list of rows, or several",
    ),
    "ECron that is cut off": (import_ecron, JSON_JOB, 2, "the list breaks off here; export it again"),
    "ECron with a comma too few": (import_ecron, JSON_JOB + b"\n {}]", 3, "the list breaks off here"),
    "ECron with two lists": (import_ecron, b"[]\n[]", 2, "something follows the JSON; hand in one list"),
    "ECron as text": (import_ecron, b'"jobs"', 1, "is neither a list nor an object"),
    "ECron with NaN": (
        import_ecron,
        b'[\n\n{"job_name": NaN}]',
        3,
        "holds NaN, or a number that is too long; quote it",
    ),
    "ECron with an endless number": (
        import_ecron,
        b'[{"job_id": ' + b"9" * 5000 + b"}]",
        1,
        "a number that is too long; quote it",
    ),
    "ECron with brackets without end": (
        import_ecron,
        b"[" * 100_000,
        1,
        "is nested too deeply; export the list of rows alone",
    ),
    "ECron of another kind": (import_ecron, b"<html>", 1, "is not JSON"),
    "settings with a tab": (
        import_bingo_settings,
        b"log:\n\tlevel: info\n",
        2,
        "replace every tab by blanks",
    ),
    "settings as a list": (
        import_bingo_settings,
        b"- a\n",
        1,
        "is no settings file; expected keys with their values",
    ),
    "settings as broken TOML": (import_bingo_settings, b"[log]\nlevel = \n", 2, "is not TOML"),
    "settings with a bomb": (
        import_ecron_settings,
        b"a: &a [x]\nb: [*a]\n",
        1,
        "write the value where it belongs",
    ),
    "settings with a word": (import_gocron_settings, b"nothing\n", 1, "is no settings file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_none_is_refused_with_its_line_and_a_way_out(case: str) -> None:
    importer, content, line, said = REFUSED[case]

    with pytest.raises(ImportRefused) as caught:
        importer(content)

    assert caught.value.line == line
    assert said in caught.value.sentence
    assert caught.value.sentence.startswith("nothing was imported: ")
    assert f"line {line}: " in caught.value.sentence or line is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("('a','','0 1 * * *')", "line 1: job 'a': the row has no type"),
        ("('a','t',NULL)", "has 0 fields where cron takes 5 or 6"),
        ("('a','t','@reboot')", "start it from a systemd unit"),
        ("('a','t','0 99 * * *')", "job 'a' was left out: schedule: hour 99 is not in 0-23"),
        ("('a','t','CRON_TZ=X 0 1 * * *')", "the zone 'X' is no IANA time zone"),
        ("('a','t','" + "*" * 300 + "')", "has 1 fields"),
        ("('" + "n" * 300 + "','task:daily-stats','@daily')", "a name is 1 to 190 printable characters"),
        ("('a\nb','task:daily-stats','@daily')", "is called 'a b' now"),
        ("('sweep','task:daily-stats','@daily')", "a duty of qs has that name"),
        (
            "('x''); DROP TABLE users; --','task:nobody','@daily')",
            "type 'task:nobody' of a row: it runs the builtin",
        ),
    ],
)
def test_a_row_that_is_no_job_is_noted_and_the_others_are_imported(values: str, said: str) -> None:
    rows = import_sys_crontab(INSERT + f"{values}, ('good','task:daily-stats','@daily');".encode())

    assert said in told(rows)
    assert rows.jobs[-1]["name"] == "good"


def test_statements_are_text_and_are_never_run() -> None:
    rows = import_sys_crontab(
        INSERT
        + b"('a','task:daily-stats','@daily');\nDELETE FROM sys_crontab;\nUPDATE sys_crontab SET status = 0;\n"
        b"COPY sys_crontab FROM '/etc/passwd';\n"
    )

    assert [job["name"] for job in rows.jobs] == ["a"]
    for line, verb in ((2, "DELETE"), (3, "UPDATE"), (4, "COPY")):
        assert f"line {line}: {verb}: no statement is run" in told(rows)


def test_what_looks_like_a_row_in_a_comment_or_a_text_is_none() -> None:
    rows = import_sys_crontab(
        b"-- INSERT INTO sys_crontab VALUES (1);\n/* INSERT INTO sys_crontab VALUES (2); */\n"
        b"INSERT INTO logs VALUES ('INSERT INTO sys_crontab VALUES (3);');\n"
        + INSERT
        + b"('a','task:daily-stats','@daily') ON DUPLICATE KEY UPDATE name='x';\n"
    )

    assert [job["name"] for job in rows.jobs] == ["a"]


@pytest.mark.parametrize(
    "content",
    [
        INSERT + b"('" + b"\\'" * 50_000 + b"','task:daily-stats','@daily');",
        INSERT + b"('" + b"''" * 50_000 + b"','task:daily-stats','@daily');",
        INSERT + b"(" * 50_000,
        b"/*" * 50_000,
        b"`" + b"a" * 100_000,
        b"--\n" * 50_000 + INSERT + b"('a','b','c');",
    ],
    ids=["backslashes", "quotes", "brackets", "comments", "a name", "lines"],
)
def test_a_hostile_dump_costs_no_more_than_its_length(content: bytes) -> None:
    begun = time.process_time()
    with suppress(ImportRefused):
        import_sys_crontab(content)

    assert time.process_time() - begun < 5


def test_more_than_ten_thousand_jobs_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert imported.MOST_JOBS == 10_000
    monkeypatch.setattr(imported, "MOST_JOBS", 3)
    rows = [{"name": "a", "type": "t", "spec": "@daily"}] * 4

    with pytest.raises(ImportRefused, match="more than 3 jobs; import the file in parts"):
        import_sys_crontab(json.dumps(rows).encode())


SAMPLES: dict[str, tuple[Callable[[bytes], Imported], bytes]] = {
    "crontab": (import_crontab, SYSTEM_CRONTAB),
    "gocron": (import_gocron, GOCRON),
    "mysql": (import_sys_crontab, MYSQL_DUMP),
    "postgresql": (import_sys_crontab, PG_DUMP),
    "ecron": (import_ecron, ECRON),
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_damaged_file_is_imported_or_refused_and_nothing_else(system: str, data: st.DataObject) -> None:
    importer, sample = SAMPLES[system]
    at = data.draw(st.integers(0, len(sample)))
    cut = data.draw(st.integers(0, 40))
    put = data.draw(
        st.binary(max_size=4)
        | st.sampled_from([b"'", b'"', b"{", b"]", b"\\", b"\t", b"%", b"--", b"\n", b"9" * 30])
    )

    with suppress(ImportRefused):
        found = importer(sample[:at] + put + sample[at + cut :])
        assert all(note.why and note.what_to_do for note in found.notes)
