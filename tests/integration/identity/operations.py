"""The operations of the OpenAPI document, each with an input that fits, and what their path parameters name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qs.interface.rest.app import documented_handlers
from qs.interface.rest.document import build_document

# What a path parameter names, by the first that fits: a key of Furnished.things.
NAMED: tuple[tuple[str, str], ...] = (
    (r"\{plan_id\}", "plan_id plan"),
    (r"\{testee_id\}", "testee_id testee"),
    (r"\{enrollment_id\}", "enrollment_id enrollment"),
    (r"\{task_id\}", "task_id task"),
    (r"/scales/\{code\}", "code scale"),
    (r"\{job_id\}", "job_id job"),
    (r"\{job_ids\}", "job_ids job"),
    (r"PUT .*/jobstatus/\{ids\}", "ids execution"),
    (r"/jobstatus/\{ids\}", "ids job"),
    (r"\{execution_id\}", "execution_id execution"),
    (r"/calendars/\{name\}", "name calendar"),
    (r"/secrets/\{name\}", "name secret"),
    (r"\{notification_id\}", "notification_id notification"),
    (r"\{webhook_id\}", "webhook_id webhook"),
    (r"\{key_id\}", "key_id api_key"),
    (r"\{user_id\}", "user_id user"),
    (r"\{account_id\}", "account_id service_account"),
    (r"\{tenant_id\}", "tenant_id tenant"),
)
# They are no tenant's, so there is no foreign one.
NOBODYS = frozenset({"node_id", "key", "locale", "token", "channel", "picture"})
# The same in the query and in bodies.
_FIELDS = {
    "plan_id": "plan",
    "testee_id": "testee",
    "enrollment_id": "enrollment",
    "task_id": "task",
    "job_id": "job",
    "execution_id": "execution",
    "subject": "task",
}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    scopes: frozenset[str]
    is_public: bool
    query: Mapping[str, Any]
    body: Any
    ids_in_query: Mapping[str, str]
    ids_in_body: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    def thing(self, parameter: str) -> str | None:
        """What the parameter names; None for what is no tenant's.

        Raises:
            LookupError: nobody said so yet.
        """
        if parameter in NOBODYS:
            return None
        for pattern, named in NAMED:
            name, thing = named.split()
            if name == parameter and re.search(pattern, self.name):
                return thing
        raise LookupError(
            f"{self.name}: which thing {{{parameter}}} names is not known; say it in NAMED of operations.py, and let "
            "furnishing.py make one for each tenant (or put it into NOBODYS if no tenant owns it)"
        )


def all_operations() -> list[Operation]:
    document = build_document(documented_handlers())
    return [
        _operation(document, method.upper(), path, described)
        for path, item in document["paths"].items()
        for method, described in item.items()
    ]


def _operation(document: Mapping[str, Any], method: str, path: str, described: Any) -> Operation:
    security = described["security"]
    scopes = {scope for each in security for scope in each.get("client", ())}
    in_query = {each["name"]: each for each in described.get("parameters", ()) if each["in"] == "query"}
    body, schema = _body(document, described)
    properties = schema.get("properties", {})
    return Operation(
        method=method,
        path=path,
        scopes=frozenset(scopes),
        is_public=not security,
        query={name: _example(each) for name, each in in_query.items() if each.get("required")},
        body=body,
        ids_in_query={name: thing for name, thing in _FIELDS.items() if name in in_query},
        ids_in_body={
            name: thing for name, thing in _FIELDS.items() if name in properties and isinstance(body, dict)
        },
    )


def _body(document: Mapping[str, Any], described: Any) -> tuple[Any, Mapping[str, Any]]:
    """An example of the JSON body, and the schema of the object it is."""
    json = described.get("requestBody", {}).get("content", {}).get("application/json")
    if json is None:
        return None, {}
    schema = json["schema"]
    named = [schema, *schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    names = [each["$ref"].rsplit("/", 1)[1] for each in named if "$ref" in each]
    objects = [document["components"]["schemas"][name] for name in names]
    examples = [found for each in (json, *named, *objects) for found in _examples(each)]
    return (examples[0] if examples else None), (objects[0] if objects else {})


def _example(parameter: Any) -> Any:
    schema = parameter["schema"]
    found = [*_examples(parameter), *_examples(schema), *schema.get("enum", ())]
    for part in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found += [*_examples(part), *part.get("enum", ())]
    return found[0] if found else "x"


def _examples(described: Any) -> Iterator[Any]:
    if "example" in described:
        yield described["example"]
    examples = described.get("examples", ())
    yield from (each["value"] for each in examples.values()) if isinstance(examples, dict) else examples
