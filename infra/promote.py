"""The step promote: make a good model version the champion, which is the one that answers detections."""

from __future__ import annotations

from collections.abc import Sequence

from constructs import Construct

from infra.detect import Detect
from infra.handler import Handler
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.step import SharedResources, Step
from infra.workflow import Workflow


class Promote(Step):
    """The state machine of promotions and rollbacks, and its functions."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        register: Register,
        project: RekognitionProject,
        detect: Detect,
        console_address: str,
    ) -> None:
        environment = {
            "CATALOGUE_TABLE": register.catalogue.table_name,
            "PROJECT_ARN": project.arn,
            "DETECT_QUEUE_URL": detect.event_queue.queue.queue_url,
        }
        super().__init__(scope, id, shared, environment)
        self._register, self._project, self._detect = register, project, detect
        self._console_address = console_address
        handlers = {
            "TakeLease": self._handler(
                "TakeLease", "take_lease", "Lets one promotion at a time go on", writes=["LEASE", "RUN"]
            ),
            "Start": self._start(),
            "WakeChampion": self._wake_champion(),
            "WatchStart": self._watching("WatchStart", "watch_start", "Looks whether a model runs"),
            "ShadowEvaluate": self._shadow_evaluate(),
            "AskApproval": self._ask_approval(),
            "Decide": self._handler(
                "Decide", "decide", "Records a person's decision", writes=["VERSION", "RUN", "APPROVAL"]
            ),
            "Switch": self._watching(
                "Switch", "switch", "Makes a model version the champion", writes=["CHAMPION", "VERSION"]
            ),
            "StopOtherVersions": self._stop_other_versions(),
            "Finish": self._finish(),
        }
        self.workflow = Workflow(self, "Workflow", self.deployment, step="promote", handlers=handlers)

    def _handler(
        self, id: str, function: str, description: str, *, writes: Sequence[str] = (), timeout: int = 60
    ) -> Handler:
        entry = f"lambdas.promote.{function}"
        return self.make_handler(id, entry, description, timeout=timeout, writes=writes)

    def _watching(
        self, id: str, function: str, description: str, *, writes: Sequence[str] = (), timeout: int = 60
    ) -> Handler:
        """A function that may see which model versions run."""
        handler = self._handler(id, function, description, writes=writes, timeout=timeout)
        self._project.grant_describe_versions(handler)
        return handler

    def _start(self) -> Handler:
        handler = self._watching("Start", "start", "Starts a model version", writes=["VERSION", "RUN"])
        self._project.grant_start(handler)
        # A promotion that has ended meanwhile leaves nothing behind that runs.
        self._project.grant_stop(handler)
        return handler

    def _wake_champion(self) -> Handler:
        handler = self._watching(
            "WakeChampion", "wake_champion", "Starts a champion that sleeps, to be compared with", timeout=300
        )
        self._project.grant_start(handler)
        self.data_bucket.grant_read(handler, "datasets/", "evaluations/")
        self.data_bucket.grant_list(handler)
        return handler

    def _shadow_evaluate(self) -> Handler:
        description = "Tests challenger and champion on the same images"
        handler = self._watching(
            "ShadowEvaluate", "shadow_evaluate", description, writes=["VERSION", "NEEDED"], timeout=900
        )
        self._project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read(handler, "images/")
        self.data_bucket.grant_read(handler, "datasets/", "training/", "evaluations/")
        self.data_bucket.grant_put(handler, "evaluations/")
        self._register.grant_query(handler)
        handler.allow("dynamodb:BatchGetItem", on=[self._register.catalogue.table_arn])
        return handler

    def _ask_approval(self) -> Handler:
        handler = self._handler(
            "AskApproval",
            "ask_approval",
            "Asks people whether a model version may serve",
            writes=["LEASE", "VERSION", "RUN", "APPROVAL"],
        )
        handler.function.add_environment("TOPIC_ARN", self.loop_state.topic.topic_arn)
        handler.function.add_environment("CONSOLE_ADDRESS", self._console_address)
        handler.allow("sns:Publish", on=[self.loop_state.topic.topic_arn])
        return handler

    def _stop_other_versions(self) -> Handler:
        description = "Stops every model version but the champion"
        handler = self._watching("StopOtherVersions", "stop_other_versions", description, writes=["LEDGER"])
        self._project.grant_stop(handler)
        return handler

    def _finish(self) -> Handler:
        handler = self._handler(
            "Finish", "finish", "Records the verdict of a promotion", writes=["LEASE", "VERSION", "RUN"]
        )
        self._detect.event_queue.grant_send(handler)
        self.loop_state.grant_end_waiting(handler)
        return handler
