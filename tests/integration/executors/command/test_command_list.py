"""The allow-list: who may have written it, what it may say, and that every refusal names its line."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qs.infra.scheduler.executors.command import CommandExecutor
from qs.infra.scheduler.executors.command_document import CommandFileRefused
from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.executors.secrets import SettingsSecrets

GOOD = "a:\n  argv: [/bin/true]\n"


def check(text: str, write_list: Callable[[str], Path], **params: Any) -> list[str]:
    """The problems of a job with these parameters for the command `a`."""
    executor = CommandExecutor(read_command_list(write_list(text)), SettingsSecrets({}, {}))
    return [problem.pointer for problem in executor.check({"name": "a", "params": params})]


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(CommandFileRefused) as refused:
        read_command_list(path, **options)
    return refused.value.sentence


# The file


def test_a_sound_file_is_read(write_list):
    assert read_command_list(write_list(GOOD)).names == ("a",)


def test_an_empty_file_lists_nothing(write_list):
    assert read_command_list(write_list("# nothing yet\n")).names == ()


@pytest.mark.parametrize("mode", [0o660, 0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_can_write_is_refused(write_list, mode):
    path = write_list(GOOD)
    path.chmod(mode)

    assert "chmod go-w" in refusal(path)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_a_file_that_others_can_read_is_not(write_list, mode):
    path = write_list(GOOD)
    path.chmod(mode)

    assert read_command_list(path).names == ("a",)


def test_a_link_is_refused_even_to_a_sound_file(write_list, tmp_path):
    link = tmp_path / "link.yaml"
    link.symlink_to(write_list(GOOD))

    assert "symbolic link" in refusal(link)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(write_list):
    path = write_list(GOOD)
    os.chown(path, 65534, 65534)

    assert "belongs neither" in refusal(path)
    assert "belongs neither" in refusal(path, uid=1000)
    assert read_command_list(path, uid=65534).names == ("a",)


def test_what_is_no_file_is_refused(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)

    assert "not a regular file" in refusal(fifo)
    assert "not a regular file" in refusal(tmp_path)
    assert "cannot be opened" in refusal(tmp_path / "missing")
    assert not stat.S_ISREG(fifo.stat().st_mode)


def test_a_file_over_256_kib_is_refused(write_list):
    assert "256 KiB" in refusal(write_list(GOOD + "#" * 256 * 1024))


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a:\n\targv: [/bin/true]\n", 2, "tabs"),
        ("a: &x\n  argv: [/bin/true]\n", 1, "anchors"),
        ("a:\n  argv: &x [/bin/true]\nb:\n  argv: *x\n", 2, "anchors"),
        ("a:\n  argv: *x\n", 2, "aliases"),
        ("a:\n  argv: !!python/object/apply:os.system ['id']\n", 2, "tags"),
        ("a:\n  argv: !x [/bin/true]\n", 2, "tags"),
        ("a:\n  argv: [/bin/true]\n  argv: [/bin/false]\n", 3, "twice"),
        ("a:\n  argv: [/bin/true]\na:\n  argv: [/bin/false]\n", 3, "twice"),
        ("a:\n  argv: [/bin/true]\n---\nb:\n  argv: [/bin/true]\n", 3, "second document"),
        ("- a\n", 1, "names of commands"),
        ("a:\n  argv: [/bin/true\nb: 1\n", 3, "not YAML"),
        ("a:\n  argv: [[[[[[[[[[[[[1]]]]]]]]]]]]]\n", 2, "deeper"),
        ("a: {? [x] : y}\n", 1, "word"),
    ],
)
def test_yaml_that_could_mean_two_things_is_refused_by_its_line(write_list, text, line, word):
    sentence = refusal(write_list(text))

    assert f"line {line}" in sentence
    assert word in sentence


def test_what_is_no_text_is_refused(write_list, tmp_path):
    path = write_list("")
    path.write_bytes(b"a:\n  argv: ['\xff']\n")
    assert "UTF-8" in refusal(path)
    path.write_bytes(b"a:\n  argv: ['\x07']\n")
    assert "does not allow" in refusal(path)


def test_merge_keys_merge_nothing(write_list):
    listed = read_command_list(write_list(GOOD + "b:\n  <<: {argv: [/bin/true]}\n"))

    assert listed.names == ("a",)
    assert "line 4" in listed.refused["b"]


# The entries


@pytest.mark.parametrize(
    ("entry", "line", "word"),
    [
        ("argv: [true]", 2, "absolute"),
        ("argv: [./true]", 2, "absolute"),
        ("argv: [/bin/../bin/true]", 2, "absolute"),
        ("argv: ['{p}']\n  params: {p: {}}", 2, "no parameter"),
        ("argv: ['/bin/{p}']\n  params: {p: {}}", 2, "no parameter"),
        ("argv: []", 2, "begins with a program"),
        ("argv: /bin/true", 2, "a list"),
        ("argv: [/bin/true, [x]]", 2, "a text"),
        ("env: {}", 1, "argv is missing"),
        ("argv: [/bin/true, '{q}']", 2, "no parameter q"),
        ("argv: [/bin/true, '{p}x']\n  params: {p: {}}", 2, "must be the end"),
        ("argv: [/bin/true, '{p}{p}']\n  params: {p: {}}", 2, "must be the end"),
        ("argv: [/bin/true, '{p']\n  params: {p: {}}", 2, "brace"),
        ("argv: [/bin/true, '{P}']", 2, "brace"),
        ("argv: [/bin/true]\n  params: {p: {}}", 2, "would do nothing"),
        ("argv: [/bin/sh, -c, 'echo x', '{p}']\n  params: {p: {}}", 2, "-c"),
        ("argv: [/bin/bash, -ec, x, '{p}']\n  params: {p: {}}", 2, "-c"),
        ("argv: [/bin/true]\n  shell: true", 3, "no key"),
        ("argv: [/bin/true]\n  user: root", 3, "no key"),
        ("argv: [/bin/true]\n  env: {QS_JOB_ID: x}", 3, "QS_"),
        ("argv: [/bin/true]\n  env: {TRACEPARENT: x}", 3, "TRACEPARENT"),
        ("argv: [/bin/true]\n  env: {'A=B': x}", 3, "variable"),
        ("argv: [/bin/true]\n  env: {A: secret://B}", 3, "secret"),
        ("argv: [/bin/true]\n  cwd: data", 3, "absolute"),
        ("argv: [/bin/true]\n  timeout: soon", 3, "duration"),
        ("argv: [/bin/true]\n  timeout: 8d", 3, "7d"),
        ("argv: [/bin/true]\n  grace_s: 301", 3, "300"),
        ("argv: [/bin/true]\n  grace_s: -1", 3, "0 to"),
        ("argv: [/bin/true]\n  success_exit: 0", 3, "a list"),
        ("argv: [/bin/true]\n  success_exit: [256]", 3, "255"),
        ("argv: [/bin/true]\n  isolated: maybe", 3, "true or false"),
        ("argv: [/bin/true]\n  rlimits: {cpu: 1}", 3, "no key"),
        ("argv: [/bin/true]\n  rlimits: {memory_mb: 1}", 3, "16"),
        ("argv: [/bin/true]\n  rlimits: {processes: 1.5}", 3, "whole"),
        ("argv: [/bin/true]\n  output_kb: x", 3, "number"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {type: text}", 4, "one of"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {type: enum}", 4, "needs values"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {type: path_under}", 4, "needs root"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {pattern: '['}", 4, "regular expression"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {type: integer, pattern: x}", 4, "says nothing"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {min: 1}", 4, "says nothing"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {default: -x}", 4, "hyphen"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {type: integer, default: x}", 4, "whole number"),
        ("argv: [/bin/true, '{p}']\n  params:\n    p: {type: date, default: 2026-02-30}", 4, "date"),
        ("argv: [/bin/true, '{p}']\n  params:\n    P: {}", 4, "named"),
        ("argv: [/nowhere/program]", 1, "cannot be found"),
        ("argv: [/etc/passwd]", 1, "executed"),
        ("argv: [/bin]", 1, "executed"),
        ("argv: [/bin/true]\n  cwd: /nowhere", 1, "no directory"),
    ],
)
def test_an_entry_that_is_wrong_is_refused_by_its_line_and_the_rest_stands(write_list, entry, line, word):
    listed = read_command_list(write_list(f"bad:\n  {entry}\n{GOOD}"))

    assert list(listed.refused) == ["bad"]
    assert f"line {line}: " in listed.refused["bad"]
    assert word in listed.refused["bad"]
    assert listed.find("a") is not None


def test_a_program_that_anybody_can_write_is_refused(write_list, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)

    listed = read_command_list(write_list(f"a:\n  argv: [{program}]\n"))

    assert "anybody" in listed.refused["a"]


@pytest.mark.parametrize("name", ["A", "-a", "a b", "a/b", "a" * 65, "''"])
def test_an_odd_name_is_refused(write_list, name):
    listed = read_command_list(write_list(f"{name}:\n  argv: [/bin/true]\n"))

    assert (listed.names, len(listed.refused)) == ((), 1)


def test_scalars_are_what_is_written(write_list):
    text = "a:\n  argv: [/bin/true, no, 0123, 1.0, '{{x}}', '{p}']\n  params: {p: {type: enum, values: [no, 010]}}\n"

    command = read_command_list(write_list(text)).find("a")

    assert command is not None
    assert command.arguments({"p": "010"}) == ["/bin/true", "no", "0123", "1.0", "{x}", "010"]


def test_a_parameter_without_a_value_takes_its_argument_away(write_list):
    text = "a:\n  argv: [/bin/true, '--n={n}', '{s}', x]\n  params: {n: {type: integer, default: 3}, s: {}}\n"

    command = read_command_list(write_list(text)).find("a")

    assert command is not None
    assert command.arguments({}) == ["/bin/true", "--n=3", "x"]
    assert command.arguments({"n": 5, "s": "y"}) == ["/bin/true", "--n=5", "y", "x"]


# The parameters


@pytest.mark.parametrize(
    ("param", "good", "bad"),
    [
        ("{}", ["a", "a b", "嗨"], ["", 1, None, True, "x" * 201]),
        ("{pattern: '[a-z]+'}", ["abc"], ["abC", "abc\n", "", "abc1"]),
        ("{pattern: '[a-z]*'}", ["", "a"], ["1"]),
        ("{max_length: 3}", ["abc"], ["abcd"]),
        ("{allow_dash: true}", ["-x", "--y"], ["\n"]),
        ("{type: integer}", [0, 5, 2**62], [True, 1.0, "1", None, 2**63, -1]),
        ("{type: integer, min: 1, max: 9}", [1, 9], [0, 10]),
        ("{type: integer, allow_dash: true}", [-5], [-(2**63)]),
        ("{type: number, min: 0.5}", [0.5, 3], [0.4, float("inf"), float("nan"), "1", True]),
        ("{type: boolean}", [True, False], [1, 0, "true", None]),
        ("{type: enum, values: [a, b]}", ["a", "b"], ["c", "", ["a"], None, 1]),
        (
            "{type: date}",
            ["2024-02-29", "0001-01-01"],
            ["2023-02-29", "20240229", "2024-2-29", "２０２４-02-29", 1],
        ),
        (
            "{type: path_under, root: /srv}",
            ["a/b", "/srv/a", "."],
            ["../a", "/etc", "/srv2/a", "a/../..", "", "-a"],
        ),
    ],
)
def test_a_parameter_takes_its_kind_of_value_and_no_other(write_list, param, good, bad):
    text = f"a:\n  argv: [/bin/true, '{{p}}']\n  params: {{p: {param}}}\n"

    for value in good:
        assert check(text, write_list, p=value) == [], value
    for value in bad:
        assert check(text, write_list, p=value) == ["/params/p"], value


def test_no_problem_repeats_the_value(write_list):
    executor = CommandExecutor(
        read_command_list(write_list("a:\n  argv: [/bin/true, '{p}']\n  params: {p: {pattern: '[a-z]'}}\n")),
        SettingsSecrets({}, {}),
    )

    [problem] = executor.check({"name": "a", "params": {"p": "hunter22"}})

    assert "hunter22" not in problem.detail


def test_what_is_missing_is_told(write_list):
    text = "a:\n  argv: [/bin/true, '{p}']\n  params: {p: {required: true}}\n"

    assert check(text, write_list) == ["/params/p"]
