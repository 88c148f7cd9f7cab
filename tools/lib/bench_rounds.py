# SPDX-License-Identifier: BSD-2-Clause
"""Rounds of measurements. What ends the bench early, a signal or a failure, leaves what was measured until then."""

import subprocess

from bench_common import Failure, say


class Interrupted(BaseException):
    """A signal ends the bench."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


ENDS = (Interrupted, Failure, OSError, subprocess.SubprocessError)
# The first of these that came when there were figures already: nothing is measured after it.
_early = []


def ended_early():
    """What has ended the measurements before their end, or None."""
    return _early[0] if _early else None


def end_early(end):
    _early.append(end)


def rounds(what, count, measure):
    """[measure(number) of each round]: whole rounds, and fewer if something ends them after the first."""
    done = []
    for number in range(count):
        try:
            done.append(measure(number))
        except ENDS as end:
            if not done:
                raise
            end_early(end)
            say(f"{what}: ended after {len(done)} of {count}")
            break
    return done


def each(keys, measure):
    """{key: measure(key)}, without those that something ended before their first round."""
    result = {}
    for key in keys:
        if ended_early():
            break
        try:
            result[key] = measure(key)
        except ENDS as end:
            if not result:
                raise
            end_early(end)
    return result


def merged(kinds, done):
    """{kind: the samples of all rounds}, of rounds that are {kind: samples} each."""
    return {kind: [sample for one in done for sample in one[kind]] for kind in kinds}


def taken(figure, wanted, word="rounds"):
    """For a table's title, how many rounds a summary is made of: "3 rounds", or "2 of 3 rounds"."""
    count = len(figure["samples"])
    return f"{count} {word}" if count == wanted else f"{count} of {wanted} {word}"
