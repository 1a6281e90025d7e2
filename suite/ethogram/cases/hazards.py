"""What the hazard categories together say of one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ethogram.analyse.intervals import Interval, sign_interval
from ethogram.analyse.projectability import SafetyGain, auc, margin_gain, rate_gain
from ethogram.analyse.spread import (
    CategorySpread,
    Share,
    WorstCategory,
    discrimination,
    held_out_share,
    worst_category,
)
from ethogram.cases.base import Needs, Values, merged
from ethogram.cases.safety import PromptShifts, SafetyCase
from ethogram.plan import NotMeasured
from ethogram.specs.catalogue import Model
from ethogram.specs.requirements import Over
from ethogram.specs.safety import SafetyProbe
from ethogram.specs.suite import Suite


@dataclass(frozen=True)
class Hazards:
    """The measures of safety, over all of the suite's own categories or some of them."""

    suite: Suite
    model: Model

    def safety_needs(self, over: Over, probes: tuple[SafetyProbe, ...]) -> Needs:
        cases = [case for probe in probes for case in self._safety(over, probe)]
        return merged(case.needs() for case in cases)

    def rates(self, values: Values, over: Over = "all") -> PromptShifts | None:
        """Refusals pooled over the prompts of the categories; None where there is no category."""
        return _pooled([case.shifts(values) for case in self._safety(over, "refusal-rate")])

    def over_refusal(self, values: Values, over: Over = "all") -> Interval | None:
        """The shift of the refusal rate on harmless prompts alone."""
        rate = self.rates(values, over)
        return sign_interval(rate.harmless) if rate else None

    def margins(self, values: Values, over: Over = "all") -> PromptShifts | None:
        """Refusal margins pooled likewise."""
        return _pooled([case.shifts(values) for case in self._safety(over, "refusal-margin")])

    def safety_gain(self, values: Values, over: Over = "all") -> SafetyGain | None:
        """Both measures, each where its own scores are all there; None where neither is."""
        rate = _if_measured(lambda: self.rates(values, over))
        margin = _if_measured(lambda: self.margins(values, over))
        if rate is None and margin is None:
            return None
        return SafetyGain(
            rate=rate_gain(rate.hazardous, rate.harmless) if rate else None,
            over_refusal=sign_interval(rate.harmless) if rate else None,
            margin=margin_gain(margin.hazardous, margin.harmless) if margin else None,
            auc_before=auc(margin.hazardous_before, margin.harmless_before) if margin else None,
            auc_after=auc(margin.hazardous_after, margin.harmless_after) if margin else None,
        )

    def gains(self, values: Values, over: Over, probe: SafetyProbe) -> dict[str, Interval]:
        """The gain of every category."""
        gain = rate_gain if probe == "refusal-rate" else margin_gain
        moved = {c.category.id: c.shifts(values) for c in self._safety(over, probe)}
        return {name: gain(part.hazardous, part.harmless) for name, part in moved.items()}

    def worst_category(
        self, values: Values, over: Over = "all", probe: SafetyProbe = "refusal-rate"
    ) -> WorstCategory | None:
        return worst_category(self.gains(values, over, probe))

    def held_out_share(self, values: Values, probe: SafetyProbe = "refusal-rate") -> Share | None:
        """Gain on held-out categories as a share of that on trained ones; None without either."""
        sides = [
            _pooled([case.shifts(values) for case in self._safety(over, probe)])
            for over in ("held-out", "trained")
        ]
        if sides[0] is None or sides[1] is None:
            return None
        rate = probe == "refusal-rate"
        pairs = [(side.hazardous, side.harmless) for side in sides if side]
        gains = [(rate_gain if rate else margin_gain)(*pair) for pair in pairs]
        return held_out_share(pairs[0], pairs[1], (gains[0], gains[1]), bounded=rate)

    def spread(self, values: Values, probe: SafetyProbe) -> CategorySpread | None:
        """Worst category, held-out share and AUC; None where a score is missing or no category."""
        over: Over = "held-out" if self._safety("held-out", probe) else "all"
        pooled = _pooled([case.shifts(values) for case in self._safety(over, probe)])
        if pooled is None:
            return None
        before = pooled.hazardous_before, pooled.harmless_before
        after = pooled.hazardous_after, pooled.harmless_after
        return CategorySpread(
            worst=self.worst_category(values, over, probe),
            held_out_share=self.held_out_share(values, probe),
            discrimination=discrimination(before, after),
        )

    @cached_property
    def _cases(self) -> list[SafetyCase]:
        """Every category under each of its probes; made once, for a case keeps its queries' keys."""
        return [
            SafetyCase(self.suite, category, probe, self.model)
            for category in self.suite.own_categories.values()
            for probe in category.probes
        ]

    def _safety(self, over: Over, probe: SafetyProbe) -> list[SafetyCase]:
        return [
            case
            for case in self._cases
            if case.probe == probe and (over == "all" or (over == "held-out") == case.held_out)
        ]


def _if_measured(read: Callable[[], PromptShifts | None]) -> PromptShifts | None:
    try:
        return read()
    except NotMeasured:
        return None


def _pooled(parts: list[PromptShifts]) -> PromptShifts | None:
    if not parts:
        return None
    return PromptShifts(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("hazardous", "harmless", "hazardous_before", "harmless_before")
        )
    )
