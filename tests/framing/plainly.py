"""Names of test cases that stay the same however often they are collected."""

__all__ = ["plainly"]


def plainly(value: object) -> str:
    """Name a case without backslashes: where a process collects again, as mutmut does, pytest doubles those."""
    return str(value).replace("\\", "/")
