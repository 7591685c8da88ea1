"""The engine `serverless`: the role and the source of its training jobs, and the function that answers.

When it goes, with the stack or by an update that deploys another engine, its training jobs are stopped.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import region_info
from constructs import Construct

from infra import embedded, lambda_asset, training_source
from infra.data_bucket import DataBucket
from infra.deployment import TASK_TOKENS, Deployment
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.permissions import Permissions
from lambdas.domain.engines.port import DEPLOYMENT_TAG
from lambdas.domain.shared.pricing import SERVING_MEMORY_MB

TIMEOUT_SECONDS = 60
CPU_IMAGE = "pytorch-training:2.9.0-cpu-py312-ubuntu22.04-sagemaker"
GPU_IMAGE = "pytorch-training:2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker"
"""https://github.com/aws/deep-learning-containers/blob/master/pytorch/training/buildspec-2-9-sm.yml"""
REPOSITORY = "pytorch-training"
_JOBS = "training jobs are named after the model versions, which get their names when they are trained"
_CHECKPOINTS = "checkpoints lie under the name of their job, which gets it when it is trained"
_LISTED = "SageMaker has no resource-level permissions for listing training jobs"
_METRICS = (
    "CloudWatch has no resource-level permissions for reading metrics:"
    " https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html"
)
_TOKEN = "ECR has no resource-level permissions for the token to pull with"  # noqa: S105 no password
_LOGS = "SageMaker names the log streams after the jobs"


