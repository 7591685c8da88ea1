"""Error and warning codes of manifests with their messages, as Custom Labels documents them.

All pages are below https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/:

- tm-terminal-errors-reference.html: errors of a manifest file, which have messages only
- debugging-datasets-terminal-errors.html: what fails a dataset, which has messages only too
- tm-debugging-aggregate-errors.html: errors of a manifest's contents
- tm-debugging-json-line-errors.html: errors and warnings of single lines

Documented codes that nothing raises, as their cause cannot arise here:

- ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET: a trainer is given lines; whoever reads them knows it before.
- ERROR_INVALID_IMAGES_S3_BUCKET_OWNER: the engine reads as the caller's account, so what it can read belongs
  to that account.
- ERROR_INVALID_IMAGE_DIMENSION: listed, with no cause of its own; images of a wrong size are
  ERROR_INVALID_IMAGE, whose documented causes include it.
"""

from __future__ import annotations

EMPTY_MANIFEST = "The manifest file is empty."
UNSUPPORTED_MANIFEST = "The manifest file extension or contents are invalid."
MANIFEST_TOO_LARGE = "The manifest file size exceeds the maximum supported size."
MANIFEST_FORBIDDEN = "The S3 bucket permissions are incorrect."
TOO_MANY_ERRORS = "The manifest file has too many terminal errors."
TOO_FEW_TO_DISTRIBUTE = "The manifest file doesn't have enough labeled images to distribute the dataset."
CANNOT_WRITE_OUTPUT = "Unable to write to output S3 bucket."
TOO_MANY_ROWS = "The manifest file has too many rows."
TOO_MANY_LABELS = "The manifest file has too many labels."

MESSAGES = {
    # Contents of manifests
    "ERROR_FAILED_IMAGES_S3_COPY": "Failed to copy images from S3 bucket.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": (
        "Less than 50% label overlap between the training and testing manifest files."
    ),
    "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP": (
        "Less than 50% usable label overlap between the training and testing manifest files."
    ),
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": "The permissions for the images S3 bucket are invalid.",
    "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM": TOO_MANY_ROWS,
    "ERROR_MANIFEST_TOO_FEW_LABELS": "The manifest file has too few labels.",
    "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS": "The manifest file has too few usable labels.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": TOO_MANY_LABELS,
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    # Single lines
    "ERROR_BOUNDING_BOX_TOO_SMALL": "The height and width of the bounding box is too small.",
    "ERROR_INVALID_BOUNDING_BOX": "The bounding box has off frame values.",
    "ERROR_INVALID_IMAGE": "The image is invalid. Check S3 path and/or image properties.",
    "ERROR_INVALID_JSON_LINE": "The JSON Line has an invalid format.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT": "The format of the label attribute {} is invalid.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": "The format of the label attribute metadata is invalid.",
    "ERROR_INVALID_LABEL_NAME_LENGTH": "The length of the label name is invalid.",
    "ERROR_INVALID_SOURCE_REF_FORMAT": "The format of the source-ref value is invalid.",
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": "One or more bounding boxes has a missing confidence value.",
    "ERROR_MISSING_CLASS_MAP_ID": "One of more class ids is missing from the class map.",
    "ERROR_MISSING_SOURCE_REF": "The source-ref key is missing.",
    "ERROR_NO_LABEL_ATTRIBUTES": "No label attributes found.",
    "ERROR_NO_VALID_ANNOTATIONS": "No valid annotations found.",
    "ERROR_NO_VALID_LABEL_ATTRIBUTES": "No valid label attributes found.",
    "ERROR_TOO_MANY_BOUNDING_BOXES": "There are more bounding boxes than the allowed maximum.",
    "ERROR_UNSUPPORTED_USE_CASE_TYPE": (
        "The use case type of the {}-metadata label attribute metadata is unsupported. Check the type field."
    ),
    "WARNING_NO_ANNOTATIONS": "No annotations were found.",
    "WARNING_NO_ATTRIBUTE_ANNOTATIONS": "No attribute annotations were found.",
    "WARNING_UNANNOTATED_RECORD": "Record is unannotated.",
}


def problem(code: str, attribute: str = "") -> dict[str, str]:
    """A code with its message, which names the label attribute where the documented one does."""
    return {"code": code, "message": MESSAGES[code].replace("{}", attribute)}
