# SPDX-License-Identifier: BSD-2-Clause
"""What the parts of tools/bench share."""

import statistics
import sys


class Failure(Exception):
    pass


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def summary(samples):
    """Median and quartiles of the samples, and the samples."""
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {"median": middle, "q1": low, "q3": high, "samples": samples}


def shown(numbers, digits):
    return f"{numbers['median']:.{digits}f} [{numbers['q1']:.{digits}f} {numbers['q3']:.{digits}f}]"


def payload_figures(text):
    """A bare-metal guest's measurements: {kind: nanoseconds of one, for each batch}. Several guests may
    follow each other, each with its own frequency and batch."""
    frequency = batch = None
    result = {}
    for words in map(str.split, text.splitlines()):
        if len(words) != 3 or words[0] != "#":
            continue
        if words[1] == "frequency":
            frequency = int(words[2])
        elif words[1] == "batch":
            batch = int(words[2])
        else:
            result.setdefault(words[1], []).append(int(words[2]) * 1e9 / frequency / batch)
    return result
