"""YAML to plain data with the line of every key and value kept.

Built from the parser's events, not from its nodes: that needs no recursion, so depth, size and
alias expansion are bounded while reading. Scalars follow the YAML 1.2 core schema, so `no`, `on`
and `1:30` stay text (YAML 1.1 reads them as false, true and 90); `0x1f`, `0o17` and `.nan`, which
no file here can mean, stay text too. Tags other than `!!str` are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from yaml.reader import ReaderError

from ethogram.specs.errors import Place, SpecError

MAX_BYTES = 5_000_000
MAX_DEPTH = 40
MAX_NODES = 200_000

KeyPath: TypeAlias = tuple[str | int, ...]

_CORE = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)\Z")
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_HINTS = {
    "mapping values are not allowed": "text with a colon and a space in it needs quotes around it",
    "cannot start any token": "text that begins with this character needs quotes around it",
    "unexpected end of stream": "a quote or bracket above is not closed",
    "did not find expected key": "look at the indentation, and at quotes inside quotes above",
    "expected <block end>": "look at the indentation, and at quotes inside quotes above",
}
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Document:
    """Plain data of one YAML file and where each part of it stands."""

    file: Path
    data: Any
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    line: int = 1
    """Where the document begins in its file: a JSON Lines file holds one a line."""

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place:
        """Where the value (or its key) at `path` stands; the nearest enclosing part if absent."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        for length in range(len(path), -1, -1):
            found = first.get(path[:length]) or second.get(path[:length])
            if found:
                return Place(self.file, *found)
        return self.start

    @property
    def start(self) -> Place:
        return Place(self.file, self.line)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence being read."""

    container: dict[str, Any] | list[Any]
    path: KeyPath
    anchor: str | None
    weight: int = 1
    key: str | None = None


def read_text(file: Path) -> str:
    """The text of `file`. Raises SpecError when it is missing, too large or not UTF-8."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise SpecError.at(
                Place(file), f"the file has {size:,} bytes; {MAX_BYTES:,} is the limit"
            )
        raw = file.read_bytes()
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SpecError.at(Place(file, line), f"not UTF-8 text ({error.reason})") from None
    except OSError as error:
        raise SpecError.at(Place(file), f"cannot be read: {error.strerror}") from None


def load_yaml(file: Path) -> Document:
    """Read one YAML document. Raises SpecError with the place of what cannot be read."""
    text = read_text(file)
    try:
        return _Builder(file).build(text)
    except ReaderError as error:
        before = text[: max(text.find(chr(error.character)), 0)].split("\n")
        place = Place(file, len(before), len(before[-1]) + 1)
        message = f"not YAML: the control character U+{error.character:04X} is not allowed"
        raise SpecError.at(place, message) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        # libyaml looks ahead and gives up at a depth of its own before it hands anything over.
        if "maximum nesting depth" in str(error.problem):
            raise SpecError.at(place, f"nested deeper than {MAX_DEPTH} levels") from None
        if mark and "".join(text.split("\n")[mark.line : mark.line + 1])[mark.column :][:1] == "\t":
            raise SpecError.at(place, "a tab cannot indent YAML: use spaces") from None
        raise SpecError.at(place, f"not YAML: {_hinted(error)}") from None
    except yaml.YAMLError as error:
        raise SpecError.at(Place(file), f"not YAML: {' '.join(str(error).split())}") from None


def _hinted(error: yaml.MarkedYAMLError) -> str:
    """The parser's words, with what a person most likely has to mend."""
    said = error.problem or error.context or "it cannot be read"
    return said + "".join(f" ({hint})" for words, hint in _HINTS.items() if words in said)


class _Builder:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.document = Document(file, None)
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.done = False

    def build(self, text: str) -> Document:
        for event in yaml.parse(text, Loader=_Parser):
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close(event)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent() if self.done:
                    raise self._error(event, "a second document; one file holds one document")
                case yaml.DocumentEndEvent():
                    self.done = True
        return self.document

    def _error(self, event: Any, message: str) -> SpecError:
        mark: Any = event.start_mark
        return SpecError.at(Place(self.file, mark.line + 1, mark.column + 1), message)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag not in (None, "!", f"{_CORE}str"):
            raise self._error(event, f"the tag {_tag(event)} is not allowed")
        quoted = event.style in ("'", '"', "|", ">") or event.tag in ("!", f"{_CORE}str")
        if self._wants_key():
            self._key(event)
            return
        value = event.value if quoted else _resolve(event.value)
        self._add(event, value, 1, event.anchor)

    def _wants_key(self) -> bool:
        return (
            bool(self.stack)
            and isinstance(self.stack[-1].container, dict)
            and (self.stack[-1].key is None)
        )

    def _key(self, event: yaml.ScalarEvent) -> None:
        top = self.stack[-1]
        assert isinstance(top.container, dict)
        if event.value in top.container:
            first = self.document.keys[(*top.path, event.value)][0]
            raise self._error(event, f"the key {event.value!r} stands here twice (line {first})")
        top.key = event.value
        mark: Any = event.start_mark
        self.document.keys[(*top.path, event.value)] = (mark.line + 1, mark.column + 1)

    def _next_path(self) -> KeyPath:
        if not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.path, len(top.container) if isinstance(top.container, list) else top.key or "")

    def _add(self, event: Any, value: Any, weight: int, anchor: str | None) -> None:
        mark: Any = event.start_mark
        self.document.values.setdefault(self._next_path(), (mark.line + 1, mark.column + 1))
        if anchor:
            self.anchors[anchor] = (value, weight)
        if not self.stack:
            self.document.data = value
            return
        top = self.stack[-1]
        if isinstance(top.container, list):
            top.container.append(value)
        else:
            assert top.key is not None
            top.container[top.key] = value
            top.key = None
        top.weight += weight
        if top.weight > MAX_NODES:
            raise self._error(event, f"more than {MAX_NODES:,} values once aliases are expanded")

    def _open(self, event: Any) -> None:
        if event.tag is not None:
            raise self._error(event, f"the tag {_tag(event)} is not allowed")
        if self._wants_key():
            raise self._error(event, "a key must be text")
        if len(self.stack) >= MAX_DEPTH:
            raise self._error(event, f"nested deeper than {MAX_DEPTH} levels")
        container: dict[str, Any] | list[Any] = (
            {} if isinstance(event, yaml.MappingStartEvent) else []
        )
        path = self._next_path()
        mark: Any = event.start_mark
        self.document.values[path] = (mark.line + 1, mark.column + 1)
        self.stack.append(_Open(container, path, event.anchor))

    def _close(self, event: Any) -> None:
        closed = self.stack.pop()
        self._add(event, closed.container, closed.weight, closed.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._wants_key():
            raise self._error(event, "a key must be text")
        if event.anchor not in self.anchors:
            raise self._error(event, f"the alias *{event.anchor} names no finished anchor")
        value, weight = self.anchors[event.anchor]
        self._add(event, value, weight, None)


def _tag(event: Any) -> str:
    """The tag as it was written."""
    core = str(event.tag).startswith(_CORE)
    return f"!!{event.tag.removeprefix(_CORE)}" if core else str(event.tag)


def _resolve(text: str) -> Any:
    """A plain scalar under the YAML 1.2 core schema."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text):
        return int(text) if len(text) < 100 else text
    if _FLOAT.match(text):
        return float(text)
    if infinite := _INFINITE.match(text):
        return float(f"{infinite[1]}inf")
    return text
