"""What a job may say is a name and typed values: no value, and nothing beside them, becomes anything else."""

import subprocess

import pytest

from qs.application.scheduler.executors import AttemptStatus
from tests.conformance.rigs.rig import an_attempt, output_of

PRINT = """
print:
  argv: [/usr/bin/printf, '%s|', '{v}', '--day={v}', fixed]
  params: {v: {max_length: 500, required: true}}
"""

# `X` stands for a file that none of them may make.
META = [
    *(
        "; touch X",
        "&& touch X",
        "|| touch X",
        "| touch X",
        "& touch X",
        "$(touch X)",
        "`touch X`",
        "<(touch X)",
    ),
    *("> X", ">> X", "2> X", "a' ; touch X ; '", 'a" ; touch X ; "', "a\\\\; touch X", "${IFS}touch${IFS}X"),
    *(
        "$(touch${IFS}X)",
        "{touch,X}",
        "%s%n%x",
        "$HOME",
        "${PATH}",
        "~",
        "*",
        "?",
        "[a-z]*",
        "!!",
        "#x",
        "\\",
        "'",
    ),
    *(
        '"',
        "a b  c",
        "@X",
        "=X",
        "%PATH%",
        "{v}",
        "{{v}}",
        "secret://password",
        "../../X",
        "/etc/passwd",
        "嗨 ü",
    ),
]

# Of these not even the text reaches the program.
REFUSED = [
    *("a\nb", "a\r\nb", "a\0b", "\n", "a\x1b[2Jb", "a\x7fb", "a\x85b", "a\u2028b", "a\u202eb", "\ud800"),
    *("-rf", "--output=X", "-", "--", "-oProxyCommand=touch X", "x" * 501, ""),
]


@pytest.mark.parametrize("value", META)
async def test_a_value_is_one_argument_whatever_is_in_it(make_executor, tmp_path, value):
    made = tmp_path / "made"
    value = value.replace("X", str(made))
    attempt = an_attempt({"name": "print", "params": {"v": value}})

    outcome = await make_executor(PRINT).execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED, outcome
    assert output_of(attempt).data.decode() == f"{value}|--day={value}|fixed|"
    assert not made.exists()


def test_a_shell_would_have_made_the_file(tmp_path):
    made = tmp_path / "made"
    count = 0
    for value in META:
        subprocess.run(
            ["bash", "-c", f"echo {value.replace('X', str(made))}"], capture_output=True, timeout=10
        )
        count += made.exists()
        made.unlink(missing_ok=True)

    assert count >= 12


@pytest.mark.parametrize("value", REFUSED)
async def test_a_value_that_could_be_more_than_a_value_is_refused(make_executor, value):
    executor = make_executor(PRINT)
    attempt = an_attempt({"name": "print", "params": {"v": value}})

    [problem] = executor.check(attempt.target)
    outcome = await executor.execute(attempt)

    assert problem.pointer == "/params/v"
    assert (outcome.permanent, output_of(attempt).data) == (True, b"")


