"""Assertions in the shared modules of these tests say what differs."""

import sys

import pytest

# Other folders' tests may have imported them first: what is imported can no longer be rewritten, and saying so is an error.
for name in ("plan_cases", "plan_builders"):
    if name not in sys.modules:
        pytest.register_assert_rewrite(name)
