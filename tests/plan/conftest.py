"""Assertions in the shared modules of these tests say what differs."""

import pytest

pytest.register_assert_rewrite("plan_cases", "plan_builders")