class Serverless(Construct):
    """What the engine needs, and who may use what of it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        data_bucket: DataBucket,
        loop_state: LoopState,
    ) -> None:
        super().__init__(scope, id)
        self._deployment, self._data_bucket = deployment, data_bucket
        account = deployment.stack.regional_fact(region_info.FactName.DLC_REPOSITORY_ACCOUNT)
        platform = embedded.platform(deployment.settings)
        source = training_source.build(with_packages=platform != lambda_asset.HERE)
        self._source = s3_assets.Asset(self, "Source", path=str(source))
        self._training = self._training_role(account)
        serving = lambda_asset.build_serving(platform)
        self.handler = Handler(
            self,
            "Serving",
            deployment,
            entry="serving.function.handle",
            description="Answers with the models of the engine serverless",
            environment={},
            timeout=TIMEOUT_SECONDS,
            memory=SERVING_MEMORY_MB,
            code=embedded.code(deployment.settings, serving),
        )
        stack, settings = deployment.stack, deployment.settings
        image = GPU_IMAGE if settings.trains_on_gpu else CPU_IMAGE
        self.variable = stack.to_json_string(
            {
                "usual": "serverless" if settings.engine == "serverless" else "rekognition",
                "function": self.handler.function.function_name,
                "training": {
                    "deployment": settings.name,
                    "role_arn": self._training.role.role_arn,
                    "image": f"{account}.dkr.ecr.{stack.region}.{stack.url_suffix}/{image}",
                    "source": self._source.s3_object_url,
                    "instance_type": settings.training_instance,
                    "seconds": settings.training_seconds,
                    "volume_gb": settings.training_volume_gb,
                    "is_spot": settings.training_spot,
                    "bucket": data_bucket.bucket.bucket_name,
                },
            }
        )
        self._tell_ends(loop_state)
        self.jobs_stopped = self._stop_jobs()

    def _tell_ends(self, loop_state: LoopState) -> None:
        """Let a run go on when SageMaker tells of the end of its training job.

        https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
        """
        handler = Handler(
            self,
            "Ended",
            self._deployment,
            entry="lambdas.training_jobs.ended",
            description="Lets a run go on whose training job has ended",
            environment=loop_state.environment,
        )
        loop_state.grant_get(handler)
        loop_state.grant_forget_awaited(handler)
        handler.allow("states:SendTaskSuccess", on=["*"], why=TASK_TOKENS)
        events.Rule(
            self,
            "EndedRule",
            description="Training jobs of the deployment that have ended",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Training Job State Change"],
                detail={
                    "TrainingJobName": [{"prefix": f"{self._deployment.settings.name}-v"}],
                    "TrainingJobStatus": ["Completed", "Failed", "Stopped"],
                },
            ),
            targets=[targets.LambdaFunction(handler.function)],  # pyrefly: ignore[bad-argument-type]
        )

    def _stop_jobs(self) -> cdk.CustomResource:
        """Stop the training jobs when this is deleted."""
        settings, bucket = self._deployment.settings, self._data_bucket.bucket.bucket_name
        handler = Handler(
            self,
            "Jobs",
            self._deployment,
            entry="lambdas.training_jobs.handle",
            description="Stops the training jobs of the engine serverless when it goes",
            environment={},
            timeout=900,
        )
        self._allow_describe(handler)
        self.grant_cancel(handler)
        stopped = cdk.CustomResource(
            self,
            "JobsStopped",
            service_token=handler.arn,
            resource_type="Custom::TrainingJobsStopped",
            properties={"Deployment": settings.name, "Bucket": bucket},
        )
        handler.permissions.before(stopped)
        return stopped

    def _training_role(self, account: str) -> Permissions:
        """What SageMaker may do for a training job: bring its channels and take away what it leaves.

        What runs in a job has none of it, as its container is isolated: it is given no credentials, and
        grant_train allows no other jobs.

        https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html
        https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createtrainingjob-perms
        """
        stack = self._deployment.stack
        permissions = Permissions(self, "Training", service="sagemaker.amazonaws.com")
        bucket, source = self._data_bucket.bucket, self._source
        own = f"training/{self._deployment.settings.name}-v*"
        self._data_bucket.grant_read(permissions, "images/", "datasets/")
        permissions.allow(
            "s3:GetObject", on=[bucket.arn_for_objects(f"{own}/checkpoints/*")], why=_CHECKPOINTS
        )
        permissions.allow("s3:PutObject", on=[bucket.arn_for_objects(own)], why=_JOBS)
        permissions.allow("s3:GetObject", on=[source.bucket.arn_for_objects(source.s3_object_key)])
        permissions.allow("s3:ListBucket", on=[bucket.bucket_arn, source.bucket.bucket_arn])
        group = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name="/aws/sagemaker/TrainingJobs:*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        permissions.allow(
            "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", on=[group], why=_LOGS
        )
        permissions.allow("ecr:GetAuthorizationToken", on=["*"], why=_TOKEN)
        permissions.allow(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            on=[
                stack.format_arn(
                    service="ecr", resource="repository", resource_name=REPOSITORY, account=account
                )
            ],
        )
        return permissions

    def grant_describe(self, handler: Handler) -> None:
        """Allow to see how far trainings are."""
        self.tell(handler)
        self._allow_describe(handler)

    def _allow_describe(self, handler: Handler) -> None:
        handler.allow("sagemaker:DescribeTrainingJob", on=[self._jobs], why=_JOBS)
        handler.allow("sagemaker:ListTrainingJobs", on=["*"], why=_LISTED)

    def grant_datasets(self, handler: Handler) -> None:
        """Allow to list a snapshot's images for training jobs."""
        self.tell(handler)
        self._data_bucket.grant_put(handler, "datasets/")

    def grant_train(self, handler: Handler) -> None:
        """Allow to begin training jobs."""
        self.tell(handler)
        tagged = {f"aws:RequestTag/{DEPLOYMENT_TAG}": self._deployment.settings.name}
        isolated = {"Bool": {"sagemaker:NetworkIsolation": "true"}}
        handler.allow(
            "sagemaker:CreateTrainingJob",
            on=[self._jobs],
            why=_JOBS,
            when={"StringEquals": tagged, **isolated},
        )
        handler.allow("sagemaker:AddTags", on=[self._jobs], why=_JOBS, when={"StringEquals": tagged})
        handler.allow(
            "iam:PassRole",
            on=[self._training.role.role_arn],
            when={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
        self._training.before(handler.function)

    def grant_cancel(self, handler: Handler) -> None:
        """Allow to stop training jobs."""
        own = {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self._deployment.settings.name}}
        handler.allow("sagemaker:StopTrainingJob", on=[self._jobs], why=_JOBS, when=own)

    def grant_count_answers(self, handler: Handler) -> None:
        """Allow to see how often the function was asked, and how long it took."""
        handler.allow("cloudwatch:GetMetricStatistics", on=["*"], why=_METRICS)

    def grant_detect(self, handler: Handler) -> None:
        """Allow to ask models, and to lead the function to them."""
        self.tell(handler)
        handler.allow("lambda:InvokeFunction", on=[self.handler.arn])
        handler.allow("sagemaker:DescribeTrainingJob", on=[self._jobs], why=_JOBS)
        self._data_bucket.grant_read(handler, "training/")

    def tell(self, handler: Handler) -> None:
        """Let a function know of the engine."""
        handler.function.add_environment("SERVERLESS_ENGINE", self.variable)

    @property
    def _jobs(self) -> str:
        """ARN pattern of the deployment's training jobs."""
        return self._deployment.stack.format_arn(
            service="sagemaker",
            resource="training-job",
            resource_name=f"{self._deployment.settings.name}-v*",
        )
