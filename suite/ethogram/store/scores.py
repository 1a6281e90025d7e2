"""Scores by model and query, as segments that are written once and never changed.

A segment is one JSON file named by the digest of its content. A flipped bit therefore shows, a
half-written one has no such name, and several processes may add segments without a lock.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ethogram.store.entries import refuse_link, writing

_SEGMENT = re.compile(r"[0-9a-f]{64}\.json\Z")


@dataclass
class ScoreLog:
    """The stored scores of one model digest; a mapping from query key to value once read."""

    folder: Path
    damaged: list[Path] = field(default_factory=list)
    _values: dict[str, Any] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    @property
    def values(self) -> Mapping[str, Any]:
        """What has been read or added so far."""
        return self._values

    def refresh(self) -> Mapping[str, Any]:
        """Read the segments that are new since the last call; damaged ones are set aside."""
        if self.folder.is_dir():
            for file in sorted(self.folder.iterdir()):
                if _SEGMENT.match(file.name) and file.name not in self._read:
                    self._segment(file)
        return self._values

    def _segment(self, file: Path) -> None:
        try:
            content = file.read_bytes()
            if sha256(content).hexdigest() != file.stem:
                with writing(self.folder):
                    self.damaged.append(file.rename(file.with_suffix(".damaged")))
                return
        except FileNotFoundError:
            return  # another process set it aside first
        self._read.add(file.name)
        self._values.update(json.loads(content))

    def add(self, values: Mapping[str, Any]) -> None:
        """Store scores for good. Raises StoreError when the disk refuses."""
        if not values:
            return
        content = json.dumps(dict(values), sort_keys=True, allow_nan=False).encode()
        name = f"{sha256(content).hexdigest()}.json"
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_link(self.folder)
            handle, aside = tempfile.mkstemp(prefix=".aside-", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(aside).replace(self.folder / name)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise
        self._read.add(name)
        self._values.update(values)
