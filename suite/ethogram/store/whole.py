"""Files of people: written whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write the whole file or nothing; a link is written through. What is no file is written into:
    `/dev/null`, a pipe, where `/dev/stdout` leads."""
    if str(file).startswith("/dev/") or (file.exists() and not file.is_file()):
        with file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        return
    file = Path(os.path.realpath(file))
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
