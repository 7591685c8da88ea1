from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.console_site import Site, served


@pytest.fixture(scope="module")
def kept_site() -> Iterator[Site]:
    # Not for the session: Playwright's event loop must not be there when other tests have theirs.
    with served() as site:
        yield site


@pytest.fixture
def site(kept_site: Site) -> Iterator[Site]:
    """Begun anew; afterwards nothing may have been refused by the policy, or have broken."""
    kept_site.begin()
    kept_site.complaints.clear()
    yield kept_site
    kept_site.close()
    assert kept_site.complaints == []
