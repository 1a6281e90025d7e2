"""Public files -> the YAML of cases: statements make dimensions, tables of choices make themes,
prompts make hazard categories."""

from ethogram.importers.hazards import Columns, ImportedCategory, hazard_file, prompt_lines
from ethogram.importers.layout import LISTS, Layout, read_layout
from ethogram.importers.persona import Imported, Statement, paired, persona_jsonl
from ethogram.importers.rows import JSON_LINES
from ethogram.importers.scenarios import ImportedTheme, scenario_csv, scenario_lines, theme_id
from ethogram.importers.text import safe_id, slug

__all__ = [
    "JSON_LINES",
    "LISTS",
    "Columns",
    "Imported",
    "ImportedCategory",
    "ImportedTheme",
    "Layout",
    "Statement",
    "hazard_file",
    "paired",
    "persona_jsonl",
    "prompt_lines",
    "read_layout",
    "safe_id",
    "scenario_csv",
    "scenario_lines",
    "slug",
    "theme_id",
]
