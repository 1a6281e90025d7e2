"""Trained and evaluated text must not overlap: exact and near-duplicates by character n-grams."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse

from ethogram.specs.errors import Place, Problem, SpecError

GRAM = 5
LIMIT = 0.5
"""Jaccard similarity of the sets of character 5-grams from which two texts count as one."""

CONTAINED = 0.8
"""Share of an evaluation text's 5-grams that, found in one training text, count as a quotation."""
QUOTE = 25
"""Distinct 5-grams from which on containment counts: shorter texts are contained by chance."""


def check_leakage(
    trained: Iterable[tuple[Place, str]], evaluated: Iterable[tuple[Place, str]]
) -> None:
    """Raise SpecError naming every trained text that an evaluation text repeats."""
    left, right = list(trained), list(evaluated)
    problems = [
        Problem(
            left[row][0],
            f"the training text is an evaluation text too ({right[column][0]}, {share:.0%} alike): "
            f"{left[row][1][:60]!r}",
        )
        for row, column, share in near_duplicates([t for _, t in left], [t for _, t in right])
    ]
    if problems:
        raise SpecError(problems)


def near_duplicates(
    left: Sequence[str], right: Sequence[str], limit: float = LIMIT
) -> list[tuple[int, int, float]]:
    """(index in left, index in right, similarity) of every pair that counts as one text.

    The larger of the Jaccard similarity and, for long enough texts, the share of the right one
    that the left one contains.
    """
    if not left or not right:
        return []
    vocabulary: dict[str, int] = {}
    a, b = _incidence(left, vocabulary), _incidence(right, vocabulary)
    a.resize(a.shape[0], len(vocabulary))
    b.resize(b.shape[0], len(vocabulary))
    shared = (a @ b.T).tocoo()
    sizes_a, sizes_b = np.asarray(a.sum(axis=1)).ravel(), np.asarray(b.sum(axis=1)).ravel()
    similarity = shared.data / (sizes_a[shared.row] + sizes_b[shared.col] - shared.data)
    # A long text that quotes a whole sentence is unlike it as a whole, and leaks it all the same.
    contained = np.where(sizes_b[shared.col] >= QUOTE, shared.data / sizes_b[shared.col], 0.0)
    count = np.flatnonzero((similarity >= limit) | (contained >= CONTAINED))
    share = np.maximum(similarity, contained)
    return sorted((int(shared.row[i]), int(shared.col[i]), float(share[i])) for i in count)


def _incidence(texts: Sequence[str], vocabulary: dict[str, int]) -> sparse.csr_matrix:
    rows, columns = [], []
    for row, text in enumerate(texts):
        for gram in _grams(text):
            rows.append(row)
            columns.append(vocabulary.setdefault(gram, len(vocabulary)))
    shape = (len(texts), max(len(vocabulary), 1))
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def _grams(text: str) -> set[str]:
    words = re.findall(r"[^\W_]+", text.casefold())
    plain = f" {' '.join(words)} "
    return {plain[i : i + GRAM] for i in range(max(1, len(plain) - GRAM + 1))}
