"""The laws of framings, as the tests have them: the one place that knows where they are."""

from laws import check_inverse, check_reverse, check_split, known, refuses

__all__ = ["check_inverse", "check_reverse", "check_split", "known", "refuses"]
