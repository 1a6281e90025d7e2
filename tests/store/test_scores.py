"""Score segments: whole or not at all (faults 3, 4, 8, 22)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethogram.store import ScoreLog, StoreError

VALUE = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3) | st.text(max_size=9)


@settings(max_examples=30)
@given(parts=st.lists(st.dictionaries(st.text(min_size=1, max_size=3), VALUE), max_size=4))
def test_what_is_added_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log, added = ScoreLog(folder), {}
    for part in parts:
        fresh = {key: value for key, value in part.items() if key not in added}
        log.add(fresh)
        added.update(fresh)
    assert dict(log.values) == added
    assert dict(ScoreLog(folder).refresh()) == added


def test_an_absent_folder_is_an_empty_log(tmp_path: Path) -> None:
    log = ScoreLog(tmp_path / "none")
    assert dict(log.refresh()) == {}
    assert not (tmp_path / "none").exists()


def test_refresh_sees_what_another_process_added(tmp_path: Path) -> None:
    mine, theirs = ScoreLog(tmp_path), ScoreLog(tmp_path)
    mine.refresh()
    theirs.add({"q": [1.0]})
    assert "q" not in mine.values
    assert mine.refresh()["q"] == [1.0]


def test_a_flipped_bit_is_never_a_score(tmp_path: Path) -> None:
    log = ScoreLog(tmp_path)
    log.add({"kept": [1.0]})
    log.add({"lost": [2.5]})
    (file,) = [f for f in tmp_path.iterdir() if "lost" in f.read_text()]
    file.write_text(file.read_text().replace("2.5", "2.4"))
    again = ScoreLog(tmp_path)
    assert dict(again.refresh()) == {"kept": [1.0]}
    assert again.damaged == [file.with_suffix(".damaged")] and again.damaged[0].exists()
    again.add({"lost": [2.5]})
    assert dict(ScoreLog(tmp_path).refresh()) == {"kept": [1.0], "lost": [2.5]}


def test_a_truncated_segment_and_foreign_files_are_not_read(tmp_path: Path) -> None:
    log = ScoreLog(tmp_path)
    log.add({"q": [1.0], "r": [2.0]})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-4])
    (tmp_path / ".aside-abc").write_text(json.dumps({"half": [0.0]}))
    (tmp_path / "notes.json").write_text(json.dumps({"foreign": [0.0]}))
    assert dict(ScoreLog(tmp_path).refresh()) == {}


def test_a_process_killed_while_it_adds_leaves_no_score(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from ethogram.store import ScoreLog
log = ScoreLog(Path(sys.argv[1]))
log.add({"whole": [1.0]})
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
log.add({"half": [2.0]})
"""
    child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=30, check=False)
    assert child.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2, "the half-written file is there"
    assert dict(ScoreLog(tmp_path).refresh()) == {"whole": [1.0]}


def test_a_refused_write_names_the_path_and_keeps_earlier_scores(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    code = """
import resource, sys
from pathlib import Path
from ethogram.store import ScoreLog, StoreError
log = ScoreLog(Path(sys.argv[1]))
log.add({"early": [1.0]})
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    log.add({"late": "x" * 1000})
except StoreError as error:
    print(error)
print("late" in log.values)
"""
    command = [sys.executable, "-c", code, str(folder)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    said, known = child.stdout.splitlines()
    assert f"cannot write to {folder}" in said and known == "False"
    assert dict(ScoreLog(folder).refresh()) == {"early": [1.0]}
    assert len(list(folder.iterdir())) == 1, "nothing half-written stays"


def test_non_finite_scores_are_not_stored(tmp_path: Path) -> None:
    log = ScoreLog(tmp_path)
    with pytest.raises(ValueError, match="Out of range"):
        log.add({"q": [float("nan")]})
    assert dict(log.values) == {} and list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "scores").symlink_to(outside)
    with pytest.raises(StoreError, match="is a link to"):
        ScoreLog(tmp_path / "scores" / ("a" * 64)).add({"q": [1.0]})
    assert not list(outside.rglob("*.json"))
