"""The entries of datasets: up to 250,000 in one, asked for by page, filter and label."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from local.engine.storage.database import COUNT_DATASET, COUNT_LABELS, Database

_DATASET = "(SELECT id FROM datasets WHERE arn = ?)"
_LEARNED_LABELS = f"""
SELECT source_ref, (
    SELECT json_group_array(l.label) FROM entry_labels l INDEXED BY labels_of_entry
    WHERE l.dataset = e.dataset AND l.position = e.position AND l.boxed >= ?) AS labels
FROM entries e WHERE e.dataset = {_DATASET} ORDER BY e.position
"""  # noqa: S608
"""Left alone, SQLite looks for an entry's labels among all of the dataset."""


@dataclass(frozen=True)
class Entry:
    """One image of a dataset: its manifest line, with the errors found in it written into it."""

    source_ref: str
    line: str
    labels: tuple[str, ...]
    boxed: tuple[str, ...]
    """The labels that some box of the image has."""
    errors: int


@dataclass(frozen=True)
class Filters:
    """Which entries are wanted; None wants both."""

    labels: tuple[str, ...] = ()
    """Labels of which an entry must have one, if there are any."""
    labelled: bool | None = None
    has_errors: bool | None = None
    source_ref_contains: str = ""


@dataclass(frozen=True)
class LabelCount:
    label: str
    entries: int
    boxed: int
    """The number of entries in which some box has the label."""


class Entries:
    """The tables of entries. `count` brings a dataset's statistics up to date, once its entries changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, dataset_arn: str, entries: Sequence[Entry]) -> None:
        """Add entries that the dataset does not have."""
        with self._database.transaction() as db:
            dataset, last = self._end(dataset_arn)
            numbered = list(enumerate(entries, start=last + 1))
            db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (dataset, position, entry.source_ref, entry.line, bool(entry.labels), entry.errors)
                    for position, entry in numbered
                ],
            )
            db.executemany(
                "INSERT INTO entry_labels VALUES (?, ?, ?, ?)",
                chain.from_iterable(_labels(dataset, position, entry) for position, entry in numbered),
            )

    def put(self, dataset_arn: str, entries: Iterable[Entry]) -> None:
        """Add the entries; one with a source-ref that is there already takes its place."""
        with self._database.transaction() as db:
            dataset, _ = self._end(dataset_arn)
            new = []
            for entry in entries:
                key = (dataset, entry.source_ref)
                changed = db.execute(
                    "UPDATE entries SET line=?, labelled=?, errors=? WHERE dataset=? AND source_ref=?"
                    " RETURNING position",
                    (entry.line, bool(entry.labels), entry.errors, *key),
                ).fetchone()
                if changed is None:
                    new.append(entry)
                    continue
                position = int(changed[0])
                db.execute("DELETE FROM entry_labels WHERE dataset=? AND position=?", (dataset, position))
                db.executemany(
                    "INSERT INTO entry_labels VALUES (?, ?, ?, ?)", _labels(dataset, position, entry)
                )
            self.append(dataset_arn, new)

    def copy(self, source_arn: str, dataset_arn: str) -> None:
        with self._database.transaction() as db:
            for columns, table in (
                ("position, source_ref, line, labelled, errors", "entries"),
                ("label, position, boxed", "entry_labels"),
            ):
                db.execute(
                    f"INSERT INTO {table} SELECT {_DATASET}, {columns} FROM {table} WHERE dataset={_DATASET}",  # noqa: S608
                    (dataset_arn, source_arn),
                )

    def learned_labels(self, dataset_arn: str) -> list[tuple[str, list[str]]]:
        """Each image's source-ref and the labels that a model learns from it: those of boxes, if the dataset
        has any; in the order in which the entries were added."""
        detection = any(label.boxed for label in self.labels(dataset_arn))
        rows = self._database.rows(_LEARNED_LABELS, detection, dataset_arn)
        return [(row["source_ref"], json.loads(row["labels"])) for row in rows]

    def move(self, source_arn: str, dataset_arn: str, source_refs: Collection[str]) -> None:
        """Move entries to an empty dataset, where they keep their order."""
        with self._database.transaction() as db:
            ((source, dataset),) = db.execute(f"SELECT {_DATASET}, {_DATASET}", (source_arn, dataset_arn))
            chosen = db.execute("SELECT position, source_ref FROM entries WHERE dataset=?", (source,))
            positions = [position for position, source_ref in chosen if source_ref in source_refs]
            for table in ("entries", "entry_labels"):
                db.executemany(
                    f"UPDATE {table} SET dataset=? WHERE dataset=? AND position=?",  # noqa: S608
                    [(dataset, source, position) for position in positions],
                )

    def clear(self, dataset_arn: str) -> None:
        with self._database.transaction() as db:
            for table in ("entries", "entry_labels"):
                db.execute(f"DELETE FROM {table} WHERE dataset={_DATASET}", (dataset_arn,))  # noqa: S608

    def count(self, dataset_arn: str) -> int:
        """Take the statistics that the dataset shows; how many different labels it has."""
        with self._database.transaction() as db:
            db.execute(f"{COUNT_DATASET} WHERE arn=?", (dataset_arn,))
            db.execute(f"DELETE FROM dataset_labels WHERE dataset={_DATASET}", (dataset_arn,))  # noqa: S608
            labels = db.execute(f"{COUNT_LABELS} WHERE dataset={_DATASET} GROUP BY label", (dataset_arn,))
            return labels.rowcount

    def page(self, dataset_arn: str, filters: Filters, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Position and line of up to `limit` entries in the order in which they were added."""
        query, parameters = page_query(filters)
        rows = self._database.rows(query, dataset=dataset_arn, after=after, limit=limit, **parameters)
        return [(row["position"], row["line"]) for row in rows]

    def labels(self, dataset_arn: str) -> list[LabelCount]:
        """Statistics of the dataset's labels, by name."""
        query = f"SELECT label, entries, boxed FROM dataset_labels WHERE dataset={_DATASET} ORDER BY label"  # noqa: S608
        return [LabelCount(*row) for row in self._database.rows(query, dataset_arn)]

    def lines(self, dataset_arn: str) -> list[str]:
        query = f"SELECT line FROM entries WHERE dataset={_DATASET} ORDER BY position"  # noqa: S608
        return [row["line"] for row in self._database.rows(query, dataset_arn)]

    def _end(self, dataset_arn: str) -> tuple[int, int]:
        """The dataset's number and its last position."""
        ((dataset,),) = self._database.rows("SELECT id FROM datasets WHERE arn=?", dataset_arn)
        query = "SELECT COALESCE(MAX(position), 0) FROM entries WHERE dataset=?"
        ((last,),) = self._database.rows(query, dataset)
        return dataset, last


