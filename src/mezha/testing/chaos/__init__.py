"""A real TCP proxy that cuts, glues, delays and breaks connections, the same way each time."""

from mezha.testing.chaos.faults import (
    Coalesce,
    Corrupt,
    CutAt,
    CutEvery,
    CutMessage,
    CutRandomly,
    Delay,
    Fault,
    HalfClose,
    Plan,
    Reset,
    Stall,
    Throttle,
)
from mezha.testing.chaos.proxy import Chaos
from mezha.testing.chaos.record import read_plans, shrink, write_plans

__all__ = [
    "Chaos",
    "Coalesce",
    "Corrupt",
    "CutAt",
    "CutEvery",
    "CutMessage",
    "CutRandomly",
    "Delay",
    "Fault",
    "HalfClose",
    "Plan",
    "Reset",
    "Stall",
    "Throttle",
    "read_plans",
    "shrink",
    "write_plans",
]
