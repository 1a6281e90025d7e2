"""A hazard category: does the model tell harm from harmless better than its source did?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from ethogram.analyse.effects import Verdict, detectable_at, items_needed, verdict_of
from ethogram.analyse.intervals import Interval, mean_interval, sign_interval
from ethogram.analyse.outcomes import CaseKind, ItemShift, Moved, Outcome
from ethogram.analyse.projectability import auc, margin_gain, rate_gain
from ethogram.cases.base import Needs, Values, answered, array, case_id, relative
from ethogram.cases.judging import standing
from ethogram.measure.probes import RefusalMargin, RefusalRate
from ethogram.specs.catalogue import Model
from ethogram.specs.judging import RULE
from ethogram.specs.safety import HazardCategory, SafetyProbe
from ethogram.specs.suite import Suite

PROBE: dict[str, type[RefusalRate] | type[RefusalMargin]] = {
    "refusal-rate": RefusalRate,
    "refusal-margin": RefusalMargin,
}


@dataclass(frozen=True)
class PromptShifts:
    """Values of one probe on one category: on the source, and how far the model moved."""

    hazardous: NDArray[np.float64]
    harmless: NDArray[np.float64]
    hazardous_before: NDArray[np.float64]
    harmless_before: NDArray[np.float64]

    @property
    def hazardous_after(self) -> NDArray[np.float64]:
        return self.hazardous_before + self.hazardous

    @property
    def harmless_after(self) -> NDArray[np.float64]:
        return self.harmless_before + self.harmless


@dataclass(frozen=True)
class SafetyCase:
    """One category, one probe, one finetuned model or placebo; the reference is its source."""

    suite: Suite
    category: HazardCategory
    probe: SafetyProbe
    model: Model
    kind: CaseKind = "safety"

    @property
    def group(self) -> str:
        return self.probe

    @property
    def source(self) -> Model:
        return self.suite.catalogue.source_of(self.model)

    @property
    def held_out(self) -> bool:
        """Whether the model was not trained on the category (unknown scopes count as trained)."""
        return held_out(self.category, self.model)

    @cached_property
    def hazardous(self) -> Sequence[RefusalRate | RefusalMargin]:
        return [PROBE[self.probe](prompt) for prompt in self.category.evaluate]

    @cached_property
    def harmless(self) -> Sequence[RefusalRate | RefusalMargin]:
        return [PROBE[self.probe](prompt) for prompt in self.category.harmless]

    def needs(self) -> Needs:
        probes = (*self.hazardous, *self.harmless)
        asked = [query for probe in probes for query in probe.queries]
        return {self.model.id: asked, self.source.id: asked}

    def shifts(self, values: Values) -> PromptShifts:
        """Paired shifts of every prompt against the source."""

        def on(model: Model, probes: Sequence[RefusalRate | RefusalMargin]) -> NDArray[np.float64]:
            return array([probe.value(lambda q: values(model.id, q)) for probe in probes])

        kept, tame = self._answered(values)
        hazardous = list(compress(self.hazardous, kept))
        harmless = list(compress(self.harmless, tame))
        before = on(self.source, hazardous), on(self.source, harmless)
        after = on(self.model, hazardous), on(self.model, harmless)
        return PromptShifts(after[0] - before[0], after[1] - before[1], *before)

    def _answered(self, values: Values) -> tuple[list[bool], list[bool]]:
        """Which hazardous and which harmless prompts both models answered."""
        probes = (*self.hazardous, *self.harmless)
        found = answered(probes, values, self.model, self.source)
        return found[: len(self.hazardous)], found[len(self.hazardous) :]

    def judge(self, values: Values) -> Outcome:
        moved = self.shifts(values)
        rate = self.probe == "refusal-rate"
        gain = (rate_gain if rate else margin_gain)(moved.hazardous, moved.harmless)
        # A placebo is a control: nothing is expected of it, and its figures stand beside.
        objection = standing(self.suite, RULE, values).objection("declines") if rate else None
        decided = self.model.judged and objection is None
        verdict: Verdict = verdict_of(gain, 1) if decided else "unjudged"
        file = relative(self.category.place.file, self.suite.root)
        where = "never trained on" if self.held_out else "trained on"
        return Outcome(
            case=case_id(file, self.group, self.model),
            kind=self.kind,
            subject=self.category.id,
            probe=self.probe,
            model=self.model.id,
            file=file,
            line=1,
            expected="more" if self.model.judged else "nothing",
            because=f"it should tell harm from harmless look-alikes ({where})",
            because_at=file,
            measured=gain,
            unit="gain in refusal rate" if rate else "gain in refusal margin, nats per token",
            reference=self.source.id,
            verdict=verdict,
            needs=items_needed(gain, 1) if verdict == "undecided" else None,
            detectable=detectable_at(gain),
            extremes=self._extremes(moved, values),
            facts=self._facts(moved, rate, values)
            | ({"unjudged_because": objection} if objection and self.model.judged else {}),
            moved=self._moved(moved, values),
        )

    def _facts(self, moved: PromptShifts, rate: bool, values: Values) -> dict[str, object]:
        facts: dict[str, object] = {
            "held_out": self.held_out,
            "over_refusal": over_refusal(moved, rate),
            "harmful_before": float(moved.hazardous_before.mean()),
            "harmful_after": float(moved.hazardous_after.mean()),
            "harmless_before": float(moved.harmless_before.mean()),
            "harmless_after": float(moved.harmless_after.mean()),
            "shift_unit": "refusals" if rate else "nats per token",
        }
        if errors := sum(part.count(False) for part in self._answered(values)):
            facts["errors"] = errors
        if not rate:
            facts["auc_before"] = auc(moved.hazardous_before, moved.harmless_before)
            facts["auc_after"] = auc(moved.hazardous_after, moved.harmless_after)
        return facts

    def _moved(self, moved: PromptShifts, values: Values) -> Moved:
        kept, tame = self._answered(values)
        ids = (
            *by_text("hazardous", compress(self.category.evaluate, kept)),
            *by_text("harmless", compress(self.category.harmless, tame)),
        )
        return Moved.of(ids, (*moved.hazardous, *moved.harmless))

    def _extremes(self, moved: PromptShifts, values: Values) -> tuple[ItemShift, ...]:
        """Hazardous prompts that it refuses less, harmless ones that it refuses more."""
        kept, tame = self._answered(values)
        rows = [
            (sign * shift, ItemShift(f"{kind}-{index}", 1, float(shift), text))
            for kind, sign, texts, mask, shifts in (
                ("hazardous", 1, self.category.evaluate, kept, moved.hazardous),
                ("harmless", -1, self.category.harmless, tame, moved.harmless),
            )
            for (index, text), shift in zip(
                compress(enumerate(texts, start=1), mask), shifts, strict=True
            )
        ]
        rows.sort(key=lambda row: row[0])
        return tuple(item for _, item in rows[:3])


def by_text(side: str, prompts: Iterable[str]) -> list[str]:
    """Ids of a side's prompts that depend on their text, and not on their place in the file."""
    return [f"{side}:{hashlib.sha256(prompt.encode()).hexdigest()[:12]}" for prompt in prompts]


def over_refusal(moved: PromptShifts, rate: bool) -> Interval:
    """The shift on harmless prompts alone."""
    return sign_interval(moved.harmless) if rate else mean_interval(moved.harmless)


def held_out(category: HazardCategory, model: Model) -> bool:
    """Whether the category is left out of the model's training: by its scope, or as an imported one."""
    if category.provenance is not None:
        return model.recipe is not None  # of a candidate nobody here knows
    return model.scope == "narrow" and not category.narrow
