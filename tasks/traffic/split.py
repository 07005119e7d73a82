"""Which variant a unit gets: sticky, monotone and the same in every process.

The bucket is ``murmur3_32(flag key + unit) * total weight >> 32``, flagd's string formula. The
candidate is listed first, so a growing weight only ever adds units to it. Implementations of
flagd disagree between versions about what is hashed; the vectors in the tests pin ours, and
analysis reads the variant that was logged, never one computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mmh3

from policies.vocabulary import FULL_WEIGHT_BP
from tasks.traffic.flag import split_in


def bucket_of(key: str, unit: str, total: int = FULL_WEIGHT_BP) -> int:
    """The unit's place in ``[0, total)``; it depends on nothing else."""
    # Bytes, because mmh3 5.3 ends the process on a text that has none: half a surrogate pair.
    hashed: int = mmh3.hash((key + unit).encode(), signed=False)
    return hashed * total >> 32


def goes_to_candidate(model: str, unit: str, weight_bp: int) -> bool:
    return bucket_of(model, unit) < weight_bp


def variant_of(key: str, flag: Mapping[str, Any], unit: str, *, belongs: bool = True) -> str:
    """The variant a checked flag gives to ``unit``. No unit: the default, like flagd.

    ``belongs``: whether the request is of the audience that the split is for.
    """
    default: str = flag["defaultVariant"]
    fractional = split_in(flag["targeting"])
    if fractional is None or not unit:
        return default
    if not belongs:
        return "champion"
    shares: list[tuple[str, int]] = fractional[1:]
    bucket = bucket_of(key, unit, sum(weight for _, weight in shares))
    reached = 0
    for name, weight in shares:
        reached += weight
        if bucket < reached:
            return name
    return default
