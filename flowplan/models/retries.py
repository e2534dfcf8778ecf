"""How often and after which pauses something is tried again (spec/models.md, 1.3)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Self

from attrs import field

from flowplan.models.model import Model, fact, rule
from flowplan.values.classes import define
from flowplan.values.convert import Problem


@define(kw_only=True)
class Retries(Model):
    """A retry policy with fixed or exponential pauses. All delays are in seconds."""

    max_retries: int = field(default=3, metadata=fact("How many times to try again.", minimum=0, maximum=10))
    backoff_coefficient: float = field(
        default=2.0,
        metadata=fact("What each pause is multiplied by to get the next.", minimum=1.0, maximum=10.0),
    )
    initial_delay: float = field(
        default=1.0, metadata=fact("Seconds before the first retry.", minimum=0.1, maximum=300.0)
    )
    max_delay: float | None = field(
        default=None, metadata=fact("The longest pause in seconds.", minimum=1.0, maximum=3600.0)
    )

    @rule("initial_delay", "max_delay")
    def _delays_in_order(self) -> Iterator[Problem]:
        if self.max_delay is not None and self.max_delay < self.initial_delay:
            yield Problem(
                ("max_delay",),
                f"max_delay ({self.max_delay:g}) must not be less than initial_delay ({self.initial_delay:g})",
                given=self.max_delay,
            )

    def validate_delays(self) -> Self:
        """Check the policy again after an assignment.

        Raises:
            Invalid: with all problems; among them a max_delay below initial_delay.
        """
        return self.check()

    def get_delay(self, attempt: float) -> float:
        """Seconds to wait before retry number ``attempt``, counted from 1; 0.0 for anything below.

        ``max_retries`` plays no part. Never overflows: without ``max_delay`` the largest float is the cap.
        """
        if attempt <= 0:
            return 0.0
        cap = sys.float_info.max if self.max_delay is None else self.max_delay
        try:
            growth = math.pow(self.backoff_coefficient, attempt - 1)
        except OverflowError:
            growth = math.inf
        return min(self.initial_delay * growth, cap)

    @classmethod
    def fixed(cls, retries: int = 3, delay: float = 5.0) -> Self:
        """``retries`` tries with the same pause before each."""
        return cls(max_retries=retries, initial_delay=delay, backoff_coefficient=1.0)

    @classmethod
    def exponential(
        cls,
        retries: int = 3,
        initial: float = 1.0,
        multiplier: float = 2.0,
        max_delay: float | None = None,
    ) -> Self:
        """``retries`` tries, each pause ``multiplier`` times the one before."""
        return cls(
            max_retries=retries, initial_delay=initial, backoff_coefficient=multiplier, max_delay=max_delay
        )

    @classmethod
    def none(cls) -> Self:
        """No retries at all."""
        return cls(max_retries=0)
