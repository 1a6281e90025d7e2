"""What pydantic found wrong, in the words of somebody who writes YAML, each with its place."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Union

from pydantic import BaseModel, ValidationError

from ethogram.specs.errors import Problem, did_you_mean
from ethogram.specs.loader import Document, KeyPath

_WANTED = {
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of usual size",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "greater_than": "above {gt:.12g}",
    "greater_than_equal": "at least {ge:.12g}",
    "less_than": "below {lt:.12g}",
    "less_than_equal": "at most {le:.12g}",
}
_OTHERWISE = {
    "string_too_long": "{what} is longer than {max_length} characters",
    "string_too_short": "{what} is empty",
    "string_unicode": "{what} holds half of a character (a lone surrogate)",
    "control_character": "{what} holds the control character {code}",
    "too_short": "{what} needs at least {min_length} {entries}, and has {count}",
    "too_long": "{what} takes at most {max_length} {entries}, and has {count}",
    "value_error": "{error}",
}
_PATTERNS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "is no id: use a-z, 0-9 and single hyphens",
    r"^[0-9a-f]{64}$": "is no SHA-256: write its 64 digits of 0-9 and a-f",
}


@dataclass(frozen=True)
class _Finding:
    """One error of pydantic: its type, where in the data, what stands there, and its numbers."""

    type: str
    path: KeyPath
    input: Any
    context: dict[str, Any]
    message: str
    of_key: bool

    @cached_property
    def what(self) -> str:
        """The faulty part as a reader would call it: `'items'`, `entry 3 of 'items'`."""
        return _part(self.path)


def problems_of(kind: type[BaseModel], document: Document, error: ValidationError) -> list[Problem]:
    """Every problem that a person has to mend; what merely follows from another is left out."""
    found = [_finding(document.data, detail) for detail in error.errors()]
    meant = {(f.path[:-1], name) for f in found if (name := _meant(kind, f))}
    return [
        Problem(
            _place(document, finding), _sentence(kind, finding, found) + _within(document, finding)
        )
        for finding in found
        if not _follows(finding, found, meant)
    ]


def _finding(data: Any, detail: Any) -> _Finding:
    loc: tuple[str | int, ...] = detail["loc"]
    of_key = bool(loc) and loc[-1] == "[key]" and detail["type"] != "missing"
    path = _data_path(data, loc[:-1] if of_key else loc, detail["type"])
    context = dict(detail.get("ctx", {}))
    if isinstance(inner := getattr(context.get("error"), "path", None), tuple):
        path = (*path, *inner)
    return _Finding(detail["type"], path, detail["input"], context, detail["msg"], of_key)


def _data_path(data: Any, loc: tuple[str | int, ...], error: str) -> KeyPath:
    """`loc` without the parts that pydantic adds for unions and the like."""
    path: list[str | int] = []
    for part in loc:
        listed = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if listed or (isinstance(data, dict) and part in data):
            data = data[part]
            path.append(part)
    return (*path, loc[-1]) if error == "missing" else tuple(path)


def _meant(kind: type[BaseModel], finding: _Finding) -> str | None:
    """The known key that an unknown one was meant to be."""
    if finding.type != "extra_forbidden":
        return None
    near = difflib.get_close_matches(
        str(finding.path[-1]), _fields_at(kind, finding.path[:-1]), n=1
    )
    return near[0] if near else None


def _follows(finding: _Finding, found: Sequence[_Finding], meant: set[tuple[KeyPath, str]]) -> bool:
    """Whether the finding is only the consequence of another one."""
    if finding.type == "missing":
        return (finding.path[:-1], finding.path[-1]) in meant
    if finding.type == "too_short":  # pydantic does not count entries that are wrong
        return bool(len(finding.input) >= finding.context["min_length"])
    if finding.type == "literal_error":  # the other arm of a union came further
        return any(
            _below(other.path, finding.path)
            or (other.type == "too_short" and other.path == finding.path)
            for other in found
        )
    return any(f.type == "literal_error" and f.path == finding.path for f in found)


def _below(path: KeyPath, above: KeyPath) -> bool:
    return len(path) > len(above) and path[: len(above)] == above


def _place(document: Document, finding: _Finding) -> Any:
    path = finding.path[:-1] if finding.type == "missing" else finding.path
    of_key = finding.of_key or finding.type in ("missing", "extra_forbidden", "value_error")
    return document.place(path, of_key=of_key)


def _within(document: Document, finding: _Finding) -> str:
    """Where in its line of JSON, for a file whose places are whole lines."""
    above = finding.path[:-1]
    if finding.path and isinstance(finding.path[-1], int):  # the sentence names its list
        above = above[:-1]
    if document.values or not above:
        return ""
    return f" (in {_part(above)})"


def _sentence(kind: type[BaseModel], finding: _Finding, found: Sequence[_Finding]) -> str:
    if finding.type == "extra_forbidden":
        key = str(finding.path[-1])
        if key == "<<":
            return "merge keys (<<) are not read: YAML 1.2 has none; write the keys out"
        return f"unknown key {key!r}{did_you_mean(key, _fields_at(kind, finding.path[:-1]))}"
    if finding.type == "missing":
        return f"missing key {finding.path[-1]!r}"
    if finding.type == "literal_error":
        return _choice(finding, [f for f in found if f.path == finding.path and f is not finding])
    if finding.type == "string_pattern_mismatch":
        pattern = finding.context["pattern"]
        return f"{_short(finding.input)} {_PATTERNS.get(pattern, f'does not match {pattern}')}"
    if finding.type in _WANTED:
        wanted = _WANTED[finding.type].format(**finding.context)
        return f"{finding.what} {_must(wanted, finding.input)}"
    if finding.type in _OTHERWISE:
        least = finding.context.get("min_length", finding.context.get("max_length"))
        words = {**finding.context, "entries": "entry" if least == 1 else "entries"}
        if finding.type.startswith("too_"):
            words["count"] = len(finding.input)
        return _OTHERWISE[finding.type].format(what=finding.what, **words)
    return f"{finding.what}: {finding.message}"


def _choice(finding: _Finding, others: Iterable[_Finding]) -> str:
    """A word that is none of the known ones; `others` are what else could have stood there."""
    quoted = finding.context["expected"].replace(" or ", ", ").split(", ")
    known = [word.strip("'") for word in quoted]
    kinds = [_WANTED[o.type].format(**o.context) for o in others if o.type in _WANTED]
    hint = did_you_mean(str(finding.input), known)
    hint = hint if "did you mean" in hint else ""
    fault = "has no value" if finding.input is None else f"cannot be {shape(finding.input)}"
    fault = "is no known key" if finding.of_key else fault
    return f"{finding.what} {fault}{hint}; use {_either([*quoted, *kinds])}"


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _must(wanted: str, found: Any) -> str:
    if found is None:
        return f"has no value; it must be {wanted}"
    quotes = isinstance(found, (bool, int, float)) and wanted == "text"
    return f"must be {wanted}, not {shape(found)}" + (": put quotes around it" if quotes else "")


def shape(value: Any) -> str:
    """A value of a YAML file as a person would name it."""
    if isinstance(value, dict):
        return "a mapping of keys to values"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else _short(value)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _part(path: KeyPath) -> str:
    if path and isinstance(path[-1], int):
        return f"entry {path[-1] + 1} of {next(p for p in reversed(path) if isinstance(p, str))!r}"
    return repr(path[-1]) if path else "the whole"


def _fields_at(kind: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that are known at `path` of a file of this kind."""
    kinds: list[Any] = [kind]
    for part in path:
        kinds = [inner for outer in kinds for inner in _step(outer, part)]
    return [name for found in kinds if _is_model(found) for name in found.model_fields]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _step(kind: Any, part: str | int) -> list[Any]:
    """The types that stand one step below `kind`, unions and annotations taken apart."""
    if _is_model(kind):
        field = kind.model_fields.get(part)
        return _arms(field.annotation) if field else []
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (list, tuple) and isinstance(part, int):
        return _arms(arguments[0])
    if origin is dict:
        return _arms(arguments[1])
    return []


def _arms(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _arms(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [arm for option in typing.get_args(annotation) for arm in _arms(option)]
    return [annotation]
