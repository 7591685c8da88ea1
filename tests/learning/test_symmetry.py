"""Which changes of images the data allow."""

from __future__ import annotations

from learning.symmetry import CHANGES, Symmetry
from tests.fixtures.learning import seeded

import torch  # isort: skip - after the library, which sets how torch's threads wait


def allowed(scores: dict[str, float], score: float) -> list[str]:
    symmetry = Symmetry()
    names = {change: name for name, change in CHANGES.items()}
    symmetry.update(score, lambda change: scores[names[change]])
    return symmetry.allowed


def test_only_changes_that_leave_labels_what_they_are_are_allowed() -> None:
    scores = {"mirrored": 0.3, "upside down": 0.78, "quarter turn": 0.5}
    assert allowed(scores, 0.8) == ["upside down"]


def test_a_network_that_knows_nothing_allows_nothing() -> None:
    assert allowed(dict.fromkeys(CHANGES, 1.0), 0.4) == []


def test_images_that_are_not_square_are_not_turned_on_their_side() -> None:
    symmetry = Symmetry(square=False)
    symmetry.update(0.9, lambda change: 0.9)
    assert symmetry.allowed == ["mirrored", "upside down"]
    images = torch.rand(4, 3, 8, 12, generator=seeded(1))
    assert symmetry.apply(images, seeded(2)).shape == images.shape


def test_nothing_is_changed_that_was_not_allowed() -> None:
    images = torch.rand(16, 3, 8, 8, generator=seeded(1))
    assert torch.equal(Symmetry().apply(images, seeded(2)), images)


def test_about_half_of_the_images_are_changed() -> None:
    symmetry = Symmetry()
    symmetry.allowed = ["mirrored"]
    images = torch.rand(64, 3, 4, 4, generator=seeded(1))
    changed = symmetry.apply(images, seeded(2))
    mirrored = [
        torch.equal(image, original.flip(-1)) for image, original in zip(changed, images, strict=True)
    ]
    same = [torch.equal(image, original) for image, original in zip(changed, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 <= sum(mirrored) <= 44
