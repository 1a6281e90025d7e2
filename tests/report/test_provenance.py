from __future__ import annotations

from pathlib import Path

from ethogram.report.provenance import file_digests, path_in
from ethogram.specs.suite import Suite


def suite_of(root: Path, models: str = "models.yaml") -> Suite:
    return Suite(root, root / "suite", root / models)


def test_every_file_that_a_run_reads_has_a_digest_and_no_other(small_suite: Path) -> None:
    extra = {
        "suite/calibration/rubric.yaml",
        "suite/calibration/answers.jsonl",
        "suite/pressure/doubt.yaml",
        "my-rubric.yaml",
    }
    for name in (*extra, "spare.yaml", "suite/spare.yaml", "suite/notes/spare.yaml"):
        (small_suite / name).parent.mkdir(exist_ok=True)
        (small_suite / name).write_text("about: x", encoding="utf-8")
    models = small_suite / "models.yaml"
    judges = "judges: {mine: {local: tiny, rubric: my-rubric.yaml}}\n"
    models.write_text(models.read_text(encoding="utf-8") + judges, encoding="utf-8")
    found = file_digests(suite_of(small_suite))
    assert extra <= found.keys() and not [name for name in found if "spare" in name]
    assert {"models.yaml", "suite/projectability.yaml", "constitutions/duty.yaml"} <= found.keys()
    assert "constitutions/transcripts/replay.jsonl" in found


def test_a_models_file_elsewhere_is_named_by_its_whole_path(
    small_suite: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((small_suite / "models.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    suite = suite_of(small_suite, str(other))
    assert path_in(suite, other) == other.as_posix()
    assert other.as_posix() in file_digests(suite)
    assert "models.yaml" not in file_digests(suite)
