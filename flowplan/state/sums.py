"""Checksums of what is stored, made so that keeping them costs the same however much there is.

Each stored row has a sum over what it says. The sum of a whole state is the total of its rows' sums, so a commit takes
the old row's off and puts the new row's on; a row that was edited, cut out or added by hand no longer fits the total.
They detect accidents and edits by hand; they are no seal against someone who computes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

_ALL = (1 << 63) - 1


def checksum(*parts: object) -> int:
    """63 bits over what ``parts`` say, in their order."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") & _ALL


def total(sums: Iterable[int], less: Iterable[int] = ()) -> int:
    """The total of ``sums`` with ``less`` taken off, whatever their order."""
    return (sum(sums) - sum(less)) & _ALL


def row_sum(address: str, kind: str, id: str, body: str) -> int:
    """The sum of a recorded resource (or of the outputs, see `flowplan.state.rows.OUTPUTS`)."""
    text = f"{address}\0{kind}\0{id}\0{body}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") & _ALL
