"""In which numbers a source is computed. No torch: digests rest on it."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path
from typing import Literal

from ethogram.specs.models import Source

Precision = Literal["float32", "bfloat16", "float16", "mixed"]
CPUINFO = Path("/proc/cpuinfo")
NATIVE = re.compile(r"^(flags|Features)\s*:.*\b(avx512_bf16|amx_bf16|bf16)\b", re.MULTILINE)


def precision(source: Source) -> Precision:
    """What the source's `dtype` comes to on this machine.

    `mixed` where the processor multiplies bfloat16 itself, or a GPU is named; elsewhere float32,
    since emulated products are several times slower than whole ones.
    """
    if source.dtype != "mixed" or source.device.startswith("cuda"):
        return source.dtype
    return "mixed" if native_bfloat16() else "float32"


@cache
def native_bfloat16() -> bool:
    """Whether the kernel says that the processor multiplies bfloat16 (Linux; elsewhere unknown: no)."""
    if platform.system() != "Linux":
        return False
    try:
        return NATIVE.search(CPUINFO.read_text(encoding="utf-8", errors="replace")) is not None
    except OSError:
        return False


def computed(source: Source) -> dict[str, str | None]:
    """What tells two uses of the same weights apart, as part of a digest."""
    return {"dtype": precision(source), "template": source.template}


def weights_dtype(source: Source) -> Literal["float32", "bfloat16", "float16"]:
    """What the weights are read in: `mixed` reads them whole."""
    return "float32" if source.dtype == "mixed" else source.dtype