@pytest.mark.parametrize(
    ("extra", "pointer"),
    [
        ({"argv": ["/bin/sh", "-c", "touch X"]}, "/argv"),
        ({"args": ["x"]}, "/args"),
        ({"shell": True}, "/shell"),
        ({"env": {"LD_PRELOAD": "/tmp/evil.so"}}, "/env"),
        ({"environment": {"PATH": "/tmp"}}, "/environment"),
        ({"cwd": "/"}, "/cwd"),
        ({"uid": 0}, "/uid"),
        ({"user": "root"}, "/user"),
        ({"stdin": "x"}, "/stdin"),
        ({"timeout": 1}, "/timeout"),
        ({"isolated": False}, "/isolated"),
        ({"rlimits": {}}, "/rlimits"),
        ({"params": {"v": "a", "argv": "x"}}, "/params/argv"),
        ({"params": {"v": "a", "LD_PRELOAD": "x"}}, "/params/LD_PRELOAD"),
        ({"params": {"v": ["a", "b"]}}, "/params/v"),
        ({"params": {"v": {"a": "b"}}}, "/params/v"),
        ({"params": {"v": None}}, "/params/v"),
        ({"params": {"v": 1}}, "/params/v"),
        ({"params": {"v": True}}, "/params/v"),
        ({"params": {}}, "/params/v"),
        ({"params": {f"p{number}": "" for number in range(60)}}, "/params"),
        ({"params": "v=a"}, "/params"),
        ({"params": None}, "/params"),
        ({"name": "/bin/sh"}, "/name"),
        ({"name": "print; touch X"}, "/name"),
        ({"name": "../print"}, "/name"),
        ({"name": "PRINT"}, "/name"),
        ({"name": "print\0"}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": None}, "/name"),
        ({"name": ["print"]}, "/name"),
    ],
)
async def test_nothing_but_a_name_and_parameters_can_be_said(make_executor, extra, pointer):
    executor = make_executor(PRINT)
    target = {"name": "print", "params": {"v": "a"}} | extra

    assert pointer in [problem.pointer for problem in executor.check(target)]
    attempt = an_attempt(target)
    outcome = await executor.execute(attempt)
    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert output_of(attempt).data == b""


@pytest.mark.parametrize("name", ["每日\n报告; touch X", "$(touch X)", "a=b", "x" * 200])
async def test_a_job_name_is_only_a_variable(make_executor, tmp_path, name):
    made = tmp_path / "made"
    attempt = an_attempt({"name": "name"}, job_name=name.replace("X", str(made)))

    outcome = await make_executor("name:\n  argv: [/usr/bin/printenv, QS_JOB_NAME]\n").execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output_of(attempt).data.decode() == f"{attempt.job_name}\n"
    assert not made.exists()


async def test_a_name_that_no_environment_can_hold_starts_nothing(make_executor):
    attempt = an_attempt({"name": "name"}, job_name="a\0b")

    outcome = await make_executor("name:\n  argv: [/usr/bin/printenv, QS_JOB_NAME]\n").execute(attempt)

    assert (outcome.status, outcome.code) == (AttemptStatus.FAILED, "exec")


async def test_a_payload_is_bounded(make_executor):
    outcome = await make_executor(PRINT).execute(
        an_attempt({"name": "print", "params": {"v": "a"}}, payload={"a": "x" * 65536})
    )

    assert outcome.permanent
    assert "64 KiB" in (outcome.error or "")


@pytest.mark.parametrize(
    "variable", ["LD_PRELOAD", "LD_AUDIT", "PYTHONSTARTUP", "BASH_ENV", "ENV", "IFS", "PATH"]
)
async def test_the_workers_environment_is_not_handed_on(make_executor, monkeypatch, variable):
    monkeypatch.setenv(variable, "/nowhere/evil.so")
    attempt = an_attempt({"name": "all"})

    await make_executor("all:\n  argv: [/usr/bin/env]\n").execute(attempt)

    names = {line.partition("=")[0] for line in output_of(attempt).data.decode().splitlines()}
    assert variable not in names
    assert "QS_JOB_ID" in names


# Paths

PATHS = """
show:
  argv: [/bin/cat, '{path}']
  params: {path: {type: path_under, root: ROOT, required: true}}
"""


@pytest.fixture
def files(tmp_path):
    inside, beside = tmp_path / "data", tmp_path / "data2"
    for directory in (inside, beside):
        directory.mkdir()
    (inside / "a file").write_text("inside")
    (beside / "file").write_text("beyond")
    (tmp_path / "file").write_text("beyond")
    (inside / "link").symlink_to(tmp_path / "file")
    (inside / "up").symlink_to(tmp_path)
    (inside / "again").symlink_to(inside / "a file")
    return inside


@pytest.mark.parametrize("path", ["a file", "./a file", "ROOT/a file", "again", "//a file".strip("/")])
async def test_a_path_inside_is_given(make_executor, files, path):
    attempt = an_attempt({"name": "show", "params": {"path": path.replace("ROOT", str(files))}})

    outcome = await make_executor(PATHS.replace("ROOT", str(files))).execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED, outcome
    assert output_of(attempt).data == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../file",
            "a/../../file",
            "ROOT/../file",
            "ROOT2/file",
            "/etc/passwd",
            "//etc/passwd",
            "link",
            "up/file",
        ),
        *("up/data2/file", "..", "", "/", "~/file", "a\0/../file", "ROOT/up/file", "/proc/self/environ"),
    ],
)
async def test_a_path_outside_is_refused(make_executor, files, path):
    attempt = an_attempt({"name": "show", "params": {"path": path.replace("ROOT", str(files))}})

    outcome = await make_executor(PATHS.replace("ROOT", str(files))).execute(attempt)

    assert outcome.status is AttemptStatus.FAILED
    # A tilde is a name like any other, and there is no such file.
    assert outcome.permanent or path.startswith("~")
    assert b"beyond" not in output_of(attempt).data
    assert b"root:" not in output_of(attempt).data
