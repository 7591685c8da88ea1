"""`python -m tests.chaos`: attack a deployment in an embedded stack of its own, and print what came of it.

Ends with 1 if anything was lost, doubled or wrong, or an attack outlived a sweep.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from local import embedded
from local.scenes import classification_scenes
from tests.chaos.attacks import VARIABLES, Attacker, strike
from tests.chaos.tally import Tally, table
from tests.chaos.target import Target
from tests.fixtures.deployed_loop import Loop, until

SETTINGS = {
    "min_new_images": "1000000",  # runs are attacked, and none starts by itself
    "burst_quiet_seconds": "1",
    "drain_seconds": "1",
    "retry_seconds": "1",
    "min_test_images_per_label": "1",
    "min_f1": "0",  # what the models are worth does not matter
    "min_label_f1": "0",
    "f1_margin": "1",
    "shadow_test_images": "2",
    "review_sample_rate": "0",
    "review_wait_seconds": "0",
    "review_cooldown_seconds": "1",
}
IMAGES = 24


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=1, help="what is left to chance is the same with the same seed"
    )
    parser.add_argument(
        "--minutes", type=float, default=30, help="no attack begins later, but for the last kind"
    )
    parser.add_argument("--only", action="append", metavar="KIND", help="kinds that begin with this")
    parser.add_argument("--objects", type=int, default=10_000, help="how many the last kind puts")
    parser.add_argument("--port", type=int)
    asked = parser.parse_args(arguments)
    # What ends this process leaves no stack behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # A deployment that is interrupted may write on for a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home, tallies = Path(folder), dict[str, Tally]()
        stack = embedded.start(home, port=asked.port, variables=VARIABLES)
        try:
            embedded.deploy(stack, name="chaos", context=SETTINGS)
            target = Target(Loop(stack, "chaos"))
            _prepare(target)
            attacker = Attacker(target, random.Random(asked.seed))  # noqa: S311 not for secrets
            kinds = tuple(asked.only) if asked.only else None
            strike(target, attacker.attacks(kinds, asked.objects), asked.minutes * 60, tallies)
        finally:
            # Also of attacks that somebody breaks off.
            details = [line for tally in tallies.values() for line in tally.details]
            _say("\n".join([*table(tallies.values()), *details]))
            embedded.stop(home)
    return int(any(tally.failed for tally in tallies.values()))


def _prepare(target: Target) -> None:
    """A champion, and a version that has served before it."""
    loop = target.loop
    target.listen()
    scenes = list(classification_scenes(IMAGES, seed=1))
    loop.drop_by_folder(scenes, lambda scene: scene.labels[0])
    until(lambda: len(loop.images()) >= IMAGES, 120, "the images are registered")
    for name in ("first", "second"):
        run = loop.retrain(f"{name}-version", force=True)
        _say(f"{name} version: {run.outcome} {run.reason or ''}")
    target.heard()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
