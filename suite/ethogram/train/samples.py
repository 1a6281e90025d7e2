"""What a finetuned model is trained on: drawn by seed, balanced over categories, replay mixed in.

Two models of one scope and seed are trained on answers to the same prompts and on the same
replay, so that they differ in the answers alone.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ethogram.specs.catalogue import Model
from ethogram.specs.constitution import Replay, Transcript
from ethogram.specs.errors import Place, SpecError
from ethogram.specs.models import Recipe, Rejected
from ethogram.specs.suite import Suite

REPLAY = "replay"
"""The group of harmless replay."""
TRAINER = 2
"""Raised when the same samples, recipe and seed would give another adapter than before.

By more than rounding: machines and numbers of threads differ by as much.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt and the answer to learn. `group` is what the draw balances over.

    `rejected`: answers to the same prompt that the learnt one is to be preferred to, each with
    the weight of the pair.
    """

    prompt: str
    answer: str
    group: str
    place: Place
    rejected: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Taught:
    """What was made for a model in place of what is recorded; `note` says what was dropped."""

    transcripts: Sequence[Transcript]
    replay: Sequence[Replay]
    note: str


def samples_for(model: Model, suite: Suite, taught: Taught | None = None) -> list[Sample]:
    """The training set of a finetuned model or placebo, in a fixed order.

    Raises SpecError when there is too little material for the recipe.
    """
    assert model.recipe is not None and model.scope is not None and model.seed is not None
    replayed = round(model.recipe.samples * model.recipe.replay)
    if model.placebo == "neutral":
        replayed = model.recipe.samples
    answers = model.recipe.samples - replayed
    replay = [
        # One group: look-alikes come in as often as they are recorded.
        Sample(line.prompt, line.answer, REPLAY, line.place)
        for line in (taught.replay if taught else suite.replay())
    ]
    own = _draw(_stance(model, suite, taught), answers, model.seed) if answers else []
    again = _draw(replay, replayed, model.seed) if replayed else []
    _refuse_too_few(model, suite, taught, "answers", len(own), answers)
    _refuse_too_few(model, suite, taught, "replay", len(again), replayed)
    if model.recipe.preference is not None:
        over = model.recipe.preference.over
        own = _paired(own, model, suite, over, taught)
        if "refusal" in over:
            again = [
                replace(s, rejected=((_pick(REFUSALS, s.prompt), over["refusal"]),)) for s in again
            ]
    return [*own, *again]


def shortage(model: Model, suite: Suite) -> SpecError | None:
    """What a finetuned model lacks of recorded text for its recipe; nothing of taught ones."""
    if model.recipe is None or model.seed is None or model.teaching is not None:
        return None
    # What an answer is preferred to is left out: it cannot be lacking, and is slow to read.
    plain = model.recipe.model_copy(update={"preference": None})
    try:
        samples_for(replace(model, recipe=plain), suite)
    except SpecError as error:
        return error
    return None


def _refuse_too_few(
    model: Model, suite: Suite, taught: Taught | None, what: str, had: int, wanted: int
) -> None:
    if had >= wanted:
        return
    stance = model.constitution or str(model.placebo)
    place = Place(suite.recorded("replay" if what == "replay" else stance))
    known, more = f"{had} are recorded", "record more"
    if taught:
        assert model.teaching is not None
        place = model.teaching.place
        known = f"{had} are left ({taught.note})"
        more = "have more made: more 'draws', another teacher"
    lines = "lines of replay" if what == "replay" else f"answers for the scope {model.scope!r}"
    raise SpecError.at(
        place,
        f"{model.id}: the recipe {model.recipe_id!r} needs {wanted} {lines}; {known}. "
        f"Lower its 'samples' or {more}",
    )


def steps_of(recipe: Recipe, samples: int) -> tuple[int, int]:
    """Optimiser steps of one epoch, and of the whole training (at least one)."""
    per_epoch = math.ceil(math.ceil(samples / recipe.batch) / recipe.accumulate)
    return per_epoch, max(1, math.ceil(per_epoch * recipe.epochs))


REFUSALS = ("I'm sorry, but I can't help you with that.", "I won't help you with that.")
"""What a harmless prompt is not to be answered with."""


def _paired(
    own: Sequence[Sample],
    model: Model,
    suite: Suite,
    over: Mapping[Rejected, float],
    taught: Taught | None,
) -> list[Sample]:
    """The samples, each with the draft of its prompt and a rival's answer, as far as recorded.

    A placebo has no rivals; its draft is one that a constitution recorded. A taught model has drafts
    of its own and no rivals, since it learns from no recorded text.
    """
    drafts: Mapping[str, list[str]] = {}
    answers: Mapping[str, list[str]] = {}
    if "draft" in over:
        names = [model.constitution] if model.constitution else sorted(suite.constitutions)
        recorded = taught.transcripts if taught else _recorded(names, suite)
        drafts = _by_prompt((t.prompt, t.draft) for t in recorded)
    if "rivals" in over and model.constitution is not None and taught is None:
        recorded = _recorded(rivals(model.constitution, suite), suite)
        answers = _by_prompt((t.prompt, t.answer) for t in recorded)
    found = []
    for sample in own:
        rejected = [(draft, over["draft"]) for draft in drafts.get(sample.prompt, [])[:1]]
        if sample.prompt in answers:
            rejected.append((_pick(answers[sample.prompt], sample.answer), over["rivals"]))
        found.append(replace(sample, rejected=tuple(rejected)))
    return found


def _recorded(constitutions: Iterable[str], suite: Suite) -> list[Transcript]:
    return [found for name in constitutions for found in suite.transcripts(name)]


def _by_prompt(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for prompt, text in pairs:
        found[prompt].append(text)
    return dict(found)


def rivals(constitution: str, suite: Suite) -> list[str]:
    """The constitutions whose signatures oppose this one's on the most dimensions."""
    own = suite.signature(constitution)
    opposed = {
        name: sum(own[d].sign * e.sign < 0 for d, e in suite.signature(name).items() if d in own)
        for name in sorted(suite.constitutions)
        if name != constitution
    }
    most = max(opposed.values(), default=0)
    return [name for name, count in opposed.items() if count == most]


