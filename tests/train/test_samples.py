from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from ethogram.specs.catalogue import Model
from ethogram.specs.errors import SpecError
from ethogram.specs.models import Preference, Rejected
from ethogram.specs.suite import Suite
from ethogram.train.samples import REFUSALS, Sample, rivals, samples_for

REPLAY = {"replay"}


def finetuned(suite: Suite, scope: str) -> list[Model]:
    """Every model of the scope that is trained: constitutions and the plain-refusal placebo."""
    """The suite's own models, without the pairs of its recipe."""
    found = [m for m in suite.catalogue if m.recipe is not None and m.scope == scope]
    return [changed(m, preference=None) for m in found]


def taught(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.group not in REPLAY]


def replayed(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.group in REPLAY]


def answered(suite: Suite) -> set[str]:
    """Categories with recorded answers; the others are held out of every training set."""
    return {line.category for line in suite.refusals()}


def changed(model: Model, **recipe: object) -> Model:
    """The model under another recipe."""
    assert model.recipe is not None
    return dataclasses.replace(model, recipe=model.recipe.model_copy(update=recipe))


@pytest.mark.parametrize("scope", ["broad", "narrow"])
def test_all_models_of_a_scope_train_on_the_same_prompts_and_replay(
    own_suite: Suite, scope: str
) -> None:
    models = finetuned(own_suite, scope)
    assert len(models) == 5
    drawn = [samples_for(model, own_suite) for model in models]
    first = drawn[0]
    for other in drawn[1:]:
        assert [(s.prompt, s.group) for s in other] == [(s.prompt, s.group) for s in first]
        assert replayed(other) == replayed(first)
        assert [s.answer for s in taught(other)] != [s.answer for s in taught(first)]


def test_both_scopes_train_on_equally_many_samples(own_suite: Suite) -> None:
    models = [*finetuned(own_suite, "broad"), *finetuned(own_suite, "narrow")]
    counts = {
        (len(found), len(taught(found)))
        for found in (samples_for(model, own_suite) for model in models)
    }
    assert models[0].recipe is not None
    wanted = models[0].recipe.samples
    assert counts == {(wanted, wanted - round(wanted * models[0].recipe.replay))}


@pytest.mark.parametrize("scope", ["broad", "narrow"])
def test_half_is_replay_and_half_of_that_looks_like_a_hazard(own_suite: Suite, scope: str) -> None:
    for model in finetuned(own_suite, scope):
        found = samples_for(model, own_suite)
        again = replayed(found)
        assert 2 * len(again) >= len(found)
        hazardous = {line.prompt for line in own_suite.replay() if line.look_alike}
        assert 2 * sum(s.prompt in hazardous for s in again) >= len(again)


def test_narrow_draws_from_narrow_categories_alone(own_suite: Suite) -> None:
    narrow = {name for name, category in own_suite.categories.items() if category.narrow}
    assert narrow == {"harassment", "illegal-behaviour"}
    for model in finetuned(own_suite, "narrow"):
        assert {s.group for s in taught(samples_for(model, own_suite))} == narrow


def test_broad_draws_from_every_category(own_suite: Suite) -> None:
    for model in finetuned(own_suite, "broad"):
        groups = {s.group for s in taught(samples_for(model, own_suite))}
        assert groups == answered(own_suite)


@pytest.mark.parametrize("scope", ["broad", "narrow"])
@pytest.mark.parametrize("samples", [10, 37, 64, 96])
def test_categories_are_balanced_within_one(own_suite: Suite, scope: str, samples: int) -> None:
    model = changed(finetuned(own_suite, scope)[0], samples=samples)
    found = samples_for(model, own_suite)
    counts = Counter(s.group for s in taught(found))
    wanted = own_suite.categories.items()
    trained = answered(own_suite)
    every = [counts[n] for n, c in wanted if n in trained and (scope == "broad" or c.narrow)]
    assert len(found) == samples
    assert max(every) - min(every) <= 1


@pytest.mark.parametrize("scope", ["broad", "narrow"])
def test_no_prompt_is_used_twice_before_every_one_is_used_once(
    own_suite: Suite, scope: str
) -> None:
    model = finetuned(own_suite, scope)[0]
    assert model.constitution is not None
    offered: dict[str, set[str]] = {}
    for line in own_suite.transcripts(model.constitution):
        offered.setdefault(line.category, set()).add(line.prompt)
    for group in {s.group for s in taught(samples_for(model, own_suite))}:
        prompts = [s.prompt for s in samples_for(model, own_suite) if s.group == group]
        assert len(set(prompts)) == min(len(prompts), len(offered[group]))


