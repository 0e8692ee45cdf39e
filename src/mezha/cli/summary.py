"""The summary of a run, for whoever draws it: how much of what plain code and mezha got right."""

from dataclasses import dataclass

from mezha.cli.experiment import WIRE, Lab
from mezha.cli.texts import Texts

__all__ = ["Result", "summary"]


@dataclass(frozen=True, slots=True)
class Result:
    """One row: how much of a total either got right."""

    what: str
    total: int
    plain: int
    mezha: int

    def of(self, count: int, texts: Texts) -> str:
        """Return ``count`` of the total, in words."""
        return texts.of.format(right=texts.number(count), total=texts.number(self.total))


def summary(lab: Lab, texts: Texts) -> list[Result]:
    """Return the summary."""
    plain, mezha, cutting, flood = lab.plain, lab.mezha, lab.cutting, lab.flood
    return [
        Result(texts.result_rounds.format(rounds=texts.number(plain.count)), mezha.received, plain.single, mezha.right),
        Result(texts.result_ways.format(size=len(WIRE)), cutting.ways, cutting.plain_right, cutting.mezha_right),
        Result(
            texts.result_flood.format(size=texts.number(flood.size)),
            flood.messages,
            flood.plain_right,
            flood.mezha_right,
        ),
    ]
