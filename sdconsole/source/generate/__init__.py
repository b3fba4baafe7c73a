"""Synthetic exports: seven tables with the shape, the distributions and the known defects of real ones.

Used for demonstrations, rehearsals and tests; every defect is written down, so that what a deployment reports can be
compared with what was put in. Knows nothing of how defects are found or repaired.
"""

from sdconsole.source.generate.defects import KINDS, Expect
from sdconsole.source.generate.dirt import DIRT_PROFILES
from sdconsole.source.generate.export import day_taken, generate
from sdconsole.source.generate.manifest import (
    Figures,
    Manifest,
    defects_path,
    manifest_path,
    read_defects,
    read_manifest,
)
from sdconsole.source.generate.sizes import SIZES

__all__ = [
    "DIRT_PROFILES",
    "KINDS",
    "SIZES",
    "Expect",
    "Figures",
    "Manifest",
    "day_taken",
    "defects_path",
    "generate",
    "manifest_path",
    "read_defects",
    "read_manifest",
]
