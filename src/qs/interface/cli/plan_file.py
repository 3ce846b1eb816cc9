"""A plan in a file: the fields of the API as YAML or JSON, read so that what they say is beyond doubt."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from qs.interface.cli.files import read_bytes
from qs.interface.cli.output import failing_plainly, misuse
from qs.interface.rest.bodies import build
from qs.interface.rest.parsing import is_storable
from qs.interface.rest.plan.plan_dto import PlanBody, PreviewBody

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


def read_plan(file: Path) -> dict[str, Any]:
    """The fields that a plan is created from; a field that no plan has ends the verb with 1, an unreadable file with 2."""
    with failing_plainly():
        body: PlanBody = build(_fields(file), PlanBody)
    return body.given()


def read_schedule(file: Path) -> dict[str, Any]:
    """Of the same file what a preview takes."""
    return {name: value for name, value in read_plan(file).items() if name in PreviewBody.__struct_fields__}


class _Loader(yaml.SafeLoader):
    """YAML without what makes it ambiguous: dates stay text, a key stands once, a value stands where it belongs."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - never changed
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases are not read; write the value where it belongs", event)
        if getattr(event, "tag", None):
            raise _refused("tags are not read; write the plain value", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key must be a word", key)
            if key.value in seen:
                raise _refused(f"the key {key.value[:64]!r} stands twice; keep one", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if not is_storable(value):
            raise _refused("text must not contain NUL or a lone surrogate", node)
        return value


def _refused(problem: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = at.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _fields(file: Path) -> dict[str, Any]:
    content = read_bytes(file)
    try:
        fields = _Loader(content.decode("utf-8")).get_single_data()
    except RecursionError:
        misuse(f"{file} cannot be read as YAML or JSON: it is nested too deeply")
    except (yaml.YAMLError, ValueError) as error:
        misuse(f"{file} cannot be read as YAML or JSON: {_complaint(error)}")
    if not isinstance(fields, dict):
        misuse(f"{file} holds no fields; write them as `name: value`")
    if isinstance(fields.get("trigger_time"), int):
        misuse(f'{file}: trigger_time must be quoted, since YAML reads 19:00 as a number; write "19:00"')
    return {str(name): value for name, value in fields.items()}


def _complaint(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]
