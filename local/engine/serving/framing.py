"""Messages between the engine and a model's process.

A message is two lengths of four bytes, a JSON header and a payload.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

_LENGTHS = struct.Struct("!II")


def send(to: socket.socket, header: Mapping[str, Any], payload: bytes = b"") -> None:
    head = json.dumps(header).encode()
    to.sendall(_LENGTHS.pack(len(head), len(payload)) + head)
    to.sendall(payload)


def receive(from_: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Receive a message's header and payload.

    Raises:
        ConnectionError: the other side is gone.
    """
    header_length, payload_length = _LENGTHS.unpack(_read_exactly(from_, _LENGTHS.size))
    header = json.loads(_read_exactly(from_, header_length))
    return header, _read_exactly(from_, payload_length)


def _read_exactly(from_: socket.socket, length: int) -> bytes:
    chunks = []
    while length:
        chunk = from_.recv(length, socket.MSG_WAITALL)
        if not chunk:
            raise ConnectionError("the other side is gone")
        chunks.append(chunk)
        length -= len(chunk)
    return b"".join(chunks)
