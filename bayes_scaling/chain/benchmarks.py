"""What is known about common benchmarks: accuracy of a guess and number of test items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task scored as a fraction of items solved.

    Parameters
    ----------
    chance : float
        Accuracy of a guess; 0 for an open answer.
    items : int
        Number of items of the set that is usually scored.
    """

    chance: float
    items: int


#: By canonical name; an open answer has chance 0.
BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "arc_challenge": Benchmark(1 / 4, 1172),
        "arc_easy": Benchmark(1 / 4, 2376),
        "boolq": Benchmark(1 / 2, 3270),
        "commonsense_qa": Benchmark(1 / 5, 1221),
        "copa": Benchmark(1 / 2, 100),
        "coqa": Benchmark(0.0, 7983),
        "gsm8k": Benchmark(0.0, 1319),
        "hellaswag": Benchmark(1 / 4, 10042),
        "humaneval": Benchmark(0.0, 164),
        "jeopardy": Benchmark(0.0, 2117),
        "lambada": Benchmark(0.0, 5153),
        "logiqa": Benchmark(1 / 4, 651),
        "math": Benchmark(0.0, 5000),
        "mbpp": Benchmark(0.0, 500),
        "mmlu": Benchmark(1 / 4, 14042),
        "natural_questions": Benchmark(0.0, 3610),
        "openbookqa": Benchmark(1 / 4, 500),
        "piqa": Benchmark(1 / 2, 1838),
        "race": Benchmark(1 / 4, 1045),
        "sciq": Benchmark(1 / 4, 1000),
        "siqa": Benchmark(1 / 3, 1954),
        "squad": Benchmark(0.0, 10570),
        "triviaqa": Benchmark(0.0, 17944),
        "winograd": Benchmark(1 / 2, 273),
        "winogrande": Benchmark(1 / 2, 1267),
        "wsc": Benchmark(1 / 2, 104),
    }
)
_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "arc_c": "arc_challenge",
        "arc_e": "arc_easy",
        "csqa": "commonsense_qa",
        "commonsenseqa": "commonsense_qa",
        "lambada_openai": "lambada",
        "logi_qa": "logiqa",
        "nq": "natural_questions",
        "obqa": "openbookqa",
        "openbook_qa": "openbookqa",
        "social_iqa": "siqa",
        "trivia_qa": "triviaqa",
        "wsc273": "winograd",
    }
)
_ENDING = re.compile(r"_(zeroshot|fewshot|\d+shot|norm|acc)$")


def benchmark(task: str) -> Benchmark | None:
    """What is known about a task of that name: ``arc:easy``, ``acc_hellaswag_zeroshot``, ``MMLU``.

    Parameters
    ----------
    task : str

    Returns
    -------
    Benchmark or None
        None if the name is not known.
    """
    name = re.sub(r"[^a-z0-9]+", "_", task.lower()).strip("_").removeprefix("acc_")
    name = _ENDING.sub("", name)
    return BENCHMARKS.get(_ALIASES.get(name, name))
