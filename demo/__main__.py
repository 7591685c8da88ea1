"""The demo, `python -m demo`: the whole loop on generated images, on an embedded stack of its own.

DEMO_KEEP=1 leaves the stack running, to look around in it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from cli import formatting
from demo.story import PARTS, TRAINING_STEPS, Story, clear
from demo.watch import NotAsPromisedError
from local import embedded

HOME = embedded.HOME / "demo"
OUTPUT = embedded.ROOT / "demo-output"
LOG_LINES = 25
LOG_WIDTH = 140


def main(*, review_by_person: bool = False, engine: str = "rekognition") -> int:
    """Run the demo: its exit code."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    began = time.monotonic()
    keep = os.environ.get("DEMO_KEEP") == "1"
    embedded.stop(HOME)
    clear(OUTPUT)
    try:
        story = Story(console, _start(console), Path(os.path.relpath(OUTPUT)), review_by_person, engine)
        story.durations.append(("Start the embedded stack", time.monotonic() - began))
        story.run()
    except KeyboardInterrupt:
        console.print("\nInterrupted", style="yellow")
        return 130
    except Exception as error:  # noqa: BLE001 whatever it is, the log belongs beside it
        _explain(console, error)
        return 1
    else:
        _times(console, story, time.monotonic() - began)
        return 0
    finally:
        _leave(console, keep)


def _interrupt(*_: object) -> None:
    """End as with Ctrl-C, so that no stack is left behind."""
    raise KeyboardInterrupt


def _start(console: Console) -> embedded.Running:
    with console.status("Starting the embedded stack: MiniStack and the Custom Labels engine"):
        stack = embedded.start(
            HOME,
            variables={"LABELLOOP_TRAINING_STEPS": TRAINING_STEPS, "LABELLOOP_LABEL_CHECK_SECONDS": "10"},
        )
    # The user's own AWS settings must not lead to an account.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(stack.environment)
    console.print(f"Embedded stack at {stack.endpoint}; its logs are in {os.path.relpath(HOME / 'log')}")
    return stack


def _times(console: Console, story: Story, total: float) -> None:
    console.print("\n[bold]Time taken[/bold]")
    for title, seconds in story.durations:
        console.print(f"  {formatting.seconds(seconds):>12}  {title}", markup=False)
    console.print(f"  {formatting.seconds(total):>12}  in all", style="bold")
    console.print(f"\nImages with their detections: {story.output}/")


def _explain(console: Console, error: Exception) -> None:
    log = HOME / "log" / "stack.log"
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    console.print(f"\nEnd of {log}:", style="dim", markup=False)
    console.print("\n".join(lines), style="dim", markup=False)
    if isinstance(error, NotAsPromisedError | embedded.EmbeddedStackError):
        console.print(f"\nThe demo failed: {error}", style="bold red", markup=False, soft_wrap=True)
    else:
        console.print_exception()


def _leave(console: Console, keep: bool) -> None:
    stack = embedded.running(HOME)
    if stack and keep:
        environment = embedded.write_environment(stack, PARTS)
        console.print(
            f"The stack is still running: `. {os.path.relpath(environment)}`, then `labelloop status`."
        )
        console.print("The next demo replaces it; `python -m demo stop` stops it.")
    elif stack:
        with console.status("Stopping the embedded stack"):
            embedded.stop(HOME)


def stop() -> int:
    """Stop the stack that DEMO_KEEP left running."""
    return 0 if embedded.stop(HOME) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Show the whole loop on generated images."
    )
    parser.add_argument("command", nargs="?", choices=["show", "stop"], default="show")
    parser.add_argument(
        "--review",
        choices=["script", "me"],
        default="script",
        help="who labels the images without labels at the review desk (default: a script)",
    )
    parser.add_argument(
        "--engine",
        choices=["rekognition", "serverless"],
        default="rekognition",
        help="what trains and answers (default: rekognition)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    if arguments.command == "stop":
        sys.exit(stop())
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main(review_by_person=arguments.review == "me", engine=arguments.engine))
