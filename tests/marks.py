"""Marks of tests."""

import pytest

IN_CI = (pytest.mark.slow, pytest.mark.ci_slow)
"""Too long for the default tests; CI runs them."""
