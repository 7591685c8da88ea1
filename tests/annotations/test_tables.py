"""Tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambdas.domain.annotations import tables
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, touch, write

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"
GOOD = "good.jpg,100,80,bolt,10,20,40,60"
BOLT = ("bolt", 10, 20, 30, 40)


def read(tmp_path: Path, text: str | bytes, columns: dict[str, str] | None = None) -> ReadEvents:
    return collect(tables.read(write(tmp_path / "set" / "table.csv", text), columns))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    rows = [HEADER, "ä.jpg,100,80,nüt,1,2,3,4", GOOD, GOOD.replace("bolt", "nut"), ""]
    result = read(tmp_path, end.join(rows).replace(",", delimiter).encode(encoding))
    assert result.problems == []
    assert result.boxes == {"ä.jpg": [("nüt", 1, 2, 2, 2)], "good.jpg": [BOLT, ("nut", *BOLT[1:])]}
    assert (result.of("good.jpg").size, result.of("good.jpg").line) == ((100, 80), 3)


@pytest.mark.parametrize(
    ("header", "row", "box"),
    [
        ("image,label,x,y,w,h", "a.jpg,bolt,10,20,30,40", BOLT),
        ("path,label,left,top,width,height", "a.jpg,bolt,10,20,30,40", BOLT),
        ("label,file,x1,y1,x2,y2", "bolt,a.jpg,10,20,40,60", BOLT),
        ("Image Name,Class,X Min,Y Min,X Max,Y Max", "a.jpg,bolt,10,20,40,60", BOLT),
        ("image,label,left,top,width,height,image_width,image_height", "a.jpg,bolt,10,20,30,40,100,80", BOLT),
        ("image,label", "a.jpg,bolt", None),
    ],
)
def test_headers_by_their_usual_names_and_that_is_said(
    tmp_path: Path, header: str, row: str, box: tuple[object, ...] | None
) -> None:
    result = read(tmp_path, lines(header, row))
    annotation = result.of("a.jpg")
    if box:
        assert result.boxes["a.jpg"] == [box]
    else:
        assert (annotation.kind, annotation.labels) == ("classification", ("bolt",))
    assert result.noted("columns read by their names: image is")


@pytest.mark.parametrize(
    ("row", "box", "normalised"),
    [
        ("TRAIN,gs://bucket/x/a.jpg,bolt,0.1,0.2,,,0.4,0.6,,", ("bolt", 0.1, 0.2, 0.3, 0.4), True),
        ("a.jpg,bolt,10,20,40,60", BOLT, False),
        ("a.jpg,10,20,40,60,bolt", BOLT, False),
        ("a.jpg,bolt", None, False),
    ],
)
def test_no_header_is_guessed_and_that_is_said(
    tmp_path: Path, row: str, box: tuple[object, ...] | None, normalised: bool
) -> None:
    result = read(tmp_path, lines(row))
    [annotation] = result.annotations
    assert annotation.normalised == (normalised and bool(box))
    if box:
        [taken] = result.boxes[annotation.image]
        assert taken[0] == box[0]
        assert taken[1:] == pytest.approx(box[1:])
    assert result.noted("no header")


@pytest.mark.parametrize(
    ("header", "rows", "box"),
    [
        ("ImageID,LabelName,XMin,XMax,YMin,YMax", ["a.jpg,bolt,0.1,0.4,0.2,0.6", "b.jpg,x,0,1,0,1"], True),
        ("image,label,x,y,w,h", ["a.jpg,bolt,0.1,0.2,0.3,0.4", "b.jpg,x,,,,", "c.jpg,x,a,b,c,d"], True),
        ("image,label,x,y,w,h", ["a.jpg,bolt,0.1,0.2,0.3,0.4", "b.jpg,x,1,2,30,40"], False),
    ],
)
def test_boxes_are_shares_if_no_number_is_above_1_and_that_is_said(
    tmp_path: Path, header: str, rows: list[str], box: bool
) -> None:
    result = read(tmp_path, lines(header, *rows))
    assert result.noted("no number in the table is above 1") == box
    if box:
        assert result.of("a.jpg").normalised
        assert result.boxes["a.jpg"][0][1:] == pytest.approx((0.1, 0.2, 0.3, 0.4))
        assert "box_normalised" not in result.reasons
    else:
        assert result.reasons == {"box_normalised": 1}
        assert not result.of("b.jpg").normalised


@pytest.mark.parametrize("label", ["-5C", "@home", "+", "+5x", "a=SUM(1)"])
def test_labels_that_only_begin_like_formulas(tmp_path: Path, label: str) -> None:
    result = read(tmp_path, lines("image,label", f"a.jpg,{label}"))
    assert (result.problems, result.of("a.jpg").labels) == ([], (label,))


def test_what_rounding_puts_out_of_the_image_is_cut_off(tmp_path: Path) -> None:
    result = read(tmp_path, lines(HEADER, "a.jpg,100,80,bolt,-0.5,20,101,60"))
    assert (result.problems, result.boxes) == ([], {"a.jpg": [("bolt", 0, 20, 100, 40)]})


def test_columns_as_they_are_told(tmp_path: Path) -> None:
    mapping = {"image": "Bild", "label": "was", "left": "l", "top": "o", "width": "b", "height": "h"}
    result = read(tmp_path, lines("Bild,was,l,o,b,h", "a.jpg,bolt,10,20,30,40"), mapping)
    assert (result.boxes, result.notes) == ({"a.jpg": [BOLT]}, [])
    result = read(tmp_path, lines("1,a.jpg,bolt"), {"image": "2", "label": "3"})
    assert result.of("a.jpg").labels == ("bolt",)


def test_columns_as_they_are_told_of_headers_that_are_not_known(tmp_path: Path) -> None:
    rows = lines("Datei;Klasse;links;oben;rechts;unten;Notiz", "a.jpg;bolt;10;20;40;60;x")
    names = {"image": "datei", "label": "Klasse", "left": "links", "top": "oben"}
    for mapping in (
        names | {"right": "rechts", "bottom": "unten"},
        {"image": "1", "label": "2", "left": "3", "top": "4", "right": "5", "bottom": "6"},
    ):
        result = read(tmp_path, rows, mapping)
        assert (result.problems, result.boxes) == ([], {"a.jpg": [BOLT]})
        assert result.noted("left alone: Notiz")
    result = read(tmp_path, rows, {"image": "1", "label": "2"})
    assert (result.problems, result.of("a.jpg").labels) == ([], ("bolt",))


def test_a_mapping_wins_over_a_header_that_is_known(tmp_path: Path) -> None:
    rows = lines("image,label,species", "a.jpg,7,beech")
    assert read(tmp_path, rows, {"image": "image", "label": "species"}).of("a.jpg").labels == ("beech",)


def test_a_mapping_of_all_cells_from_one_on(tmp_path: Path) -> None:
    rows = lines("0,a.jpg,beech,tall", "1,b.jpg,oak", "2,c.jpg,oak,old,tall")
    result = read(tmp_path, rows, {"image": "2", "label": "3+"})
    assert [each.labels for each in result.annotations] == [
        ("beech", "tall"),
        ("oak",),
        ("oak", "old", "tall"),
    ]
    assert read(tmp_path, rows, {"image": "2+", "label": "3"}).reasons == {"bad_columns": 1}
    result = read(tmp_path, rows, {"image": "2", "label": "3"})
    assert [(p.line, p.reason) for p in result.problems] == [(3, "too_many_cells")]
    assert result.of("c.jpg").kind is None


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"image": "Datei", "label": "Klasse", "left": "Klasse"}, "only left"),
        ({"image": "Klasse", "label": "Datei"}, "line 2: image (column 'Klasse') has 'bolt'"),
        (
            {"image": "Datei", "label": "l", "left": "Klasse", "top": "o", "width": "b", "height": "h"},
            "line 2: left (column 'Klasse') has to be a number, not 'bolt'",
        ),
        ({"image": "1", "label": "9"}, "no column '9' for label; the first row has Datei, Klasse"),
    ],
)
def test_a_mapping_that_does_not_fit_names_the_column_the_line_and_what_is_there(
    tmp_path: Path, mapping: dict[str, str], words: str
) -> None:
    path = write(tmp_path / "x.csv", lines("Datei,Klasse,l,o,b,h", "a.jpg,bolt,1,2,30,40"))
    with pytest.raises(AnnotationError, match=re.escape(words)):
        tables.check_columns(path, mapping)


def test_cells_that_no_column_is_of_are_no_labels_lost(tmp_path: Path) -> None:
    result = read(tmp_path, lines("image,label", "a.jpg,bolt,,", "b.jpg,bolt,rusty"))
    assert [(p.line, p.reason) for p in result.problems] == [(3, "too_many_cells")]
    assert "'rusty'" in result.problems[0].detail
    assert (result.of("a.jpg").labels, result.of("b.jpg").kind) == (("bolt",), None)


@pytest.mark.parametrize("header", ["image,label,label", "file,label_1,label_2", "image,tag,tag2"])
def test_further_columns_of_labels(tmp_path: Path, header: str) -> None:
    result = read(tmp_path, lines(header, "a.jpg,bolt,rusty", "b.jpg,nut,"))
    assert [each.labels for each in result.annotations] == [("bolt", "rusty"), ("nut",)]


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("bolt|rusty", ("bolt", "rusty")),
        ('"[bolt,rusty]"', ("bolt", "rusty")),
        ('"[""bolt"", ""rusty""]"', ("bolt", "rusty")),
        ("bolt|", ("bolt|",)),
    ],
)
def test_several_labels_in_one_cell_and_that_is_said(
    tmp_path: Path, cell: str, labels: tuple[str, ...]
) -> None:
    result = read(tmp_path, lines("image,label", f"a.jpg,{cell}"))
    assert result.of("a.jpg").labels == labels
    assert result.noted("read as a label each") == (len(labels) > 1)


@pytest.mark.parametrize(
    "cell", ['{"x": 1}', '[{"x": 1}]', '["bolt", 1]', '{"cut": "off', "[" * 2000 + "]" * 2000, "[[bolt]]"]
)
def test_json_in_a_cell_is_no_label(tmp_path: Path, cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    result = read(tmp_path, lines("image,label", "b.jpg,nut", f"a.jpg,{quoted}"))
    assert [(p.line, p.reason) for p in result.problems] == [(3, "json_cell")]
    assert result.of("a.jpg").kind is None


@pytest.mark.parametrize(
    ("header", "mapping", "detail"),
    [
        ("a,b,c", {}, "(a, b, c)"),
        ("a,b,c", {}, "--columns image=filename"),
        ("a,b,c", {"image": "x"}, "no column 'x'"),
        ("a,b,c", {"image": "a", "colour": "b"}, "'colour'"),
        ("a,b,c", {"label": "a"}, "image=NAME"),
        ("a,b,c", {"image": "a", "label": "b", "left": "c"}, "only left"),
        ("image,label,xmin,ymin,xmax", {}, "only left, top, right"),
        ("image,xmin,ymin,xmax,ymax", {}, "label=NAME"),
    ],
)
def test_columns_that_are_not_clear(
    tmp_path: Path, header: str, mapping: dict[str, str], detail: str
) -> None:
    result = read(tmp_path, lines(header, "1,2,3"), mapping)
    [problem] = result.problems
    assert problem.reason in ("bad_columns", "unknown_columns")
    assert detail in problem.detail


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("a.jpg,100,80,bolt,10,20,40", "bad_number"),
        ("a.jpg,100,80,bolt,x,20,40,60", "bad_number"),
        ("a.jpg,100,80,bolt,40,20,10,60", "box_swapped"),
        ("a.jpg,100,80,bolt,10,20,10,60", "box_too_small"),
        ("a.jpg,100,80,bolt,-10,20,10,60", "box_outside"),
        ("a.jpg,100,80,bolt,0.1,0.2,0.3,0.4", "box_normalised"),
        ("a.jpg,100,80,,10,20,40,60", "bad_label"),
        ('a.jpg,100,80,"=HYPERLINK(""x"")",10,20,40,60', "formula"),
        ("a.jpg,100,80,+cmd|' /C calc'!A0,10,20,40,60", "formula"),
        ("a.jpg,100,80,@SUM(1+1),10,20,40,60", "formula"),
        ('a.jpg,100,80,"-HYPERLINK(""x"")",10,20,40,60', "formula"),
        ("=A1,100,80,bolt,10,20,40,60", "formula"),
        ("a.jpg,100,80,bolt,10,20,102,60", "box_outside"),
        (",100,80,bolt,10,20,40,60", "no_image"),
        ("a.jpg,100,80,\u2028x,10,20,40,60".replace("\u2028", "a\x07"), "bad_label"),
        ('a.jpg,100,80,"bolt,10,20,40,60', "broken_row"),
        ('a.jpg,100,80,"bolt"x,10,20,40,60', "broken_row"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_bad_row_is_told_with_its_line_and_the_others_are_taken(
    tmp_path: Path, bad: str, reason: str, last: bool
) -> None:
    first = 'first.jpg,100,80,"a ""quoted"",\nlabel",10,20,40,60'
    rows = [HEADER, GOOD, bad] if last else [HEADER, "", bad, GOOD, GOOD.replace("good", "more")]
    result = read(tmp_path, lines(*rows))
    assert [(p.line, p.reason) for p in result.problems] == [(3, reason)]
    assert result.boxes["good.jpg"] == [BOLT]
    if not last:
        assert result.boxes["more.jpg"] == [BOLT]
    assert all(annotation.kind is None for annotation in result.annotations if annotation.image == "a.jpg")
    result = read(tmp_path, lines(HEADER, first, bad, GOOD))
    assert [(p.line, p.reason) for p in result.problems] == [(2, "bad_label"), (4, reason)]
    assert result.boxes["good.jpg"] == [BOLT]


def test_lines_that_are_not_utf8_are_told_and_not_guessed(tmp_path: Path) -> None:
    body = lines(HEADER, "é.jpg,100,80,bolt,1,2,30,40").encode("cp1252") + lines(GOOD).encode()
    result = read(tmp_path, body)
    assert [(p.line, p.reason) for p in result.problems] == [(2, "wrong_encoding")]
    assert result.boxes == {"good.jpg": [BOLT]}


def test_utf16_that_is_cut(tmp_path: Path) -> None:
    result = read(tmp_path, lines(HEADER, GOOD).encode("utf-16")[:-1])
    assert (result.reasons, result.boxes.get("good.jpg")) == ({"wrong_encoding": 1}, None)


@pytest.mark.parametrize(("other", "validation"), [("test", "TRAIN"), ("train", "TEST")])
def test_validation_images_are_tested_with_if_the_table_has_no_others(
    tmp_path: Path, other: str, validation: str
) -> None:
    for header in ("image,label,split\n", ""):
        row = "{1},x,{0}\n" if header else "{0},{1},x\n"
        body = header + row.format(other, "a.jpg") + row.format("validation", "b.jpg")
        result = read(tmp_path, body)
        assert [each.dataset_type for each in result.annotations] == [other.upper(), validation]
        assert result.noted("validation images were taken")


def test_splits(tmp_path: Path) -> None:
    rows = [
        "a.jpg,x,train",
        "b.jpg,x,TEST",
        "c.jpg,x,validation",
        "d.jpg,x,",
        "e.jpg,x,sometimes",
        "a.jpg,y,test",
    ]
    result = read(tmp_path, lines("image,label,split", *rows))
    assert {annotation.image: annotation.dataset_type for annotation in result.annotations} == {
        "a.jpg": "TRAIN",
        "b.jpg": "TEST",
        "c.jpg": "TRAIN",
        "d.jpg": "",
    }
    assert result.of("a.jpg").labels == ("x",)
    assert [(p.line, p.reason) for p in result.problems] == [(6, "bad_split"), (7, "split_conflict")]


def test_rows_without_labels_and_boxes(tmp_path: Path) -> None:
    result = read(tmp_path, lines("image,label,xmin,ymin,xmax,ymax", "a.jpg,,,,,", "b.jpg,bolt,,,,"))
    assert (result.of("a.jpg").kind, result.of("b.jpg").labels) == ("detection", ("bolt",))
    assert result.noted("nothing is on")
    result = read(tmp_path, lines("image,label", "a.jpg,", "b.jpg,x"))
    assert (result.of("a.jpg").kind, result.noted("nothing is known")) == (None, True)


def test_labels_and_boxes_of_one_image(tmp_path: Path) -> None:
    row = "a.jpg,bolt,10,20,40,60"
    result = read(tmp_path, lines("image,label,xmin,ymin,xmax,ymax", row, "a.jpg,nut,,,,"))
    assert (result.reasons, result.boxes) == ({"mixed_kinds": 1}, {"a.jpg": [BOLT]})


@pytest.mark.parametrize("body", [b"", b"\n\n", b"\xff\xfe", b'"'])
def test_tables_of_nothing(tmp_path: Path, body: bytes) -> None:
    result = read(tmp_path, body)
    assert (result.annotations, len(result.problems) >= 1) == ([], True)


@pytest.mark.long
def test_a_quote_that_is_never_closed_does_not_eat_the_table(tmp_path: Path) -> None:
    result = read(tmp_path, lines(HEADER, 'a.jpg,1,1,"x,1,1,9,9', *[GOOD] * 20_000))
    assert (result.reasons, len(result.boxes["good.jpg"])) == ({"broken_row": 1}, 20_000)


def test_images_of_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "set/images/good.jpg", "set/other.jpg", "set/id1.png")
    path = write(tmp_path / "set" / "t.csv", lines("image,label", "good.jpg,x", "gone.jpg,y", "id1,z"))
    folder = Folder(tmp_path / "set")
    result = collect(tables.read(path, folder=folder))
    assert [annotation.image for annotation in result.annotations] == ["images/good.jpg", "id1.png"]
    assert [(p.file, p.line, p.reason) for p in result.problems] == [("t.csv", 3, "image_missing")]
    assert [annotation.image for annotation in folder.unnamed()] == ["other.jpg"]


@pytest.mark.parametrize(
    ("rows", "box", "normalised"),
    [
        (("image,class,x_center,y_center,width,height", "a.jpg,bolt,25,40,30,40"), (10, 20, 30, 40), False),
        (("image,class,cx,cy,w,h", "a.jpg,bolt,0.5,0.5,0.2,0.4"), (0.4, 0.3, 0.2, 0.4), True),
        (
            ("image_id,width,height,bbox,label", 'a.jpg,100,80,"[10.0, 20, 30, 40]",bolt'),
            (10, 20, 30, 40),
            False,
        ),
        (("filename,label,bounding_box", 'a.jpg,bolt,"10 20 30 40"'), (10, 20, 30, 40), False),
    ],
)
def test_boxes_by_their_centres_and_in_one_cell(
    tmp_path: Path, rows: tuple[str, ...], box: tuple[float, ...], normalised: bool
) -> None:
    result = collect(tables.read(write(tmp_path / "x.csv", lines(*rows))))
    [annotation] = result.annotations
    assert (result.problems, annotation.normalised) == ([], normalised)
    assert result.boxes["a.jpg"][0][1:] == pytest.approx(box)


@pytest.mark.parametrize("cell", ["[1, 2, 3]", "1;2;3;x", "{}"])
def test_a_cell_that_is_no_box(tmp_path: Path, cell: str) -> None:
    rows = lines("image,label,bbox", f'a.jpg,bolt,"{cell}"', 'b.jpg,bolt,"[1, 2, 30, 4]"')
    result = collect(tables.read(write(tmp_path / "x.csv", rows)))
    assert [(problem.line, problem.reason in ("bad_box", "bad_number")) for problem in result.problems] == [
        (2, True)
    ]
    assert len(result.of("b.jpg").boxes) == 1


def test_a_column_for_each_label(tmp_path: Path) -> None:
    rows = lines("filename, bolt, nut", "a.jpg, 1, 1", "b.jpg, 0, 1", "c.jpg, 0, 0")
    result = collect(tables.read(write(tmp_path / "_classes.csv", rows)))
    assert {annotation.image: annotation.labels for annotation in result.annotations} == {
        "a.jpg": ("bolt", "nut"),
        "b.jpg": ("nut",),
        "c.jpg": (),
    }
    assert result.noted("a label each")


def test_columns_of_something_else_are_no_labels(tmp_path: Path) -> None:
    rows = lines("filename,bolts,nuts", "a.jpg,1,0", "b.jpg,7,1")
    result = collect(tables.read(write(tmp_path / "x.csv", rows)))
    assert {annotation.kind for annotation in result.annotations} == {None}


@pytest.mark.parametrize(
    "header",
    [
        "image,label,polygon",
        "image,label,EncodedPixels_RLE",
        "image,class,bbox_center",
    ],
)
def test_columns_that_may_be_of_boxes_are_asked_about(tmp_path: Path, header: str) -> None:
    row = ",".join(["a.jpg", *["1"] * header.count(",")])
    result = collect(tables.read(write(tmp_path / "x.csv", lines(header, row))))
    assert (result.annotations, result.reasons) == ([], {"unknown_columns": 1})
    assert "--columns" in result.problems[0].detail


OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,"
    "IsGroupOf,IsDepiction,IsInside"
)


def test_boxes_of_open_images_by_the_names_of_their_codes(tmp_path: Path) -> None:
    touch(tmp_path, "train/0a.jpg", "train/0b.jpg")
    write(tmp_path / "class-descriptions-boxable.csv", lines("/m/01,Bolt", "/m/02,Nut"))
    rows = ["0a,xclick,/m/01,1,0.1,0.4,0.2,0.6,0,0,0,0,0", "0a,xclick,/m/02,1,0.5,0.9,0.2,0.6,0,0,1,0,0"]
    rows += ["0b,xclick,/m/03,1,0.1,0.4,0.2,0.6,0,0,0,0,0"]
    path = write(tmp_path / "train-annotations-bbox.csv", lines(OPEN_IMAGES, *rows))
    result = collect(tables.read(path, folder=Folder(tmp_path)))
    [box] = result.boxes["train/0a.jpg"]
    assert (box[0], box[1:]) == ("Bolt", pytest.approx((0.1, 0.2, 0.3, 0.4)))
    assert [(p.line, p.reason) for p in result.problems] == [(3, "crowd"), (4, "unknown_class")]
    assert (result.of("train/0b.jpg").kind, result.of("train/0a.jpg").dataset_type) == (None, "TRAIN")


def test_labels_of_open_images_that_are_not_there_are_not_taken(tmp_path: Path) -> None:
    rows = ["a.jpg,verification,Bolt,1", "a.jpg,verification,Nut,0", "b.jpg,machine,Nut,0.7"]
    result = read(tmp_path, lines("ImageID,Source,LabelName,Confidence", *rows))
    assert [each.labels for each in result.annotations] == [("Bolt",), ()]
    assert (result.problems, result.noted(tables.NOT_SURE)) == ([], True)


@pytest.mark.parametrize(
    "header",
    [
        "image_id,bbox_x,bbox_y,bbox_w,bbox_h,label",
        "image,box_left,box_top,box_width,box_height,label",
        "image,bndbox_x,bndbox_y,bb_w,bb_h,label",
    ],
)
def test_sides_that_are_called_those_of_a_box(tmp_path: Path, header: str) -> None:
    assert read(tmp_path, lines(header, "a.jpg,10,20,30,40,bolt")).boxes == {"a.jpg": [BOLT]}


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "\ufeffSEP=;"])
def test_the_line_in_which_excel_says_what_is_between_cells(tmp_path: Path, first: str) -> None:
    path = write(tmp_path / "x.csv", lines(first, "image;label", "a.jpg;bolt, rusty"))
    assert tables.is_table(path)
    result = collect(tables.read(path))
    assert (result.problems, result.of("a.jpg").labels, result.of("a.jpg").line) == ([], ("bolt, rusty",), 3)


def test_numbers_of_columns_are_no_cells_of_the_first_row(tmp_path: Path) -> None:
    mapping = {"image": "1", "left": "2", "top": "3", "right": "4", "bottom": "5", "label": "6"}
    result = read(tmp_path, lines("a.jpg,1,2,30,40,bolt", "b.jpg,10,20,40,60,7"), mapping)
    assert result.boxes == {"a.jpg": [("bolt", 1, 2, 29, 38)], "b.jpg": [("7", *BOLT[1:])]}


@pytest.mark.parametrize(
    "cell",
    [
        '{"x1": 10, "y1": 20, "x2": 40, "y2": 60}',
        "{'xmin': 10, 'ymin': 20, 'xmax': 40, 'ymax': 60, 'z': 1}",
        '{"x": 10, "y": 20, "width": 30, "height": 40}',
    ],
)
def test_sides_that_are_named_in_one_cell(tmp_path: Path, cell: str) -> None:
    mapping = {"image": "1", "label": "2", "box": "3"}
    assert read(tmp_path, f"a.jpg|bolt|{cell}\n", mapping).boxes == {"a.jpg": [BOLT]}
    assert read(tmp_path, 'a.jpg|bolt|{"x": 10}\n', mapping).reasons == {"bad_box": 1}


def test_spaces_between_cells_if_people_say_what_they_are(tmp_path: Path) -> None:
    result = read(tmp_path, "a.jpg bolt\nb.jpg nut\n", {"image": "1", "label": "2"})
    assert [each.labels for each in result.annotations] == [("bolt",), ("nut",)]


def test_a_header_that_is_not_known_above_images_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", lines("Image Index,Finding,Age", "1.png,Mass|Edema,30", "2.png,None,7"))
    assert tables.is_table(path)
    assert collect(tables.read(path)).reasons == {"unknown_columns": 1}
    result = collect(tables.read(path, {"image": "Image Index", "label": "Finding"}))
    assert [each.labels for each in result.annotations] == [("Mass", "Edema"), ("None",)]


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("TRUE", "FALSE")])
def test_columns_of_a_label_each_however_they_are_marked(tmp_path: Path, yes: str, no: str) -> None:
    rows = [f"a.jpg,{yes},{no},{no}", f"b.jpg,{no},{no},{yes}"]
    result = read(tmp_path, lines("image,bolt,nut,Unlabeled", *rows))
    assert {each.image: each.labels for each in result.annotations} == {"a.jpg": ("bolt",), "b.jpg": ()}


def test_a_table_without_a_known_column_of_labels_is_told(tmp_path: Path) -> None:
    result = read(tmp_path, lines("image,lesion,age", "a.jpg,nv,40"))
    [problem] = result.problems
    assert (problem.line, problem.reason) == (1, "no_label_column")
    assert "--columns image=image,label=" in problem.detail and "lesion" in problem.detail
    assert read(tmp_path, lines("image", "a.jpg")).problems == []


def test_decimals_with_a_comma_are_told_how_to_be_written(tmp_path: Path) -> None:
    row = "a.jpg;bolt;10,5;20;30;40"
    result = read(tmp_path, lines("filename;class;xmin;ymin;xmax;ymax", row))
    assert ["write decimals with a point" in problem.detail for problem in result.problems] == [True]


def test_a_list_as_python_writes_it_has_labels_without_quotes(tmp_path: Path) -> None:
    result = read(tmp_path, lines("image,labels", "a.jpg,\"['bolt', 'nut']\""))
    assert result.of("a.jpg").labels == ("bolt", "nut")


@pytest.mark.parametrize("cell", ["NaN", "null", "#N/A"])
def test_what_programs_write_for_nothing_is_no_label(tmp_path: Path, cell: str) -> None:
    result = read(tmp_path, lines("image,label", f"a.jpg,{cell}", "b.jpg,bolt"))
    assert (result.reasons, result.of("b.jpg").labels) == ({"no_value": 1}, ("bolt",))


def test_columns_that_may_be_of_boxes_under_another_name_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", lines("Path,ClassId,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2", "a.jpg,bolt,1,2,3,4"))
    with pytest.raises(AnnotationError, match=r"Roi\.X1"):
        tables.check_columns(path)
