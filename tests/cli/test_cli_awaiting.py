"""A coroutine's large result is handed over without being written out."""

from __future__ import annotations

import pytest

from flowplan.cli.awaiting import await_result


class Large:
    """A value whose text nobody wants."""

    def __repr__(self) -> str:
        raise AssertionError("a plan of 10,000 resources was written out, only to be thrown away")


def test_the_result_is_never_written_out() -> None:
    async def main() -> Large:
        return Large()

    assert isinstance(await_result(main()), Large)


def test_what_is_raised_comes_through() -> None:
    async def main() -> Large:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await_result(main())
