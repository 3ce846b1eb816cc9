"""Plain values as YAML that every reader here takes back as the same values."""

import re
from typing import Any

import yaml

_CLOCK = re.compile(r"\d+:[\d:]+")


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or 1.2 would take for something else than text; repeats instead of referring."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        # List items stand further in than their key, as people write them.
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\x85" in text or _CLOCK.fullmatch(text):
        # PyYAML takes U+0085 for a line break that needs no escape, and reads it back as a blank; and it quotes 12:00
        # but not 02:00.
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def yaml_text(value: Any) -> str:
    """The value as a YAML document in block style, members in the order given."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=2**31
    )
    return text
