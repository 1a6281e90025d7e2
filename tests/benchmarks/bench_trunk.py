"""How much of a model's scoring is saved where it shares its lower half with one scored before.

Run it by hand: `python tests/benchmarks/bench_trunk.py [float32|mixed]`. The peer is the same engine
on the whole model. Prints the ratios and the largest difference.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ethogram.cases import cases_of
from ethogram.measure.engine import LocalEngine
from ethogram.plan import Query, Value
from ethogram.source.load import Loaded, load_base, ready
from ethogram.source.obtain import obtain
from ethogram.source.trunk import Memo, trunked
from ethogram.specs.suite import Suite
from ethogram.store import Store, default_root

ROOT = Path(__file__).resolve().parents[2]
FILES = ("persona/impartiality.yaml", "scenarios/work.yaml")


def scored(loaded: Loaded, queries: list[Query]) -> tuple[float, dict[Query, Value]]:
    """Seconds, and what was found."""
    begun = time.perf_counter()
    found = {q: v for part in LocalEngine(loaded).score(queries) for q, v in part.items()}
    return time.perf_counter() - begun, found


def main() -> None:
    """Time the whole model, the first of two halves, and the second."""
    suite = Suite.around(ROOT / "suite")
    assert suite is not None
    dtype = sys.argv[1] if len(sys.argv) > 1 else "float32"
    source = suite.catalogue["smollm2"].source.model_copy(update={"dtype": dtype})
    folder = obtain(source, ROOT, Store(default_root()))
    asked: dict[Query, None] = {}
    for name in FILES:
        for case in cases_of(suite.folder / name, suite):
            asked |= dict.fromkeys(case.needs().get("smollm2", ()))
    queries = list(asked)

    def loaded() -> Loaded:
        return ready(load_base(folder, source), source)

    memo, half = Memo(), loaded().shared // 2
    scored(loaded(), queries[:40])
    whole, expected = scored(loaded(), queries)
    first, _ = scored(trunked(loaded(), half, memo), queries)
    second, found = scored(trunked(loaded(), half, memo), queries)
    worst = max(
        abs(float(one) - float(other))
        for query in queries
        for one, other in zip(expected[query], found[query], strict=True)
    )
    print(f"{len(queries)} queries in {dtype}: whole {whole:.1f} s")
    print(f"ratio of the first by halves {first / whole:.2f}, of the next {second / whole:.2f}")
    print(f"largest difference {worst:.1e} nats")


if __name__ == "__main__":
    main()
