"""Content-addressed results on disk: sources, adapters and scores.

Nothing here is ever changed in place. An entry is written aside, its manifest last, and renamed;
a reader therefore sees a whole entry or none.
"""

from ethogram.store.checkpoints import Checkpoints
from ethogram.store.digest import digest_of, file_digest
from ethogram.store.entries import DamagedEntry, Entries, StoreError
from ethogram.store.inventory import Usage, clear, usage
from ethogram.store.root import CACHE_VARIABLE, Store, default_root
from ethogram.store.scores import ScoreLog

__all__ = [
    "CACHE_VARIABLE",
    "Checkpoints",
    "DamagedEntry",
    "Entries",
    "ScoreLog",
    "Store",
    "StoreError",
    "Usage",
    "clear",
    "default_root",
    "digest_of",
    "file_digest",
    "usage",
]
