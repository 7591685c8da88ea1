"""Formats that are told by the name of their file alone, and are not read."""

from __future__ import annotations

SUFFIXES = {
    ".mat": "a MATLAB file",
    ".tfrecord": "TFRecord",
    ".tfrecords": "TFRecord",
    ".record": "TFRecord",
    ".pbtxt": "a TensorFlow label map",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".pkl": "a pickle of Python",
    ".pickle": "a pickle of Python",
    ".npy": "an array of NumPy",
    ".npz": "arrays of NumPy",
    ".rec": "MXNet RecordIO",
    ".odgt": "ODGT",
    ".vbb": "Caltech VBB",
    ".pts": "landmarks (.pts)",
    ".xlsx": "a spreadsheet",
    ".xls": "a spreadsheet",
    ".ods": "a spreadsheet",
}
"""Formats by the suffixes of their files, which nobody else has."""
