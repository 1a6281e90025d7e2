"""The base of everything that the YAML says: frozen, no unknown keys, and it knows its line."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from ethogram.specs.errors import Place, SpecError
from ethogram.specs.loader import Document, KeyPath, load_yaml
from ethogram.specs.wording import problems_of, shape

ID_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MAX_ID = 80
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _no_control(text: str) -> str:
    if found := _CONTROL.search(text):
        code = f"U+{ord(found[0]):04X}"
        raise PydanticCustomError("control_character", "control character", {"code": code})
    return text


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=MAX_ID)]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000),
    AfterValidator(_no_control),
]


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        # What stands there may be the key, so it is not repeated.
        raise ValueError("name the environment variable that holds the key, not the key itself")
    return text


Variable = Annotated[Text, AfterValidator(_variable)]
"""The name of an environment variable."""


def _counts(value: Any) -> Any:
    # YAML's `true` (and `yes`, where a tool writes it) would be taken for 1.
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _measures(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


WHOLE, REAL = BeforeValidator(_counts), BeforeValidator(_measures)
"""Last of an annotation's parts: before its bounds they would not reach the JSON Schema."""
Int = Annotated[int, WHOLE]
Float = Annotated[float, REAL]
"""Numbers; true and false are none."""
Piece = Annotated[str, StringConstraints(max_length=200), AfterValidator(_no_control)]
"""Text of which spaces and line ends at either end count."""


class Misplaced(ValueError):
    """What a spec's own check found wrong, with the way from the spec to the faulty part."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


_NOWHERE = Place(Path("?"))


class Spec(BaseModel):
    """Base of the specs. `place` is where the mapping stands in its file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=False,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    _place: Place = PrivateAttr(default_factory=lambda: _NOWHERE)  # a default would be copied deep
    _keys: dict[tuple[str, str], Place] = PrivateAttr(default_factory=dict)

    @property
    def place(self) -> Place:
        return self._place

    def place_of(self, field: str, key: str) -> Place:
        """Where a key of one of its mappings stands; its own place where that is not known."""
        return self._keys.get((field, key), self._place)


S = TypeVar("S", bound=Spec)


class FileSpec(Spec):
    """A spec that is one whole file; the file's stem is its id."""

    named_freely: ClassVar[bool] = False
    """Whether the file may have any name, since no case is named after it."""

    @property
    def id(self) -> str:
        return self._place.file.stem


def read_spec(kind: type[S], file: Path) -> S:
    """Read and validate one YAML file. Raises SpecError with every problem in it."""
    if issubclass(kind, FileSpec) and not kind.named_freely:
        _check_name(file)
    document = load_yaml(file)
    if document.data is None:
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        raise SpecError.at(Place(file), f"the file is empty; it needs {', '.join(needed)}")
    if not isinstance(document.data, dict):
        found = shape(document.data)
        raise SpecError.at(Place(file), f"the file must hold keys and values, not {found}")
    return validated(kind, document)


def _check_name(file: Path) -> None:
    if not re.match(ID_PATTERN, file.stem):
        message = f"{file.stem!r} is no id: name the file with a-z, 0-9 and single hyphens"
        raise SpecError.at(Place(file), message)
    if len(file.stem) > MAX_ID:
        raise SpecError.at(Place(file), f"the file's name is longer than {MAX_ID} characters")


def validated(kind: type[S], document: Document) -> S:
    """The document's data as a spec. Raises SpecError with every problem in it."""
    try:
        spec = kind.model_validate(document.data)
    except ValidationError as error:
        raise SpecError(problems_of(kind, document, error)) from None
    _attach(spec, (), document)
    return spec


def _attach(value: Any, path: KeyPath, document: Document) -> None:
    """Give every spec below `value` its place: its key, or where it starts in a list."""
    if isinstance(value, Spec):
        value._place = document.place(path, of_key=True) if path else document.start
        for name in type(value).model_fields:
            part = getattr(value, name)
            _attach(part, (*path, name), document)
            if isinstance(part, dict):
                for key in part:
                    found = document.place((*path, name, key), of_key=True)
                    value._keys[name, key] = found
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            _attach(part, (*path, index), document)
    elif isinstance(value, dict):
        for key, part in value.items():
            _attach(part, (*path, key), document)


def placeholders(template: str, *path: str | int) -> set[str]:
    """Names in braces in the template that stands at `path`. Raises Misplaced on other braces."""
    names = set()
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        message = "a brace stands alone: write {{ or }} where a brace itself is meant"
        raise Misplaced(message, *path) from None
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            wrong = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            message = f"'{{{wrong}}}' is no placeholder: write a plain name in the braces"
            raise Misplaced(f"{message}, or double them where braces are meant", *path)
        names.add(name)
    return names


def folded(text: str) -> str:
    """The text without case and spacing: two with the same are one text written twice."""
    return " ".join(text.split()).casefold()


def duplicates(names: Sequence[str]) -> list[int]:
    """Positions of the names that stood before, in order."""
    first: dict[str, int] = {}
    return [i for i, name in enumerate(names) if first.setdefault(name, i) != i]


def check_unique(what: str, specs: Sequence[Any], key: str) -> None:
    """Raise Misplaced when an id stands twice under `key` (two cases would have one name)."""
    ids = [spec.id for spec in specs]
    for index in duplicates(ids):
        raise Misplaced(f"the {what} id {ids[index]!r} stands twice; ids must differ", key, index)
