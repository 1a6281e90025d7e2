"""The whole of what the user wrote: the suite, the constitutions and models.yaml, cross-checked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from ethogram.specs.base import FileSpec, Spec, read_spec
from ethogram.specs.between import between_files
from ethogram.specs.catalogue import Catalogue, expand
from ethogram.specs.constitution import (
    Constitution,
    Expectation,
    Refusal,
    Replay,
    Transcript,
    read_lines,
)
from ethogram.specs.errors import Place, Problem, SpecError, did_you_mean
from ethogram.specs.judging import ANSWERS, RUBRIC, Labelled, Rubric
from ethogram.specs.layout import (
    CONSTITUTIONS,
    KINDS,
    MODELS,
    RECORDED,
    REQUIREMENTS,
    RESERVED,
    listed,
)
from ethogram.specs.loader import load_yaml
from ethogram.specs.models import Capability, ModelsFile
from ethogram.specs.persona import Dimension
from ethogram.specs.perturbations import Exploration, Perturbations
from ethogram.specs.pressure import Pressure
from ethogram.specs.requirements import Requirements
from ethogram.specs.safety import HazardCategory
from ethogram.specs.scenarios import Scenario, Theme

F = TypeVar("F", bound=FileSpec)
S = TypeVar("S", bound=Spec)
T = TypeVar("T")


@dataclass(frozen=True)
class Suite:
    """Everything under one house: `root/suite`, `root/constitutions`, `root/models.yaml`.

    Files are read at first use and once; every attribute may raise SpecError.
    """

    root: Path
    folder: Path
    models_file: Path
    limited: dict[str, Capability] = field(default_factory=dict, compare=False)
    """Models whose servers give no log-probabilities, as the run found out at its start."""
    _found: dict[tuple[type, Path], object] = field(default_factory=dict, compare=False, repr=False)
    """What has been read: each file once, whatever came of it (a SpecError, too)."""
    exploration: Exploration = field(default_factory=Exploration, compare=False)
    """What the run brings to its searches for flips."""

    @classmethod
    def around(cls, path: Path, models_file: Path | None = None) -> Suite | None:
        """The suite that holds `path`: the nearest folder upwards with a `constitutions` folder."""
        path = path.absolute()
        start = path if path.is_dir() else path.parent
        for root in (start, *start.parents):
            if (root / CONSTITUTIONS).is_dir():
                below = start.relative_to(root).parts
                folder = root / (below[0] if below else "suite")
                if not any((folder / part).exists() for part in (*KINDS, REQUIREMENTS)):
                    folder = root / "suite"  # of no suite itself: `tests`, `constitutions`
                return cls(root, folder, models_file or root / MODELS)
        return None

    @cached_property
    def dimensions(self) -> dict[str, Dimension]:
        return self._folder(Dimension)

    @cached_property
    def themes(self) -> dict[str, Theme]:
        themes = self._folder(Theme)
        first: dict[str, Place] = {}
        for theme in themes.values():
            for scenario in theme.scenarios:
                if scenario.id in first:
                    raise SpecError.at(
                        scenario.place,
                        f"the scenario id {scenario.id!r} stands at {first[scenario.id]} too",
                    )
                first[scenario.id] = scenario.place
        return themes

    @cached_property
    def categories(self) -> dict[str, HazardCategory]:
        return self._folder(HazardCategory)

    @cached_property
    def own_dimensions(self) -> dict[str, Dimension]:
        """The dimensions that are not imported: what the instrument and recipes are tried on."""
        return {name: d for name, d in self.dimensions.items() if d.provenance is None}

    @cached_property
    def own_scenarios(self) -> list[Scenario]:
        """The scenarios that are not imported: what choices in general are measured over."""
        own = (theme for theme in self.themes.values() if theme.provenance is None)
        return [scenario for theme in own for scenario in theme.scenarios]

    @cached_property
    def own_categories(self) -> dict[str, HazardCategory]:
        """The hazard categories that are not imported: what models are trained on and measured over."""
        return {name: c for name, c in self.categories.items() if c.provenance is None}

    @cached_property
    def pressures(self) -> dict[str, Pressure]:
        return self._folder(Pressure)

    @cached_property
    def perturbations(self) -> dict[str, Perturbations]:
        return self._folder(Perturbations)

    @cached_property
    def requirements(self) -> Requirements | None:
        file = self.folder / REQUIREMENTS
        return read_spec(Requirements, file) if file.exists() else None

    @cached_property
    def constitutions(self) -> dict[str, Constitution]:
        return self._folder(Constitution)

    @cached_property
    def models(self) -> ModelsFile:
        return read_spec(ModelsFile, self.models_file)

    @cached_property
    def catalogue(self) -> Catalogue:
        return expand(self.models, self.constitutions)

    @cached_property
    def labelled(self) -> tuple[Labelled, ...]:
        """The answers on which judges are tried; none where the suite has no such file."""
        file = self.folder / ANSWERS
        return read_lines(Labelled, file) if file.exists() else ()

    @cached_property
    def rubric(self) -> Rubric | None:
        """The rubric by which `labelled` is labelled."""
        file = self.folder / RUBRIC
        return read_spec(Rubric, file) if file.exists() else None

    def rubric_of(self, judge: str) -> Rubric:
        """What the judge is told. Raises SpecError where there is no rubric."""
        spec = self.models.judges[judge]
        if isinstance(spec.rubric, Rubric):
            return spec.rubric
        if spec.rubric is not None:
            return read_spec(Rubric, self.models_file.parent / spec.rubric)
        if self.rubric is None:
            message = f"the judge needs a rubric: under 'rubric', or in {self.folder / RUBRIC}"
            raise SpecError.at(spec.place, message)
        return self.rubric

    def transcripts(self, constitution: str) -> tuple[Transcript, ...]:
        return self._lines(Transcript, self.recorded(constitution))

    def refusals(self) -> tuple[Refusal, ...]:
        return self._lines(Refusal, self.recorded("plain-refusal"))

    def replay(self) -> tuple[Replay, ...]:
        return self._lines(Replay, self.recorded("replay"))

    def recorded(self, name: str) -> Path:
        return self.root / CONSTITUTIONS / "transcripts" / f"{name}.jsonl"

    def expectation(self, constitution: str, dimension: Dimension) -> Expectation | None:
        """What the constitution expects on the dimension, or None where it names nothing."""
        found = self.constitutions[constitution].signature.get(dimension.id)
        if found is None and constitution in dimension.signature:
            found = Expectation(
                expect=dimension.signature[constitution], because=f"said in {dimension.id}.yaml"
            )
            found._place = dimension.place
        return found

    def signature(self, constitution: str) -> dict[str, Expectation]:
        """Expectation per dimension that the suite holds, imported dimensions left out.

        An imported dimension has cases of its own but does not enter the signature match: that
        would change the measure whenever somebody tries a public file.
        """
        named = self.constitutions[constitution].signature
        return {name: named[name] for name in self.dimensions if name in named}

    def evaluation_texts(self) -> Iterator[tuple[Place, str]]:
        """Every text that the suite scores or shows to a model, with its place.

        A file that cannot be read is passed over: none of its cases can run.
        """
        for dimension in self.readable(Dimension):
            for item in dimension.items:
                yield item.place, item.affirms
                yield item.place, item.rejects
        for theme in self.readable(Theme):
            for scenario in theme.scenarios:
                yield scenario.place, scenario.text
                for option in scenario.options:
                    yield option.place, option.text
                for told in scenario.retold.values():
                    for text in (told.text, *told.options.values()):
                        yield told.place, text
        for category in self.readable(HazardCategory):
            for text in (*category.evaluate, *category.harmless):
                yield category.place, text

    def check(self) -> list[Problem]:
        """Every problem in every file, and between the files that can be read."""
        return list(dict.fromkeys([*self.file_problems(), *between_files(self)]))

    def shared_problems(self) -> list[Problem]:
        """What stops every case: problems outside the files of cases, and between files."""
        alone = self.file_problems()
        # What is no file (a dangling link, a folder) is collected by nobody, so nobody else would tell.
        shared = [
            p for p in alone if not (self.holds_cases(p.place.file) and p.place.file.is_file())
        ]
        between = [problem for problem in between_files(self) if problem not in alone]
        return list(dict.fromkeys([*shared, *between]))

    def holds_cases(self, file: Path) -> bool:
        """Whether the file is collected by itself, so that its problems stop its own cases only."""
        folders = {self.folder / kind for kind in KINDS}
        return file.parent in folders or file == self.folder / REQUIREMENTS

    def file_problems(self) -> list[Problem]:
        """Every problem that a file has in itself."""
        problems: list[Problem] = []
        for read in self._readers():
            try:
                read()
            except SpecError as error:
                problems.extend(error.problems)
        problems.extend(self._unread())
        return list(dict.fromkeys(problems))

    def _unread(self) -> Iterator[Problem]:
        for folder in (*(self.folder / kind for kind in KINDS), self.root / CONSTITUTIONS):
            for file in listed(folder, "*.yml"):
                yield Problem(Place(file), "name the file .yaml; .yml is not read")
        yield from self._misplaced()

    def _misplaced(self) -> Iterator[Problem]:
        """Files that look like cases or transcripts where nothing reads them."""
        folders, spare = ", ".join(f"{kind}/" for kind in KINDS), self.spare_models()
        message = f"not read: a case file lies in one of {folders}"
        for file in listed(self.folder, "*.y*ml"):
            if file not in spare and file.name != REQUIREMENTS and file != self.models_file:
                yield Problem(Place(file), message + did_you_mean(file.name, [REQUIREMENTS]))
        for file in listed(self.folder, "*/*.y*ml"):
            hint = did_you_mean(file.parent.name, KINDS)
            if file.parent.name not in KINDS and "did you mean" in hint:
                yield Problem(Place(file), message + hint)
        for kind in KINDS:
            for file in listed(self.folder / kind, "*/**/*.y*ml"):
                yield Problem(Place(file), f"not read: it must lie in {kind}/ itself")
        stances = {*(file.stem for file in listed(self.root / CONSTITUTIONS, "*.yaml")), *RECORDED}
        for file in listed(self.root / CONSTITUTIONS / "transcripts", "*.jsonl"):
            if file.stem not in stances:
                hint = did_you_mean(file.stem, stances)
                yield Problem(
                    Place(file), f"not read: no constitution is called {file.stem!r}{hint}"
                )

    def spare_models(self) -> list[Path]:
        """Models files in the suite's folder that are not in use: no problem, for a run may name one."""
        known = {self.models_file, self.folder / REQUIREMENTS}
        files = [file for file in listed(self.folder, "*.y*ml") if file not in known]
        return [file for file in files if file.name == MODELS or _names_sources(file)]

    def _readers(self) -> Iterator[Callable[[], object]]:
        for kind in KINDS.values():
            yield lambda kind=kind: self._folder(kind)  # type: ignore[misc]
        yield lambda: self.constitutions
        for file in self._files(Constitution):
            # Of a reserved name the transcripts are no constitution's; the name is the problem.
            if file.stem not in RESERVED and self.recorded(file.stem).exists():
                yield lambda file=file: self.transcripts(file.stem)  # type: ignore[misc]
        yield lambda: self.themes
        yield lambda: self.requirements
        yield lambda: self.catalogue
        yield lambda: self.rubric
        yield lambda: self.labelled
        for name, read in (("plain-refusal", self.refusals), ("replay", self.replay)):
            if self.recorded(name).exists():
                yield read

    def _folder(self, kind: type[F]) -> dict[str, F]:
        """The folder's files by their ids. Raises SpecError with every problem in all of them."""
        found: dict[str, F] = {}
        problems: list[Problem] = []
        for file in self._files(kind):
            try:
                found[file.stem] = self._spec(kind, file)
            except SpecError as error:
                problems.extend(error.problems)
        if problems:
            raise SpecError(problems)
        return found

    def readable(self, kind: type[F]) -> Iterator[F]:
        """The files of a kind that can be read; the problems of the others stop their own cases."""
        for file in self._files(kind):
            with contextlib.suppress(SpecError):
                yield self._spec(kind, file)

    def _spec(self, kind: type[F], file: Path) -> F:
        found = self._once(kind, file, lambda: read_spec(kind, file))
        assert isinstance(found, kind)
        return found

    def _lines(self, kind: type[S], file: Path) -> tuple[S, ...]:
        return self._once(kind, file, lambda: read_lines(kind, file))

    def _once(self, kind: type, file: Path, read: Callable[[], T]) -> T:
        """What reading the file as that kind gave, or raised, at its first use."""
        if (kind, file) not in self._found:
            try:
                self._found[kind, file] = read()
            except SpecError as error:
                self._found[kind, file] = error
        found = self._found[kind, file]
        if isinstance(found, SpecError):
            raise SpecError(found.problems)
        return cast(T, found)

    def _files(self, kind: type[FileSpec], pattern: str = "*.yaml") -> list[Path]:
        folders = {known: self.folder / name for name, known in KINDS.items()}
        return listed(folders.get(kind, self.root / CONSTITUTIONS), pattern)

    def ids(self, kind: type[FileSpec]) -> list[str]:
        """Ids of a kind's files, whether they can be read or not (as one that ends in .yml)."""
        return sorted({file.stem for file in self._files(kind, "*.y*ml")})


def _names_sources(file: Path) -> bool:
    """Whether the file says what a models file must say."""
    try:
        data = load_yaml(file).data
    except SpecError:
        return False
    return isinstance(data, dict) and "sources" in data
