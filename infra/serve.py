"""The step serve: start and stop the champion as the serving policy and people want it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.alarm import Alarm
from infra.detect import Detect
from infra.handler import Handler
from infra.rekognition_project import RekognitionProject
from infra.step import SharedResources, Step
from infra.video import Video

_PERIODS = 5
"""Minutes in a row in which it fails before somebody hears of it: the next one does what one left undone."""
_SILENT_PERIODS = 3
"""Of five minutes each, without a call. Calls that are throttled are no errors, and no invocations either.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""


class Serve(Step):
    """The function that looks after the champion, and its schedule."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        detect: Detect,
        video: Video,
        console_address: str,
    ) -> None:
        super().__init__(scope, id, shared)
        self.handler = handler = self.make_handler(
            "Serve",
            "lambdas.serve.handle",
            "Starts and stops the champion as the serving policy and people want it",
            name=self.deployment.named("serve"),
            writes=["LEASE", "LEDGER", "SERVING", "INCIDENT"],
            environment={
                "DETECT_QUEUE_URL": detect.event_queue.queue.queue_url,
                "VIDEO_QUEUE_URL": video.event_queue.queue.queue_url,
                "PROJECT_ARN": project.arn,
                "TOPIC_ARN": self.loop_state.topic.topic_arn,
                "CONSOLE_ADDRESS": console_address,
            },
        )
        self._thresholds()
        self.loop_state.grant_notify(handler)
        project.grant_describe_versions(handler)
        project.grant_start(handler)
        project.grant_stop(handler)
        detect.event_queue.grant_count(handler)
        video.event_queue.grant_count(handler)
        detect.event_queue.grant_send(handler)
        self.loop_state.grant_end_waiting(handler)
        self.alarms = [
            Alarm(
                self,
                "FailedAlarm",
                self.deployment,
                name="serve-failed",
                what="Nobody looks after the champion, so it may run for nobody",
                metric=handler.function.metric_errors(period=cdk.Duration.minutes(1)),
                periods=_PERIODS,
            ),
            Alarm(
                self,
                "SilentAlarm",
                self.deployment,
                name="serve-silent",
                what="The function that looks after the champion is not called any more",
                metric=handler.function.metric_invocations(period=cdk.Duration.minutes(5)),
                periods=_SILENT_PERIODS,
                below=True,
            ),
        ]
        target = targets.LambdaFunction(handler.function)  # pyrefly: ignore[bad-argument-type]
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            targets=[target],  # pyrefly: ignore[bad-argument-type]
        )

    def _thresholds(self) -> None:
        """The function that writes one setting: those that face the internet write none."""
        handler = Handler(
            self,
            "Thresholds",
            self.deployment,
            entry="lambdas.serve.set_threshold",
            description="Sets from which confidence on a label's detections count, as an administrator asks",
            name=self.deployment.named("thresholds"),
            environment={"TUNING_PARAMETER": self.loop_state.tuning.parameter_name},
        )
        self.loop_state.grant_tune(handler)
