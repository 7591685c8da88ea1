"""What an older version has registered gets its thumbnail and its entries."""

from __future__ import annotations

from lambdas.domain.catalogue import browsing, label_entries
from lambdas.domain.catalogue.browsing import Wanted
from lambdas.domain.images import thumbnails
from lambdas.domain.register import backfill
from tests.fixtures.images import picture
from tests.fixtures.incoming import BUCKET, DataBucket


def test_what_has_no_thumbnail_is_completed_and_what_cannot_be_is_named(data_bucket: DataBucket) -> None:
    old, new, gone = (
        data_bucket.upload(f"incoming/labeled/cat/{number}.jpg", picture(number)).sha256
        for number in range(3)
    )
    s3, table = data_bucket.s3, data_bucket.table
    for sha256 in (old, gone):
        s3.delete_object(Bucket=BUCKET, Key=thumbnails.key(sha256))
        table.delete_item(Key={"id": label_entries.entry_id("cat", sha256)})
    s3.delete_object(Bucket=BUCKET, Key=f"images/{gone}.jpg")
    assert sorted(backfill.incomplete(s3, table, BUCKET)) == sorted([old, gone])
    assert set(backfill.complete(s3, table, BUCKET, [old, gone])) == {gone}
    assert list(backfill.incomplete(s3, table, BUCKET)) == [gone]
    page = browsing.page(table, Wanted(label="cat"))
    assert {image.sha256 for image in page.images} == {old, new, gone}
