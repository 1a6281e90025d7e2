"""In which numbers a source is computed, by what the processor says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ethogram.source import precision as module
from ethogram.source.precision import native_bfloat16, precision, weights_dtype
from ethogram.specs.models import Source

MIXED = Source(folder=".", dtype="mixed")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    native_bfloat16.cache_clear()
    yield
    native_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("line", "native"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 avx512vbmi\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", False),
        ("model name\t: a bf16 processor\n", False),
        ("bugs\t\t: none\nflags\t: avx512_bf16x\n", False),
    ],
)
def test_products_are_in_bfloat16_where_the_processor_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, native: bool
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\n{line}", encoding="utf-8")
    monkeypatch.setattr(module, "CPUINFO", file)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert native_bfloat16() is native
    assert precision(MIXED) == ("mixed" if native else "float32")


def test_where_nothing_is_known_numbers_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "none")
    assert precision(MIXED) == "float32"
    native_bfloat16.cache_clear()
    monkeypatch.setattr("platform.system", lambda: "Windows")
    assert precision(MIXED) == "float32"


def test_a_named_gpu_has_them_and_other_dtypes_are_what_they_say() -> None:
    assert precision(Source(folder=".", dtype="mixed", device="cuda:1")) == "mixed"
    for dtype in ("float32", "bfloat16", "float16"):
        source = Source(folder=".", dtype=dtype)
        assert precision(source) == dtype == weights_dtype(source)
    assert weights_dtype(MIXED) == "float32"
