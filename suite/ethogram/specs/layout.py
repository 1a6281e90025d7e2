"""Where a suite's files lie, and which names are taken."""

from __future__ import annotations

from pathlib import Path

from ethogram.specs.base import FileSpec
from ethogram.specs.persona import Dimension
from ethogram.specs.perturbations import Perturbations
from ethogram.specs.pressure import Pressure
from ethogram.specs.safety import HazardCategory
from ethogram.specs.scenarios import Theme

MODELS = "models.yaml"
CONSTITUTIONS = "constitutions"
REQUIREMENTS = "projectability.yaml"
RESERVED = {"plain-refusal", "neutral", "replay", "broad", "narrow"}
"""Names that recorded files, placebos and scopes have: no constitution may take one."""
RECORDED = ("plain-refusal", "neutral", "replay")
"""Files of transcripts that belong to no constitution."""
KINDS: dict[str, type[FileSpec]] = {
    "persona": Dimension,
    "scenarios": Theme,
    "safety": HazardCategory,
    "pressure": Pressure,
    "perturbations": Perturbations,
}


def listed(folder: Path, pattern: str) -> list[Path]:
    """The folder's files, without those that editors and systems leave (`.#x.yaml`, `._x.yaml`)."""
    return sorted(file for file in folder.glob(pattern) if not file.name.startswith("."))