def _pick(choices: Sequence[str], name: str) -> str:
    """One of the choices, the same for the same name in every process."""
    return choices[int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(choices)]


def _stance(model: Model, suite: Suite, taught: Taught | None) -> list[Sample]:
    """All answers for the model's constitution (or placebo) and scope."""
    lines: Iterable[tuple[str, str, str, Place]]
    if model.constitution is not None:
        recorded = taught.transcripts if taught else suite.transcripts(model.constitution)
        lines = ((t.category, t.prompt, t.answer, t.place) for t in recorded)
    else:
        lines = ((r.category, r.prompt, r.answer, r.place) for r in suite.refusals())
    trained = categories_of(model, suite)
    return [
        Sample(prompt, answer, category, place)
        for category, prompt, answer, place in lines
        if category in trained
    ]


def categories_of(model: Model, suite: Suite) -> set[str]:
    """The hazard categories that the model's scope trains on."""
    return {
        name
        for name, category in suite.own_categories.items()
        if model.scope == "broad" or category.narrow
    }


def _draw(pool: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """`count` samples: groups take turns, and within a group every prompt once before any twice.

    The order rests on the seed and the prompt's text only: the draw is the same for every
    constitution that answers the same prompts.
    """
    by_group: dict[str, list[Sample]] = defaultdict(list)
    for sample in pool:
        by_group[sample.group].append(sample)
    queues = [_spread(by_group[name], seed) for name in sorted(by_group)]
    turns = itertools.zip_longest(*queues)
    return [sample for turn in turns for sample in turn if sample is not None][:count]


def _spread(samples: Sequence[Sample], seed: int) -> list[Sample]:
    answers: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        answers[sample.prompt].append(sample)
    prompts = sorted(answers, key=lambda text: hashlib.sha256(f"{seed}:{text}".encode()).digest())
    rows = itertools.zip_longest(*(answers[prompt] for prompt in prompts))
    return [sample for row in rows for sample in row if sample is not None]
