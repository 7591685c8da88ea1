"""How much waits under detect/, and since when: what decides whether the champion wakes, and how large it is.

The way of an image that comes while the champion sleeps, or before there is one:

1. Its message reaches the detect function, which finds that no champion runs. It writes
   `results/<name>.json` with the status `waiting`, keeps the image in the loop's state (kind `WAITING`), and
   is done with the message: no delivery of it has failed, and nothing goes to the dead letters.
2. There it costs nothing and is not forgotten, however long the champion sleeps. Queues keep messages for 14
   days at most: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
   One that champions have failed to answer several times does not wait: it becomes a dead letter.
3. Once Rekognition says that the champion is RUNNING, `promote.redrive.send_waiting` brings the oldest back
   to the queue, each as the event that told of it. Whoever starts champions calls it once a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import MAX_COUNTED_WAITING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

MAX_COUNTED = MAX_COUNTED_WAITING
"""Waiting images that are counted. To count them costs as much as to read them, and this is done each minute:
so many are two requests, and about 150 read units."""
_ATTRIBUTES: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@frozen
class Backlog:
    """The images and clips under detect/ that are not answered yet."""

    waiting: int
    """Found no champion. MAX_COUNTED stands for as many or more."""
    queued: int
    """Messages of the queue, about: on their way, being answered, or to be tried again."""
    since: str = ""
    """When the oldest came of those that found no champion; empty if none waits."""
    clips: int = 0
    """Clips that are being answered, each of which takes minutes; those that wait are among `waiting`."""

    @property
    def images(self) -> int:
        """All of them, about."""
        return self.waiting + self.queued


def measure(loop_state: LoopState, sqs: SQSClient, queue_url: str, video_queue_url: str) -> Backlog:
    """What waits under detect/ now. It costs two requests to SQS and two or more to DynamoDB.

    Neither knows of an event that EventBridge has not delivered yet. Numbers of messages are approximate:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    queued, clips = _messages(sqs, queue_url), _messages(sqs, video_queue_url)
    oldest = loop_state.waiting_images(1)
    waiting = loop_state.count_waiting(MAX_COUNTED) if oldest else 0
    return Backlog(waiting, queued, oldest[0].arrived_at if oldest else "", clips)


def _messages(sqs: SQSClient, queue_url: str) -> int:
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(_ATTRIBUTES))["Attributes"]
    return sum(int(attributes[name]) for name in _ATTRIBUTES)
