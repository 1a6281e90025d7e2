"""The job *teach*: make the transcripts that a course lacks, and store each when it is finished."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ethogram.asks import Answerer, Ask, Said, Spent, TeachError
from ethogram.jobs.identity import Identities
from ethogram.jobs.lessons import Course
from ethogram.jobs.progress import Progress
from ethogram.jobs.spending import account, forecast
from ethogram.specs.errors import count
from ethogram.specs.teaching import Sampling
from ethogram.store import ScoreLog, digest_of
from ethogram.train.critique import Assignment, Lesson, Made

GIVE_UP = 5
"""Failed transcripts from which on a run stops, once they are more than those that were made."""
Chunk = list[tuple[str, Assignment]]


@dataclass
class Classroom:
    """Teachers at work. Each is loaded once, and only when it has something to say."""

    identities: Identities
    progress: Progress
    _answerers: dict[str, Answerer] = field(default_factory=dict)

    def teach(self, course: Course) -> Counter[str]:
        """Make what is missing; returns why some could not be made, and how many.

        One process at a time teaches a course; the others wait for its lock and then read. Raises
        TeachError when more fails than is made, StoreError when the disk does.
        """
        log = self.identities.store.transcripts(course.folder)
        if not course.missing(log.refresh()):
            return Counter()
        with self.identities.store.jobs.locked(course.folder):
            missing = course.missing(log.refresh())
            return self._make(course, missing, log) if missing else Counter()

    def _make(self, course: Course, missing: set[str], log: ScoreLog) -> Counter[str]:
        spec, what = course.teaching, f"taught {course.constitution.id} by {course.teaching_id}"
        drafter, reviser = self.answerer(spec.draft), self.answerer(spec.revise)
        remembered = self.identities.store.transcripts(digest_of({"drafts": course.teachers[0]}))
        remembered.refresh()
        teachers = self.identities.suite.models.teachers
        lesson = Lesson(
            course.constitution, spec, Remembered(drafter, course.teachers[0], remembered), reviser
        )
        wanted = [
            one for key, one in zip(course.keys, course.assignments, strict=True) if key in missing
        ]
        for line in forecast(lesson, wanted, teachers):
            self.progress.say(line)
        failed, made = Counter[str](), 0
        with self.progress.phase(what) as details:
            with self.progress.bar(what, len(course.keys), "transcript") as bar:
                bar.update(len(course.keys) - len(missing))
                for key, found in said(lesson, chunks(course, missing, lesson)):
                    bar.update()
                    if isinstance(found, Made):
                        log.add({key: found.as_json()})
                        made += 1
                    else:
                        failed[found] += 1
                        _give_up(failed, made)
            details.append(count(made, "transcript"))
            details += [f"{count} lost: {reason}" for reason, count in failed.most_common()]
        for line in account({spec.draft: drafter, spec.revise: reviser}, teachers):
            self.progress.say(line)
        return failed

    def answerer(self, teacher_id: str) -> Answerer:
        """The teacher, ready. Raises TeachError or SourceError when it cannot be had."""
        if teacher_id not in self._answerers:
            self._answerers[teacher_id] = self._ready(teacher_id)
        return self._answerers[teacher_id]

    def _ready(self, teacher_id: str) -> Answerer:
        suite = self.identities.suite
        teacher = suite.models.teachers[teacher_id]
        if teacher.local is None:
            from ethogram.measure.chat import ChatEndpoint

            return ChatEndpoint(teacher)
        from ethogram.measure.sampled import LocalAnswerer
        from ethogram.source.load import load_base
        from ethogram.source.reading import to_read

        source = suite.models.sources[teacher.local]
        folder = self.identities.obtain(source, self.progress.say)
        loaded = to_read(load_base(folder, source), source)
        return LocalAnswerer(loaded, teacher.batch, self.progress.say)


@dataclass
class Remembered:
    """A teacher whose answers are stored: drafts are the same for every constitution."""

    teacher: Answerer
    digest: str
    log: ScoreLog

    @property
    def width(self) -> int:
        return self.teacher.width

    @property
    def workers(self) -> int:
        return self.teacher.workers

    @property
    def spent(self) -> Spent | None:
        return self.teacher.spent

    def answer(self, asks: Sequence[Ask], sampling: Sampling) -> list[Said]:
        keys = [self._key(ask, sampling) for ask in asks]
        new = [
            (key, ask) for key, ask in zip(keys, asks, strict=True) if key not in self.log.values
        ]
        said = self.teacher.answer([ask for _, ask in new], sampling) if new else []
        fresh = {key: one for (key, _), one in zip(new, said, strict=True)}
        kept = {key: [one.text, one.finished] for key, one in fresh.items() if not one.error}
        if kept:
            self.log.add(kept)
        return [fresh[key] if key in fresh else Said(*self.log.values[key]) for key in keys]

    def _key(self, ask: Ask, sampling: Sampling) -> str:
        drawn = {name: getattr(sampling, name) for name in Sampling.model_fields}
        return digest_of([self.digest, ask.messages, ask.seed, drawn])


def _give_up(failed: Counter[str], made: int) -> None:
    lost = failed.total()
    if lost >= GIVE_UP and lost > made:
        reasons = ", ".join(f"{count} x {why}" for why, count in failed.most_common(3))
        raise TeachError(f"{count(lost, 'transcript')} failed and {made} were made: {reasons}")


def chunks(course: Course, missing: set[str], lesson: Lesson) -> list[Chunk]:
    """What is missing, cut where the whole course would be cut: a resumed run batches alike."""
    width = max(lesson.drafter.width, lesson.reviser.width)
    pairs = list(zip(course.keys, course.assignments, strict=True))
    cut = [pairs[start : start + width] for start in range(0, len(pairs), width)]
    left = [[(key, one) for key, one in chunk if key in missing] for chunk in cut]
    return [chunk for chunk in left if chunk]


def said(lesson: Lesson, work: Sequence[Chunk]) -> Iterator[tuple[str, Made | str]]:
    """(key, what was made or why nothing was) as it is finished, in no order."""
    workers = min(lesson.drafter.workers, lesson.reviser.workers)
    if workers == 1:
        for chunk in work:
            yield from _carried_out(lesson, chunk)
        return
    with ThreadPoolExecutor(workers) as pool:
        queue = iter(work)
        running: set[Future[list[tuple[str, Made | str]]]] = set()
        try:
            while True:
                for chunk in itertools.islice(queue, workers - len(running)):
                    running.add(pool.submit(_carried_out, lesson, chunk))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _carried_out(lesson: Lesson, chunk: Chunk) -> list[tuple[str, Made | str]]:
    found = lesson.carry_out([one for _, one in chunk])
    return [(key, what) for (key, _), what in zip(chunk, found, strict=True)]