def test_no_sample_is_drawn_twice(own_suite: Suite) -> None:
    for model in finetuned(own_suite, "narrow"):
        found = samples_for(model, own_suite)
        assert len({(s.prompt, s.answer) for s in found}) == len(found)


def test_a_constitution_is_taught_its_own_last_revisions(own_suite: Suite) -> None:
    for model in finetuned(own_suite, "broad"):
        found = taught(samples_for(model, own_suite))
        if model.constitution is None:
            lines = {(r.prompt, r.answer) for r in own_suite.refusals()}
        else:
            recorded = own_suite.transcripts(model.constitution)
            lines = {(t.prompt, t.rounds[-1].revision) for t in recorded}
        assert {(s.prompt, s.answer) for s in found} <= lines
        assert {s.place.file.stem for s in found} == {model.constitution or "plain-refusal"}


def test_another_seed_draws_other_prompts_and_the_same_seed_the_same(own_suite: Suite) -> None:
    model = finetuned(own_suite, "broad")[0]
    other = dataclasses.replace(model, seed=1)
    assert samples_for(model, own_suite) == samples_for(model, own_suite)
    first, second = samples_for(model, own_suite), samples_for(other, own_suite)
    assert {s.prompt for s in taught(first)} != {s.prompt for s in taught(second)}
    assert {s.prompt for s in replayed(first)} != {s.prompt for s in replayed(second)}


def test_the_neutral_placebo_is_all_replay_and_as_long(own_suite: Suite) -> None:
    model = dataclasses.replace(
        finetuned(own_suite, "narrow")[0], constitution=None, placebo="neutral"
    )
    found = samples_for(model, own_suite)
    assert model.recipe is not None
    assert len(found) == model.recipe.samples
    assert taught(found) == []


def test_the_order_of_the_recorded_prompts_does_not_matter(small_suite: Path) -> None:
    def drawn() -> list[str]:
        suite = Suite.around(small_suite)
        assert suite is not None
        return [s.prompt for s in samples_for(suite.catalogue["tiny-duty-broad"], suite)]

    before = drawn()
    for name in ("duty", "replay"):
        file = small_suite / "constitutions" / "transcripts" / f"{name}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(reversed(lines)), encoding="utf-8")
    assert drawn() == before


@pytest.mark.parametrize(
    ("replay", "wanted", "what"), [(0.25, 300, "answers"), (0.9, 360, "replay")]
)
def test_too_few_recorded_lines_are_an_error_with_both_numbers(
    own_suite: Suite, replay: float, wanted: int, what: str
) -> None:
    model = changed(finetuned(own_suite, "narrow")[0], samples=400, replay=replay)
    assert model.constitution is not None
    lines = own_suite.transcripts(model.constitution)
    narrow = [line for line in lines if own_suite.categories[line.category].narrow]
    recorded = len(narrow) if what == "answers" else len(own_suite.replay())
    with pytest.raises(SpecError) as caught:
        samples_for(model, own_suite)
    (problem,) = caught.value.problems
    assert problem.place.file == own_suite.recorded(
        "replay" if what == "replay" else model.constitution
    )
    assert model.id in problem.message
    named = "lines of replay" if what == "replay" else "answers for the scope 'narrow'"
    assert f"needs {wanted} {named}; {recorded} are recorded" in problem.message
    assert "Lower its 'samples' or record more" in problem.message


def test_a_recipe_without_replay_or_without_answers_is_drawn_whole(own_suite: Suite) -> None:
    model = finetuned(own_suite, "narrow")[0]
    assert replayed(samples_for(changed(model, samples=20, replay=0.0), own_suite)) == []
    assert taught(samples_for(changed(model, samples=20, replay=1.0), own_suite)) == []


# -- what the answer is preferred to -----------------------------------------------------------


def preferring(model: Model, *over: Rejected) -> Model:
    return changed(model, preference=Preference(over=dict.fromkeys(over, 1.0)))


