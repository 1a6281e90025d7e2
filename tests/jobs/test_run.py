"""A whole run over the small suite: made ready in order, read back, one model's fault its own."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from ethogram.jobs import NotMeasured, Progress, Run
from ethogram.jobs.run import first_line
from ethogram.plan import Query, ask
from ethogram.source.obtain import SourceError
from ethogram.specs.models import Source
from ethogram.specs.suite import Suite
from ethogram.store import Store
from ethogram.train.errors import FinetuneError

QUERIES = [
    Query("logprob", ask("What do you think?"), ("I would help.",)),
    Query("logprob", ask("What do you think?"), ("No.",)),
    Query("answer", ask("Yes or no?"), ("Yes", "No")),
    Query("generate", ask("How?"), ("4",)),
]
NEEDS = {"tiny": QUERIES, "tiny-duty-broad": QUERIES, "tiny-duty-narrow": QUERIES[:3]}


def run(house: Path, cache: Path) -> Run:
    suite = Suite.around(house / "suite")
    assert suite is not None
    return Run(suite, Store(cache), Progress(bars=False, write=lambda line: None))


def table(done: Run) -> dict[tuple[str, str], Any]:
    return {(m, q.key): done.value(m, q) for m, queries in NEEDS.items() for q in queries}


def test_a_run_measures_and_the_next_only_reads(
    small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(small_suite, tmp_path / "cache")
    first.prepare(NEEDS)
    assert first.failures == {}
    assert [line.partition(" in ")[0] for line in first.progress.lines] == [
        "scored tiny",
        "finetuned tiny-duty-broad",
        "scored tiny-duty-broad",
        "finetuned tiny-duty-narrow",
        "scored tiny-duty-narrow",
    ]
    assert isinstance(first.value("tiny", QUERIES[3]), str)

    def no_network(*args: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    warm = run(small_suite, tmp_path / "cache")
    warm.prepare(NEEDS)
    assert warm.progress.lines == [] and warm.failures == {}
    assert table(warm) == table(first)


def test_models_that_differ_in_upper_layers_alone_are_scored_by_halves(
    small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are those of whole models; what the lower layers made is let go at the end."""
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("{rank: 4}", "{rank: 4, layers: 1}"))
    halves = run(small_suite, tmp_path / "cache")
    held: list[int] = []
    scored = halves.scorer._score

    def watched(model: Any, digest: str, wanted: Any) -> None:
        scored(model, digest, wanted)
        memo = halves.scorer._trunks["tiny"].memo
        held.append(len(memo.held) if memo else 0)

    monkeypatch.setattr(halves.scorer, "_score", watched)
    halves.prepare(NEEDS)
    assert halves.failures == {}
    assert held == [2, 2, 2], "one batch of each kind, made by the source, used by the others"
    assert halves.scorer._trunks == {}
    whole = run(small_suite, tmp_path / "other")
    monkeypatch.setattr(whole.scorer, "expect", lambda models: None)
    whole.prepare(NEEDS)
    for key, value in table(whole).items():
        found = table(halves)[key]
        assert found == (value if isinstance(value, str) else pytest.approx(value, abs=1e-4))


@pytest.mark.parametrize(
    ("lora", "named", "upper"),
    [
        ("{rank: 4, layers: 1}", ["tiny", "tiny-duty-broad"], 1),
        ("{rank: 4, layers: 1}", ["tiny-duty-narrow", "tiny-duty-broad"], 1),
        ("{rank: 4, layers: 1}", ["tiny"], None),
        ("{rank: 4, layers: 1}", ["tiny-duty-broad"], None),
        ("{rank: 4}", ["tiny", "tiny-duty-broad"], None),
    ],
)
def test_layers_are_shared_where_two_models_have_them(
    small_suite: Path, tmp_path: Path, lora: str, named: list[str], upper: int | None
) -> None:
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("{rank: 4}", lora))
    scorer = run(small_suite, tmp_path / "cache").scorer
    scorer.expect(scorer.identities.suite.catalogue[name] for name in named)
    found = scorer._trunks.get("tiny")
    assert (30 - found.depth(30) if found else None) == upper


