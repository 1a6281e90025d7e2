"""Text from outside (a model, a server, a file, an error) made harmless before anybody reads it.

Secrets of the environment and of addresses are blotted out; characters that steer a terminal, hide
text or are illegal in XML are replaced; what GitHub's runner would take for a command is broken up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

HIDDEN = "[hidden]"
SHORTEST = 6
"""Characters of the shortest value taken for a secret: `false` and `1` would blot out half a report."""
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_HARMLESS = frozenset({"disabled", "enabled", "default", "required", "unset", "/dev/null"})
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/?#\"'<>]*@", re.IGNORECASE)
_QUERY = re.compile(
    r"(?P<name>[?&;][^\s=&?#\"'<>]*(?:key|token|secret|passw|sig|auth|credential)[^\s=&#\"'<>]*=)"
    r"[^\s&#\"'<>]+",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:bearer\s+|(?:authorization|api[-_]?key)[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?))"
    r"(?=\S*\d)[\w.~+/=-]{8,}",
    re.IGNORECASE,
)
"""A credential holds a digit; an English word after "authorization:" does not."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_COMMAND = re.compile(r"(?P<hash>##)(?=\[)|(?<![\w.\-\])])(?P<colon>:)(?=:[\w-])")
"""`::error::` where a line may start with it, `##[error]` anywhere: the runner takes both."""


def secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values to hide, longest first; of a value of several lines, every long line."""
    found: set[str] = set()
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            lines = value.strip().splitlines()
            floor = SHORTEST if len(lines) == 1 else 16
            found |= {line.strip() for line in lines if len(line.strip()) >= floor}
    found -= _HARMLESS
    found |= {quote(value, safe="") for value in found}
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def hiding(environment: Mapping[str, str]) -> Callable[[str], str]:
    """What takes secrets out of a text: of this environment, of an address, of a header."""
    values = secrets(environment)
    known = re.compile("|".join(map(re.escape, values))) if values else None

    def hide(text: str) -> str:
        text = known.sub(HIDDEN, text) if known else text
        text = _USER_INFO.sub(rf"\g<scheme>{HIDDEN}@", text)
        text = _QUERY.sub(rf"\g<name>{HIDDEN}", text)
        return _HEADER.sub(rf"\g<name>{HIDDEN}", text)

    return hide


def redacted(text: str) -> str:
    """The text without secrets. For many texts take `hiding` once: it reads the environment."""
    return hiding(os.environ)(text)


def inert(text: str, width: int | None = None) -> str:
    """One line without secrets, control characters and commands, of at most `width` columns."""
    # Hidden before it is cut: half a secret would no longer be recognised.
    line = _harmless(" ".join(redacted(text).split()))
    if width is not None and len(line) > width:
        line = f"{line[: width - 1]}\u2026"
    return line


def inert_lines(text: str, hide: Callable[[str], str] = redacted) -> str:
    """The same for a text whose lines are to be kept."""
    return "\n".join(_harmless(line) for line in re.split(r"\r\n|\n|\r", hide(text)))


def _harmless(line: str) -> str:
    line = _CONTROL.sub("\ufffd", _COLOUR.sub("", line))
    return _COMMAND.sub(lambda found: "## " if found["hash"] else ": ", line)


def everywhere(change: Callable[[str], str], value: Any) -> Any:
    """Plain data with every string in it changed, keys left as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: everywhere(change, part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [everywhere(change, part) for part in value]
    return value
