"""The console: the review desk and what goes on, as a web app behind a sign-in."""

from __future__ import annotations

from constructs import Construct

from infra.console_site import ConsoleSite
from infra.http_api import HttpApi
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.review import Review
from infra.step import SharedResources
from infra.thumbnails import ThumbnailKey
from infra.user_pool import UserPool


class Console(Construct):
    """The page, the HTTP API that it asks, and the people who may."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        register: Register,
        review: Review,
    ) -> None:
        super().__init__(scope, id)
        self.user_pool = user_pool = UserPool(self, "People", shared.deployment)
        key = ThumbnailKey(self, "ThumbnailKey", shared)
        self.api = api = HttpApi(
            self, "Api", shared, project=project, review=review, register=register, thumbnail_key=key
        )
        site = ConsoleSite(self, "Site", shared, user_pool=user_pool, api_host=api.host, thumbnail_key=key)
        client = user_pool.add_page(site.address)
        api.add_routes(issuer=user_pool.issuer, audience=client.user_pool_client_id)
        site.publish(client)
        self.pool, self.address = user_pool.pool, site.address
