"""Before anything costs time: what is wrong with the models of a run, all of it at once.

A model whose files or samples are wrong, or whose teacher does not answer, is found here and not
after hours of training others. Servers are asked one tiny question, and only if they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable

from ethogram.asks import Ask, TeachError
from ethogram.jobs.identity import Identities
from ethogram.jobs.lessons import NotTaught
from ethogram.plan import ask
from ethogram.specs.catalogue import Model
from ethogram.specs.teaching import Sampling, Teacher

QUESTION = Ask(ask("Reply with the one word: ready"), 0)
SAMPLING = Sampling(temperature=0, max_tokens=8)


def preflight(models: Iterable[Model], identities: Identities) -> dict[str, Exception]:
    """Why models cannot be made ready, by their ids."""
    faults: dict[str, Exception] = {}
    needed: dict[str, list[str]] = {}
    for model in models:
        try:
            identities.digest(model)
            if model.teaching is not None and _untaught(model, identities):
                for teacher in {model.teaching.draft, model.teaching.revise}:
                    needed.setdefault(teacher, []).append(model.id)
        except Exception as error:
            # Whatever it is, it belongs to this model and to no other.
            faults[model.id] = error
    for name, taught in sorted(needed.items()):
        wrong = _wrong(identities.suite.models.teachers[name])
        if wrong:
            faults |= {model: TeachError(f"the teacher {name!r}: {wrong}") for model in taught}
    return faults


def _untaught(model: Model, identities: Identities) -> bool:
    try:
        identities.sifted(model)
    except NotTaught:
        return True
    return False


def _wrong(teacher: Teacher) -> str:
    """What keeps a server from answering; '' for a local teacher, whose source has been looked at."""
    if teacher.endpoint is None:
        return ""
    from ethogram.measure.chat import ChatEndpoint

    try:
        (said,) = ChatEndpoint(teacher.model_copy(update={"retries": 1})).answer(
            [QUESTION], SAMPLING
        )
    except TeachError as error:
        return str(error)
    return said.error