def page_query(filters: Filters) -> tuple[str, dict[str, str | bool]]:
    """The query for a page (:dataset, :after, :limit) and the parameters that its filters need.

    A page begins behind a position and ends at the limit, so each of its indexes is read only that far.
    """
    dataset = _DATASET.replace("?", ":dataset")
    conditions = [f"e.dataset={dataset}", "e.position > :after"]
    parameters: dict[str, str | bool] = {}
    if filters.labelled is not None:
        conditions.append("e.labelled = 1" if filters.labelled else "e.labelled = 0")
    if filters.has_errors is not None:
        conditions.append("e.errors > 0" if filters.has_errors else "e.errors = 0")
    if filters.source_ref_contains:
        conditions.append("instr(e.source_ref, :contained) > 0")
        parameters["contained"] = filters.source_ref_contains
    where = " AND ".join(conditions)
    if not filters.labels:
        query = f"SELECT e.position, e.line FROM entries e WHERE {where} ORDER BY e.position LIMIT :limit"  # noqa: S608
        return query, parameters
    selects = []
    for number, label in enumerate(filters.labels):
        parameters[f"label{number}"] = label
        selects.append(
            "SELECT * FROM (SELECT e.position, e.line FROM entry_labels l CROSS JOIN entries e"  # noqa: S608
            " ON e.dataset=l.dataset AND e.position=l.position"
            f" WHERE l.dataset={dataset} AND l.label=:label{number} AND l.position > :after AND {where}"
            " ORDER BY l.position LIMIT :limit)"
        )
    return f"{' UNION '.join(selects)} ORDER BY 1 LIMIT :limit", parameters


def _labels(dataset: int, position: int, entry: Entry) -> list[tuple[int, str, int, bool]]:
    return [(dataset, label, position, label in entry.boxed) for label in entry.labels]
