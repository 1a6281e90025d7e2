"""The base of everything that the YAML says: frozen, no unknown keys, and it knows its line."""

from __future__ import annotations

import string
import types
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union

from ethogram.specs.errors import Place, Problem, SpecError, did_you_mean
from ethogram.specs.loader import Document, KeyPath, load_yaml
from pydantic import BaseModel, ConfigDict, PrivateAttr, StringConstraints, ValidationError

ID_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=80)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]

_WORDS = {
    "missing": "missing key {key!r}",
    "string_type": "{key!r} must be text, not {input!r}",
    "string_pattern_mismatch": "{input!r} is no id: use a-z, 0-9 and single hyphens",
    "string_too_long": "{key!r} is longer than {max_length} characters",
    "string_too_short": "{key!r} is empty",
    "list_type": "{key!r} must be a list",
    "tuple_type": "{key!r} must be a list",
    "dict_type": "{key!r} must be a mapping",
    "model_type": "{key!r} must be a mapping, not {input!r}",
    "model_attributes_type": "{key!r} must be a mapping, not {input!r}",
    "value_error": "{error}",
    "assertion_error": "{error}",
}


class Spec(BaseModel):
    """Base of the specs. `place` is where the mapping stands in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
    _place: Place = PrivateAttr(default=Place(Path("?")))

    @property
    def place(self) -> Place:
        return self._place


S = TypeVar("S", bound=Spec)


class FileSpec(Spec):
    """A spec that is one whole file; the file's stem is its id."""

    @property
    def id(self) -> str:
        return self._place.file.stem


def read_spec(kind: type[S], file: Path) -> S:
    """Read and validate one YAML file. Raises SpecError with every problem in it."""
    document = load_yaml(file)
    if not isinstance(document.data, dict):
        raise SpecError.at(Place(file), "the file must be a mapping of keys to values")
    try:
        spec = kind.model_validate(document.data)
    except ValidationError as error:
        raise SpecError([_problem(kind, document, detail) for detail in error.errors()]) from None
    _attach(spec, (), document)
    return spec


def _attach(value: Any, path: KeyPath, document: Document) -> None:
    """Give every spec below `value` its place."""
    if isinstance(value, Spec):
        value._place = document.place(path) if path else Place(document.file)
        for name in type(value).model_fields:
            _attach(getattr(value, name), (*path, name), document)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            _attach(part, (*path, index), document)
    elif isinstance(value, dict):
        for key, part in value.items():
            _attach(part, (*path, key), document)


def _problem(kind: type[Spec], document: Document, detail: Any) -> Problem:
    """One pydantic error as a sentence with its place."""
    path = _data_path(document.data, detail["loc"])
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "the file")
    if detail["type"] == "extra_forbidden":
        message = f"unknown key {key!r}{did_you_mean(key, _fields_at(kind, path[:-1]))}"
        return Problem(document.place(path, of_key=True), message)
    if detail["type"] == "missing":
        return Problem(document.place(path[:-1]), f"missing key {detail['loc'][-1]!r}")
    if detail["type"] == "literal_error":
        known = [word.strip().strip("'") for word in _split_expected(detail["ctx"]["expected"])]
        message = (
            f"{key!r} cannot be {detail['input']!r}{did_you_mean(str(detail['input']), known)}"
        )
        if "did you mean" in message:
            message += f", one of: {', '.join(known)}"
        return Problem(document.place(path), message)
    words = _WORDS.get(detail["type"], "{key!r}: {msg}")
    context = {"msg": detail["msg"], **detail.get("ctx", {})}
    shown_input = detail["input"]
    if len(repr(shown_input)) > 60:
        shown_input = repr(shown_input)[:57] + "..."
    return Problem(
        document.place(path), words.format(**{**context, "key": key, "input": shown_input})
    )


def _split_expected(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(",")


def _data_path(data: Any, loc: tuple[str | int, ...]) -> KeyPath:
    """`loc` without the parts that pydantic adds for unions and the like."""
    path: list[str | int] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(data, dict) and (part in data or last):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _fields_at(kind: type[Spec], path: KeyPath) -> list[str]:
    """The keys that are known at `path` of a file of this kind."""
    kinds: list[Any] = [kind]
    for part in path:
        kinds = [inner for outer in kinds for inner in _step(outer, part)]
    return [name for found in kinds if _is_spec(found) for name in found.model_fields]


def _is_spec(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Spec)


def _step(kind: Any, part: str | int) -> list[Any]:
    """The types that stand one step below `kind`, unions and annotations taken apart."""
    if _is_spec(kind):
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


def placeholders(template: str) -> set[str]:
    """Names in braces in `template`. Raises ValueError when the braces do not pair."""
    names = set()
    for _, name, form, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            raise ValueError(f"'{{{name}}}' is no placeholder: write a plain name in braces")
        names.add(name)
    return names


def duplicates(names: list[str]) -> list[str]:
    """Names that stand more than once, in order of their second appearance."""
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def check_unique(what: str, names: list[str]) -> None:
    """Raise ValueError when an id stands twice (two cases would have one name)."""
    if twice := duplicates(names):
        raise ValueError(f"the {what} id {twice[0]!r} stands twice; ids must differ")
