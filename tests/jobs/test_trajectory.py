"""A training of the tiny model with its adapter kept on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ethogram.jobs.finetune import adapter_of
from ethogram.jobs.identity import Identities
from ethogram.jobs.progress import Progress
from ethogram.jobs.trajectory import kept_steps, trajectory_of
from ethogram.specs.suite import Suite
from ethogram.store import Store, file_digest

QUIET = Progress(bars=False, write=lambda line: None)


@pytest.fixture
def identities(small_suite: Path, store: Store) -> Identities:
    suite = Suite.around(small_suite / "suite")
    assert suite is not None
    return Identities(suite, store)


def test_steps_are_those_of_the_epochs_within_the_training_and_its_end(
    identities: Identities,
) -> None:
    """8 samples in batches of 4: two steps an epoch, three epochs."""
    model = identities.suite.catalogue["tiny-duty-narrow"]
    assert kept_steps(model, 8, (1, 2, 2.5, 9)) == {2: 1.0, 4: 2.0, 5: 2.5, 6: 3.0}
    assert kept_steps(model, 8, ()) == {6: 3.0}
    assert kept_steps(model, 8, (0.01,)) == {1: 0.5, 6: 3.0}


def test_the_end_is_the_ordinary_adapter_and_a_point_on_the_way_is_another(
    identities: Identities,
) -> None:
    model = identities.suite.catalogue["tiny-duty-narrow"]
    found = trajectory_of(model, (1,), identities, QUIET)
    assert list(found.steps) == [2, 6] and len(found.losses) == 6
    early, late = (Path(str(found.point(s).candidate.adapter)) for s in (2, 6))  # type: ignore[union-attr]
    name = "adapter_model.safetensors"
    assert file_digest(early / name) != file_digest(late / name)
    ordinary = adapter_of(model, identities, QUIET)
    assert file_digest(ordinary / name) == file_digest(late / name)
    assert found.loss(6) == pytest.approx(sum(found.losses[4:]) / 2)
    assert found.point(2).constitution == "duty" and found.point(2).recipe is None
    digests = {identities.digest(found.point(step)) for step in (2, 6)}
    assert len(digests) == 2 and identities.digest(model) in digests


def test_what_the_store_has_is_not_trained_again(
    identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = identities.suite.catalogue["tiny-plain-refusal-narrow"]
    first = trajectory_of(model, (1,), identities, QUIET)
    monkeypatch.setattr("ethogram.train.lora.finetune", None)
    again = trajectory_of(replace(model, id="renamed"), (1,), identities, QUIET)
    assert (again.folder, again.losses, again.seconds) == (
        first.folder,
        first.losses,
        first.seconds,
    )