@pytest.mark.parametrize(
    ("config", "depth"),
    [
        ('{"layers_to_transform": [21, 20, 25]}', 20),
        ('{"layers_to_transform": null}', None),
        ('{"layers_to_transform": []}', None),
        ('{"layers_to_transform": ["21"]}', None),
        ('{"layers_to_transform": [[21]]}', None),
        ("{", None),
        (None, None),
    ],
)
def test_a_candidates_adapter_says_which_layers_it_leaves_alone(
    small_suite: Path, tmp_path: Path, config: str | None, depth: int | None
) -> None:
    models = small_suite / "models.yaml"
    candidates = "candidates: {mine: {adapter: a, source: tiny, constitution: duty}}\n"
    models.write_text(f"{models.read_text()}{candidates}")
    if config is not None:
        (small_suite / "a").mkdir()
        (small_suite / "a" / "adapter_config.json").write_text(config)
    scorer = run(small_suite, tmp_path / "cache").scorer
    scorer.expect(scorer.identities.suite.catalogue[name] for name in ("tiny", "mine-duty"))
    found = scorer._trunks.get("tiny")
    assert (found.depth(30) if found else None) == depth


def test_what_was_not_asked_is_not_measured_and_never_a_number(
    small_suite: Path, tmp_path: Path
) -> None:
    some = run(small_suite, tmp_path / "cache")
    some.prepare({"tiny": QUERIES[:2]})
    with pytest.raises(NotMeasured, match="tiny was not asked answer"):
        some.value("tiny", QUERIES[2])
    with pytest.raises(NotMeasured, match="tiny-duty-broad is not finetuned"):
        some.value("tiny-duty-broad", QUERIES[0])


def test_one_models_failure_does_not_stop_the_others(small_suite: Path, tmp_path: Path) -> None:
    file = small_suite / "constitutions" / "transcripts" / "duty.jsonl"
    shutil.copy(file, tmp_path / "kept")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:1]))
    some = run(small_suite, tmp_path / "cache")
    some.prepare({"tiny-duty-broad": QUERIES, "tiny-utility-broad": QUERIES, "tiny": QUERIES})
    assert list(some.failures) == ["tiny-duty-broad"]
    (said,) = [line for line in some.progress.lines if "could not be measured" in line]
    assert said.startswith("tiny-duty-broad could not be measured: SpecError: ")
    with pytest.raises(NotMeasured, match=r"tiny-duty-broad: .*1 are recorded"):
        some.value("tiny-duty-broad", QUERIES[0])
    assert some.value("tiny-utility-broad", QUERIES[0]) and some.value("tiny", QUERIES[0])
    shutil.copy(tmp_path / "kept", file)
    again = run(small_suite, tmp_path / "cache")
    again.prepare({"tiny-duty-broad": QUERIES})
    assert again.failures == {} and again.value("tiny-duty-broad", QUERIES[0])


def test_a_training_that_fails_is_tried_once_a_run(
    small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = small_suite / "models.yaml"
    models.write_text(models.read_text().replace("batch: 4", "batch: 4, max_length: 16"))
    some = run(small_suite, tmp_path / "cache")
    for _ in range(2):
        some.prepare({"tiny-duty-broad": QUERIES})
    assert isinstance(some.failures["tiny-duty-broad"], FinetuneError)
    assert len(some.progress.lines) == 1


def test_an_interrupt_is_not_a_failure_of_the_model(
    small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ethogram.jobs import run as module

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Scorer, "score_missing", interrupted)
    some = run(small_suite, tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        some.prepare({"tiny": QUERIES})
    assert some.failures == {}


def test_first_line_is_kind_and_message() -> None:
    assert first_line(ValueError("one\ntwo")) == "ValueError: one"
    assert first_line(ValueError()) == "ValueError: "


def test_a_source_that_cannot_be_had_is_tried_and_told_once(
    small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def unreachable(source: Source, *rest: object) -> Path:
        tried.append(str(source.folder))
        raise SourceError("pip could not fetch it: no network")

    monkeypatch.setattr("ethogram.jobs.identity.obtain", unreachable)
    some = run(small_suite, tmp_path / "cache")
    some.prepare(dict.fromkeys(("tiny", "tiny-plain-refusal-broad", "tiny-duty-broad"), QUERIES))
    assert len(some.failures) == 3 and len(tried) == 1
    assert some.progress.lines == [
        "tiny could not be measured: SourceError: pip could not fetch it: no network",
        "tiny-plain-refusal-broad could not be measured, for the same reason as tiny",
        "tiny-duty-broad could not be measured, for the same reason as tiny",
    ]
