"""What a disk may hold after the power failed: every operation that was not synced is kept, cut or dropped.

As strict as POSIX allows: a name survives for sure only when its folder was synced after it was given, and
bytes only when their file was synced after they were written. What was not synced may have reached the disk
all the same, in any order.
"""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_NAMES = {"mkdir", "create", "rename", "unlink"}
_BYTES = {"write", "truncate"}


@dataclass(frozen=True)
class Operation:
    """A change of names (at a path) or bytes (of a file's number), a sync of either, or a promise."""

    what: str
    at: object
    more: object = None


class Recorder:
    """Notes what passes through the functions of `os` on its way to the real disk."""

    def __init__(self, root):
        self.operations = []
        self._root = str(root)
        self._paths = {}

    @contextmanager
    def recording(self, monkeypatch):
        with monkeypatch.context() as patch:
            for name, note in self._notes().items():
                patch.setattr(os, name, self._noting(getattr(os, name), note))
            yield self

    def promise(self, name):
        self.operations.append(Operation("promise", name))

    def _notes(self):
        return {
            "open": self._opened,
            "write": lambda done, file, data: self._bytes("write", file, bytes(data[:done])),
            "ftruncate": lambda _, file, size: self._bytes("truncate", file, size),
            "fsync": lambda _, file: self._synced(file),
            "fdatasync": lambda _, file: self._synced(file),
            "mkdir": lambda _, path, *__: self._name("mkdir", path),
            "rename": lambda _, path, to: self._name("rename", path, Path(to)),
            "unlink": lambda _, path, **__: self._name("unlink", path),
        }

    @staticmethod
    def _noting(real, note):
        def call(*args, **kwargs):
            result = real(*args, **kwargs)
            note(result, *args, **kwargs)
            return result

        return call

    def _opened(self, file, path, flags, *_):
        self._paths[file] = Path(path)
        if flags & os.O_CREAT and not os.fstat(file).st_size:
            self._name("create", path, os.fstat(file).st_ino)

    def _name(self, what, path, more=None):
        if str(path).startswith(self._root):
            self.operations.append(Operation(what, Path(path), more))

    def _bytes(self, what, file, more):
        self.operations.append(Operation(what, os.fstat(file).st_ino, more))

    def _synced(self, file):
        path = self._paths[file]
        self.operations.append(Operation("sync", path if path.is_dir() else os.fstat(file).st_ino))


def lasting(operations):
    """Number the operations that were synced after they were done."""
    synced, found = set(), set()
    for number in reversed(range(len(operations))):
        operation = operations[number]
        if operation.what == "sync":
            synced.add(operation.at)
        elif (operation.at.parent if operation.what in _NAMES else operation.at) in synced:
            found.add(number)
    return found


def crashes(operations, root, seeds):
    """Give what the disk may hold: with all that was not synced, with nothing of it, and with parts of it.

    Yields
    ------
    tuple
        Folders, and bytes by path.
    """
    sure = lasting(operations)
    yield _replayed(operations, root, lambda number: 1.0)
    yield _replayed(operations, root, lambda number: float(number in sure))
    for seed in seeds:
        draw = random.Random(seed).choice
        parts = [
            1.0 if number in sure else draw((0.0, 0.0, 1.0, 0.4, -1.0)) for number in range(len(operations))
        ]
        yield _replayed(operations, root, parts.__getitem__)


def _replayed(operations, root, share):
    """Do the operations again, of each as much as is asked for; a negative share means zeros for bytes."""
    folders, names, contents = {Path(root)}, {}, {}
    for number, operation in enumerate(operations):
        kept = share(number)
        if operation.what in _NAMES and kept > 0.5 and operation.at.parent in folders:
            _rename(operation, folders, names, contents)
        elif operation.what in _BYTES and kept:
            _write(operation, kept, contents)
    return folders, {path: bytes(contents.get(file, b"")) for path, file in names.items()}


def _rename(operation, folders, names, contents):
    if operation.what == "mkdir":
        folders.add(operation.at)
    elif operation.what == "create":
        names[operation.at] = operation.more
        contents.setdefault(operation.more, bytearray())
    elif operation.at in names:
        file = names.pop(operation.at)
        if operation.what == "rename":
            names[operation.more] = file


def _write(operation, kept, contents):
    content = contents.setdefault(operation.at, bytearray())
    if operation.what == "truncate":
        del content[operation.more :]
    else:
        data = operation.more
        content += bytes(len(data)) if kept < 0 else data[: round(len(data) * kept)]
