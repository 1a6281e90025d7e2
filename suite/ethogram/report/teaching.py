"""How good a teacher's transcripts are: what each filter dropped, and an honest summary."""

from __future__ import annotations

from collections.abc import Callable

from tabulate import tabulate

from ethogram.train.filters import Sifted


def filters_table(sifted: Sifted) -> str:
    """A row a filter: how many it finds in all, and how many it was the first to drop."""
    drops = sifted.drops
    rows = [(name, count, drops[name]) for name, count in sifted.hits.items()]
    total = len(sifted.kept) + len(sifted.dropped)
    rows.append((f"kept of {total:,}", len(sifted.kept), ""))  # type: ignore[arg-type]
    return tabulate(rows, headers=("filter", "finds", "drops"), tablefmt="simple")


def quality(sifted: Sifted, refuses: Callable[[str], bool]) -> str:
    """What critique and revision have done, in shares of all that was made."""
    made = [*sifted.kept, *(one for one, _ in sifted.dropped)]
    if not made:
        return "no transcripts were made"
    refused = sum(refuses(one.draft) for one in made)
    turned = sum(refuses(one.answer) and not refuses(one.draft) for one in made)
    lines = [
        f"{_share(refused, len(made))} of the drafts refuse already; "
        f"{_share(turned, len(made) - refused)} of the others are revised into a refusal",
        f"{_share(sifted.hits['unchanged'], len(made))} of the revisions say the draft again, "
        f"{_share(sifted.hits['repeats the critique'], len(made))} say the critique, "
        f"{_share(sifted.hits['still complies'], len(made))} still comply, "
        f"{_share(len(sifted.kept), len(made))} are kept",
    ]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%} ({part}/{whole})" if whole else "none (0/0)"