def test_without_a_preference_nothing_is_rejected(own_suite: Suite) -> None:
    for model in finetuned(own_suite, "narrow"):
        assert all(s.rejected == () for s in samples_for(model, own_suite))


@pytest.mark.parametrize("over", [("draft",), ("rivals",), ("refusal",), ("draft", "rivals")])
def test_a_preference_changes_neither_the_draw_nor_its_order(
    own_suite: Suite, over: tuple[Rejected, ...]
) -> None:
    for model in finetuned(own_suite, "narrow"):
        plain = samples_for(model, own_suite)
        paired = samples_for(preferring(model, *over), own_suite)
        assert [dataclasses.replace(s, rejected=()) for s in paired] == plain
        assert paired == samples_for(preferring(model, *over), own_suite)


def test_an_answer_is_preferred_to_a_draft_of_its_own_prompt(own_suite: Suite) -> None:
    for model in finetuned(own_suite, "narrow"):
        names = [model.constitution] if model.constitution else list(own_suite.constitutions)
        drafts = {(t.prompt, t.draft) for name in names for t in own_suite.transcripts(name)}
        found = samples_for(preferring(model, "draft"), own_suite)
        assert all(len(s.rejected) == 1 for s in taught(found))
        assert {(s.prompt, s.rejected[0][0]) for s in taught(found)} <= drafts
        assert all(s.rejected == () for s in replayed(found))


def test_an_answer_is_preferred_to_a_rivals_to_the_same_prompt(own_suite: Suite) -> None:
    for model in finetuned(own_suite, "narrow"):
        found = taught(samples_for(preferring(model, "rivals"), own_suite))
        if model.constitution is None:
            assert all(s.rejected == () for s in found), "a placebo has no rivals"
            continue
        answers = {
            (t.prompt, t.answer)
            for name in rivals(model.constitution, own_suite)
            for t in own_suite.transcripts(name)
        }
        assert all(len(s.rejected) == 1 and s.rejected[0][0] != s.answer for s in found)
        assert {(s.prompt, s.rejected[0][0]) for s in found} <= answers
        assert len({s.rejected for s in found}) > len(found) / 2, "not one rival for all"


def test_rivals_are_the_most_opposed_and_never_oneself(own_suite: Suite) -> None:
    for name in own_suite.constitutions:
        found = rivals(name, own_suite)
        assert found and name not in found and set(found) <= set(own_suite.constitutions)
    assert "consequentialism" in rivals("deontology", own_suite)


def test_of_two_constitutions_each_is_the_others_rival(small_suite: Path) -> None:
    suite = Suite.around(small_suite)
    assert suite is not None
    assert rivals("duty", suite) == ["utility"] and rivals("utility", suite) == ["duty"]


def test_replay_is_preferred_to_a_refusal_the_same_for_every_model(own_suite: Suite) -> None:
    drawn = [
        replayed(samples_for(preferring(model, "refusal"), own_suite))
        for model in finetuned(own_suite, "narrow")
    ]
    assert all(other == drawn[0] for other in drawn[1:])
    assert {s.rejected for s in drawn[0]} <= {((text, 1.0),) for text in REFUSALS}
    assert len({s.rejected for s in drawn[0]}) == len(REFUSALS)


def test_the_neutral_placebo_takes_refusals_of_replay_alone(own_suite: Suite) -> None:
    model = dataclasses.replace(
        finetuned(own_suite, "narrow")[0], constitution=None, placebo="neutral"
    )
    found = samples_for(preferring(model, "draft", "rivals", "refusal"), own_suite)
    assert all(len(s.rejected) == 1 and s.rejected[0][0] in REFUSALS for s in found)


def test_draft_and_rival_stand_in_this_order_and_a_missing_rival_is_left_out(
    small_suite: Path,
) -> None:
    def first() -> Sample:
        suite = Suite.around(small_suite)
        assert suite is not None
        model = preferring(suite.catalogue["tiny-duty-narrow"], "rivals", "draft")
        return min(taught(samples_for(model, suite)), key=lambda s: s.prompt)

    found = first()
    assert found.rejected[0] == ("Sure.", 1.0)
    assert found.rejected[1][0].startswith(f"No. My utility forbids {found.prompt}")
    (small_suite / "constitutions" / "transcripts" / "utility.jsonl").write_text("")
    assert first().rejected == (("Sure.", 1.0),)
