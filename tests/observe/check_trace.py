#!/usr/bin/env python3
"""Reads a trace of Chrome's trace-event format.

    check_trace.py FILE ATTEMPTS

Says what is wrong with it, with exit code 1: not JSON, an attempt that is not exactly one slice, an arrow without its
two ends in slices, an attempt that no arrow leads to, slices of a track that overlap without being nested.
"""

import collections
import json
import sys
from pathlib import Path


def nanoseconds(microseconds):
    return round(microseconds * 1000)


def slices_of(records):
    slices = collections.defaultdict(list)
    for record in records:
        if record["ph"] == "X":
            begin = nanoseconds(record["ts"])
            slices[record["tid"]].append((begin, begin + nanoseconds(record["dur"]), record))
    return slices


def check_tracks(slices):
    for track, on_track in slices.items():
        open_ends = []
        for begin, end, record in on_track:
            while open_ends and open_ends[-1] <= begin:
                open_ends.pop()
            if open_ends and end > open_ends[-1]:
                yield f"track {track}: {record['name']} at {begin} ns ends after what it began in"
            open_ends.append(end)


def check_attempts(slices, wanted):
    attempts = collections.Counter(
        (record["args"]["request_id"], record["args"]["attempt"])
        for on_track in slices.values()
        for _, _, record in on_track
        if "outcome" in record["args"] and record["cat"] == "event"
    )
    if len(attempts) != wanted:
        yield f"{len(attempts)} attempts, not {wanted}"
    for attempt, count in attempts.items():
        if count != 1:
            yield f"attempt {attempt} is {count} slices"


def check_arrows(records, slices, wanted):
    ends = collections.defaultdict(dict)
    for record in records:
        if record["ph"] in ("s", "f"):
            ends[record["id"]].setdefault(record["ph"], record)
    if len(ends) != wanted:
        yield f"{len(ends)} arrows, not {wanted}"
    for arrow, pair in ends.items():
        if set(pair) != {"s", "f"}:
            yield f"arrow {arrow} has a loose end"
        elif pair["s"]["ts"] > pair["f"]["ts"]:
            yield f"arrow {arrow} leads back in time"
        elif next(iter(pair)) != "s":
            yield f"arrow {arrow} ends in the file before it begins"
        for end in pair.values():
            at = nanoseconds(end["ts"])
            if not any(begin <= at <= finish for begin, finish, _ in slices[end["tid"]]):
                yield f"arrow {arrow}: its {end['ph']} is in no slice"


def check(text, wanted):
    try:
        records = json.loads(text)
    except ValueError as error:
        return [f"no JSON: {error}"]
    slices = slices_of(records)
    return [
        *check_tracks(slices),
        *check_attempts(slices, wanted),
        *check_arrows(records, slices, wanted),
    ]


def main(arguments):
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    problems = check(Path(arguments[1]).read_text(encoding="utf-8"), int(arguments[2]))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
