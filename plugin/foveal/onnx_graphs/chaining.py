"""Run a network that is cut at some tensors: onnxruntime and numpy are all that is needed.

The scores and any of the tensors come of one run of the whole file. To go on from a changed tensor, or to
send gradients back, there are pieces: files of their own, cut at the desk or carried with the network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from foveal.errors import UsageError, shown
from foveal.onnx_graphs.faults import FAULTS
from foveal.onnx_graphs.parts import PartSpec

Array: TypeAlias = NDArray[Any]

#: What pieces call the tensor they start from, the gradients they are given, and those they find.
GIVEN, SEED, FOUND = "foveal_given", "foveal_seed", "foveal_found"
_DTYPES = {"tensor(double)": "float64", "tensor(float16)": "float16"}
#: Sessions that are kept open: each holds the weights of its piece.
_OPEN = 24


class Pieces(Protocol):
    """Where pieces come from, as the bytes of ONNX files."""

    def forth(self, start: str, ends: tuple[str, ...]) -> bytes:
        """From a tensor on to others."""
        ...

    def back(self, start: str, end: str) -> bytes:
        """From a tensor and gradients by a later one to the gradients by it."""
        ...


class Chain:
    """A network and its pieces.

    Parameters
    ----------
    model
        The file's content, or its path.
    parts
        Where it is cut, in its order; the last is the scores.
    pieces
        Where pieces come from.
    batch
        How many samples the file takes at a time; None for any number.
    threads
        How many threads one run may use.

    Raises
    ------
    UsageError
        If onnxruntime does not open the file.
    """

    def __init__(
        self,
        model: bytes | Path,
        parts: Sequence[PartSpec],
        pieces: Pieces,
        batch: int | None = None,
        threads: int = 1,
    ) -> None:
        self._model, self.parts, self._pieces, self.batch = model, tuple(parts), pieces, batch
        self._threads = threads
        self._name = "the content" if isinstance(model, bytes) else shown(model)
        self._folder = "" if isinstance(model, bytes) else str(model.parent)
        self._tensors = {one.name: one.tensor for one in parts}
        self._axes = {one.name: one.batch_axis for one in parts}
        self._sessions: OrderedDict[object, onnxruntime.InferenceSession] = OrderedDict()
        (first, *_) = self._whole(()).get_inputs()
        self.input: str = first.name
        self._side: tuple[int, ...] = tuple(n if isinstance(n, int) else 1 for n in first.shape[1:])
        self.dtype: np.dtype[Any] = np.dtype(_DTYPES.get(first.type, "float32"))

    def predict(self, x: Array) -> Array:
        """Give the scores (B, n), as the file alone gives them."""
        scores = self._tensors[self.parts[-1].name]
        try:
            return self._run(self._whole(()), [scores], {self.input: (x, 0)}, [0])[0]
        except FAULTS as error:
            raise _does_not_run(x) from error

    def values(self, x: Array, names: Sequence[str]) -> dict[str, Array]:
        """Give parts by name, of one run.

        Where the file's head takes samples of one size alone and gets others, those parts are given that do
        not need it.
        """
        tensors = [self._tensors[name] for name in names]
        own = tuple(name for name in dict.fromkeys(tensors) if name != self._tensors[self.parts[-1].name])
        axes = [self._axes[name] for name in names]
        try:
            found = self._run(self._whole(own), tensors, {self.input: (x, 0)}, axes)
        except FAULTS:
            return self._before_the_head(x, names)
        return dict(zip(names, found, strict=True))

    def _before_the_head(self, x: Array, names: Sequence[str]) -> dict[str, Array]:
        specs = {one.name: one for one in self.parts}
        local = [name for name in names if specs[name].sides and not specs[name].prefix]
        if not local or x.shape[2:] == self._side[1:]:
            raise _does_not_run(x)
        session = self._piece("forth", self.input, tuple(self._tensors[name] for name in local))
        axes = [self._axes[name] for name in local]
        try:
            found = self._run(session, [self._tensors[name] for name in local], {GIVEN: (x, 0)}, axes)
        except FAULTS as error:
            raise _does_not_run(x) from error
        return dict(zip(local, found, strict=True))

    def resume(self, start: str | None, value: Array, end: str) -> Array:
        """Run on from one part, or the input, to another."""
        tensor = self._tensor(start)
        session = self._piece("forth", tensor, (self._tensors[end],))
        feeds = {GIVEN: (value, self._axis(start))}
        return self._run(session, [self._tensors[end]], feeds, [self._axes[end]])[0]

    def pull(self, start: str | None, value: Array, end: str, cotangents: Array) -> Array:
        """Send gradients (K, B, ...) by one part back to another, or to the input; (K, B, ...)."""
        count, axis, far = len(cotangents), self._axis(start), self._axes[end]
        session = self._piece("back", self._tensor(start), self._tensors[end])
        rows = np.concatenate(list(cotangents), far)[None]
        repeated = np.concatenate([value] * count, axis)
        feeds = {GIVEN: (repeated, axis), SEED: (rows, far + 1)}
        found = self._run(session, [FOUND], feeds, [axis + 1])[0][0]
        return np.stack(np.split(found, count, axis))

    def _tensor(self, start: str | None) -> str:
        return self.input if start is None else self._tensors[start]

    def _axis(self, start: str | None) -> int:
        return 0 if start is None else self._axes[start]

    def _whole(self, names: tuple[str, ...]) -> onnxruntime.InferenceSession:
        """Open the whole file so that some of its tensors are given beside its outputs."""
        return self._opened(("whole", frozenset(names)), lambda: self._source(sorted(names)))

    def _source(self, names: Sequence[str]) -> bytes | str:
        if not names:
            return self._model if isinstance(self._model, bytes) else str(self._model)
        content = self._model if isinstance(self._model, bytes) else self._model.read_bytes()
        return content + asking(names)

    def _piece(self, kind: str, *key: Any) -> onnxruntime.InferenceSession:  # noqa: ANN401 - as Pieces takes them
        make: Callable[..., bytes] = getattr(self._pieces, kind)
        return self._opened((kind, *key), lambda: make(*key))

    def _opened(self, key: object, source: Callable[[], bytes | str]) -> onnxruntime.InferenceSession:
        if key in self._sessions:
            self._sessions.move_to_end(key)
            return self._sessions[key]
        self._sessions[key] = session = open_session(source(), self._threads, self._name, self._folder)
        while len(self._sessions) > _OPEN:
            self._sessions.popitem(last=False)
        return session

    def _run(
        self,
        session: onnxruntime.InferenceSession,
        names: Sequence[str],
        feeds: Mapping[str, tuple[Array, int]],
        axes: Sequence[int],
    ) -> list[Array]:
        """Run a session on arrays, each with the axis of its batch; in turns where batches are limited."""
        (count, *_) = [array.shape[axis] for array, axis in feeds.values()]
        taken = {one.name for one in session.get_inputs()}
        if self.input in taken - feeds.keys():  # only its length matters
            feeds = {**feeds, self.input: (np.zeros((count, *self._side), self.dtype), 0)}
        feeds = {name: one for name, one in feeds.items() if name in taken}
        step = self.batch or count
        turns = [
            session.run(
                list(names), {name: _part(one, axis, at, step) for name, (one, axis) in feeds.items()}
            )
            for at in range(0, count, step)
        ]
        return [
            np.concatenate(own, axis).take(range(count), axis) if count % step or len(turns) > 1 else own[0]
            for own, axis in zip(zip(*turns, strict=True), axes, strict=True)
        ]


def _does_not_run(x: Array) -> RuntimeError:
    """Say what torch would say in its own words where samples do not fit."""
    return RuntimeError(f"onnxruntime does not run the network on a {x.shape} input")


def _part(array: Array, axis: int, start: int, length: int) -> Array:
    """Cut rows out; past the end the last is repeated."""
    last = array.shape[axis] - 1
    if start == 0 and length == last + 1:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(array.take(np.minimum(np.arange(start, start + length), last), axis))


def open_session(
    source: bytes | str | Path, threads: int = 1, name: str = "", folder: str = ""
) -> onnxruntime.InferenceSession:
    """Open a file or its content on the processor.

    Parameters
    ----------
    source
        Path or content.
    threads
        How many threads one run may use.
    name
        What to call it in errors.
    folder
        Where the content's tensors lie that it keeps in files of their own.

    Raises
    ------
    UsageError
        If onnxruntime does not open it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    if folder:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    try:
        plain = str(source) if isinstance(source, Path) else source
        return onnxruntime.InferenceSession(plain, options, providers=["CPUExecutionProvider"])
    except FAULTS as error:
        what = name or ("the content" if isinstance(source, bytes) else shown(source))
        reason = str(error).strip().splitlines()[-1].rstrip(".")
        raise UsageError(
            f"onnxruntime does not open {what!r} ({reason})", "Export the network again"
        ) from error


def asking(names: Sequence[str]) -> bytes:
    """Write what, appended to an ONNX file, makes it give more tensors.

    Messages of protocol buffers that follow one another are merged; so no package that knows ONNX's own is
    needed: field 7 of the model is its graph, field 12 of that an output, field 1 of which its name.
    """
    outputs = b"".join(_field(12, _field(1, name.encode())) for name in names)
    return _field(7, outputs)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
