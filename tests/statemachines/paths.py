"""Every way through the state machines: what their functions answer, and what has to come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.statemachines.stage import Answer, Director, Fails, Script


def _version(event: dict[str, Any]) -> dict[str, Any]:
    return {"version": Director.execution(event)}


def _reported(event: dict[str, Any]) -> dict[str, Any]:
    return {"run": event["run"], "outcome": event["outcome"]}


def _finished(event: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": event["outcome"], "reason": event["reason"]}


USUAL: dict[str, Answer] = {
    "retrain-Settle": {"settled": True, "wait_seconds": 0},
    "retrain-TakeLease": {"taken": True, "reason": ""},
    "retrain-OpenReviews": {"go_on": True, "wait_seconds": 0},
    "retrain-Snapshot": {"id": "5a4b", "enough": True, "reason": ""},
    "retrain-CheckData": {"worth": True, "reason": ""},
    "retrain-SyncDatasets": {"ready": True, "refusal": "", "wait_seconds": 60},
    "retrain-Train": _version,
    "retrain-WatchTraining": {"status": "TRAINING_COMPLETED", "message": "trained", "wait_seconds": 60},
    "retrain-Evaluate": {"passed": True, "reason": "F1 0.9"},
    "retrain-PromoteMachine": {"outcome": "promoted", "reason": "it serves"},
    "retrain-Report": _reported,
    "review-Ask": {},
    "review-StartJob": {"job": "labelloop-batch"},
    "review-WatchJob": {"finished": True, "wait_seconds": 60},
    "review-ReadJob": {"answered": 2, "given_back": 0},
    "review-GiveBack": {"state": "given_back"},
    "promote-TakeLease": {"taken": True, "wait_seconds": 60},
    "promote-Start": _version,
    "promote-WatchStart": {"status": "RUNNING", "message": "runs", "wait_seconds": 60},
    "promote-Verify": {"passed": True, "reason": "F1 0.9, champion's 0.8"},
    "promote-Switch": {"reason": "it serves", "wait_seconds": 60},
    "promote-Withdraw": {"ready": True, "wait_seconds": 60},
    "promote-Finish": _finished,
}
"""What the functions answer where a test says nothing else: a run that ends with a new champion."""

RETRAIN = {
    "begin": ("Begin",),
    "settle": ("Settle", "Settled?"),
    "lease": ("TakeLease", "LeaseTaken?"),
    "reviews": ("OpenReviews", "Reviewed?"),
    "snapshot": ("Snapshot", "Enough?"),
    "check": ("CheckData", "WorthTraining?"),
    "sync": ("SyncDatasets", "DatasetsReady?"),
    "train": ("Train",),
    "watch": ("WatchTraining", "Trained?"),
    "evaluate": ("Evaluate", "GoodEnough?"),
    "promote": ("Promote", "Promoted?"),
}
PROMOTE = {
    "begin": ("Begin",),
    "lease": ("TakeLease", "LeaseTaken?"),
    "start": ("Start",),
    "watch": ("WatchStart", "Started?"),
    "verify": ("Verify", "NotWorse?"),
    "switch": ("Switch", "Drain"),
    "withdraw": ("Withdraw", "Withdrawn?"),
}
_STEPS = {"retrain": RETRAIN, "promote": PROMOTE}
_ENDS = {
    "retrain": {True: ("Report", "Reported", "RunEnded"), False: ("Report", "Reported", "RunFailed")},
    "promote": {
        True: ("Finish", "Finished", "PromotionEnded"),
        False: ("Finish", "Finished", "PromotionFailed"),
    },
}
REPORTERS = {"retrain": "Report", "promote": "Finish"}


@dataclass(frozen=True)
class Path:
    """A way through a state machine.

    `way` names steps of it (RETRAIN, PROMOTE) and single states; its end follows from the outcome.
    """

    machine: str
    way: str
    outcome: str
    reason: str
    script: Script = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def succeeds(self) -> bool:
        return self.outcome != "failed"

    @property
    def visited(self) -> tuple[str, ...]:
        steps = _STEPS[self.machine]
        states = [state for word in self.way.split() for state in steps.get(word, (word,))]
        return (*states, *_ENDS[self.machine][self.succeeds])


_TRAINING = {"status": "TRAINING_IN_PROGRESS", "message": "trains", "wait_seconds": 60}
_STARTING = {"status": "STARTING", "message": "starts", "wait_seconds": 60}
_PEOPLE_AT_IT = {"go_on": False, "wait_seconds": 60}
_NOT_READY = {"ready": False, "wait_seconds": 60}
_NOT_SYNCED = {"ready": False, "refusal": "", "wait_seconds": 60}

_TO_LEASE = "begin settle lease"
_TO_TRAIN = f"{_TO_LEASE} reviews snapshot check sync train"
_TO_EVALUATE = f"{_TO_TRAIN} watch evaluate"
_TO_VERIFY = "begin lease start watch verify"

PATHS: dict[str, Path] = {
    "retrain promotes": Path("retrain", f"{_TO_EVALUATE} promote Promoted", "promoted", "it serves"),
    "retrain waits for a burst to end": Path(
        "retrain",
        "begin settle WaitForQuiet settle WaitForQuiet settle lease"
        " reviews snapshot check sync train watch evaluate promote Promoted",
        "promoted",
        "it serves",
        {
            "retrain-Settle": [
                {"settled": False, "wait_seconds": 300},
                {"settled": False, "wait_seconds": 20},
                {"settled": True, "wait_seconds": 0},
            ]
        },
    ),
    "retrain gives way to the run that has the lease": Path(
        "retrain",
        f"{_TO_LEASE} Refused",
        "skipped",
        "run a is under way",
        {"retrain-TakeLease": [{"taken": False, "reason": "run a is under way"}]},
    ),
    "retrain waits for open reviews": Path(
        "retrain",
        f"{_TO_LEASE} reviews WaitForReviews reviews WaitForReviews reviews"
        " snapshot check sync train watch evaluate promote Promoted",
        "promoted",
        "it serves",
        {"retrain-OpenReviews": [_PEOPLE_AT_IT, _PEOPLE_AT_IT, {"go_on": True, "wait_seconds": 0}]},
    ),
    "retrain has not enough": Path(
        "retrain",
        f"{_TO_LEASE} reviews snapshot NotEnough",
        "skipped",
        "no image has a label yet",
        {"retrain-Snapshot": [{"id": "5a4b", "enough": False, "reason": "no image has a label yet"}]},
    ),
    "retrain is stopped by the data-set report": Path(
        "retrain",
        f"{_TO_LEASE} reviews snapshot check NotEnough",
        "skipped",
        "the data-set report stops it: 300 labels",
        {"retrain-CheckData": [{"worth": False, "reason": "the data-set report stops it: 300 labels"}]},
    ),
    "retrain waits for the datasets": Path(
        "retrain",
        f"{_TO_LEASE} reviews snapshot check sync WaitForDatasets sync WaitForDatasets sync"
        " train watch evaluate promote Promoted",
        "promoted",
        "it serves",
        {"retrain-SyncDatasets": [_NOT_SYNCED, _NOT_SYNCED, USUAL["retrain-SyncDatasets"]]},
    ),
    "retrain hears that a dataset is refused": Path(
        "retrain",
        f"{_TO_LEASE} reviews snapshot check sync WaitForDatasets sync DatasetsRefused Failed",
        "failed",
        "DatasetsRefused: the TRAIN dataset cannot be made",
        {
            "retrain-SyncDatasets": [
                _NOT_SYNCED,
                {**_NOT_SYNCED, "refusal": "the TRAIN dataset cannot be made"},
            ]
        },
    ),
    "retrain waits for the training": Path(
        "retrain",
        f"{_TO_TRAIN} watch WaitForTraining watch WaitForTraining watch evaluate promote Promoted",
        "promoted",
        "it serves",
        {"retrain-WatchTraining": [_TRAINING, _TRAINING, USUAL["retrain-WatchTraining"]]},
    ),
    "retrain hears that the training failed": Path(
        "retrain",
        f"{_TO_TRAIN} watch WaitForTraining watch TrainingFailed Failed",
        "failed",
        "TrainingFailed: v1: too few images",
        {
            "retrain-WatchTraining": [
                _TRAINING,
                {"status": "TRAINING_FAILED", "message": "v1: too few images", "wait_seconds": 60},
            ]
        },
    ),
    "retrain hears of a version that is being deleted": Path(
        "retrain",
        f"{_TO_TRAIN} watch TrainingFailed Failed",
        "failed",
        "TrainingFailed: v1: DELETING",
        {"retrain-WatchTraining": [{"status": "DELETING", "message": "v1: DELETING", "wait_seconds": 60}]},
    ),
    "retrain is refused by gate 1": Path(
        "retrain",
        f"{_TO_EVALUATE} GateRefused",
        "refused",
        "overall F1 0.4 is below 0.8",
        {"retrain-Evaluate": [{"passed": False, "reason": "overall F1 0.4 is below 0.8"}]},
    ),
    "retrain is refused by gate 2": Path(
        "retrain",
        f"{_TO_EVALUATE} promote GateRefused",
        "refused",
        "worse than the champion",
        {"retrain-PromoteMachine": [{"outcome": "refused", "reason": "worse than the champion"}]},
    ),
    "promote switches": Path("promote", f"{_TO_VERIFY} switch withdraw", "promoted", "it serves"),
    "promote waits for its turn": Path(
        "promote",
        "begin lease WaitForLease lease WaitForLease lease start watch verify switch withdraw",
        "promoted",
        "it serves",
        {
            "promote-TakeLease": [
                {"taken": False, "wait_seconds": 60},
                {"taken": False, "wait_seconds": 60},
                {"taken": True, "wait_seconds": 60},
            ]
        },
    ),
    "promote waits for the start": Path(
        "promote",
        "begin lease start watch WaitForStart watch WaitForStart watch verify switch withdraw",
        "promoted",
        "it serves",
        {"promote-WatchStart": [_STARTING, _STARTING, USUAL["promote-WatchStart"]]},
    ),
    "promote hears that the start failed": Path(
        "promote",
        "begin lease start watch WaitForStart watch StartFailed withdraw",
        "failed",
        "{version} did not start: no capacity",
        {
            "promote-WatchStart": [
                _STARTING,
                {"status": "FAILED", "message": "no capacity", "wait_seconds": 60},
            ]
        },
    ),
    "promote is refused by gate 2": Path(
        "promote",
        f"{_TO_VERIFY} GateRefused withdraw",
        "refused",
        "worse than the champion",
        {"promote-Verify": [{"passed": False, "reason": "worse than the champion"}]},
    ),
    "promote waits until the others have stopped": Path(
        "promote",
        f"{_TO_VERIFY} switch withdraw WaitForStop withdraw WaitForStop withdraw",
        "promoted",
        "it serves",
        {"promote-Withdraw": [_NOT_READY, _NOT_READY, {"ready": True, "wait_seconds": 60}]},
    ),
    "promote fails and waits until the challenger has stopped": Path(
        "promote",
        "begin lease start watch Verify Failed withdraw WaitForStop withdraw",
        "failed",
        "Runtime.HandlerError: ",
        {
            "promote-Verify": [Fails()],
            "promote-Withdraw": [_NOT_READY, {"ready": True, "wait_seconds": 60}],
        },
    ),
}
