"""Serve a classifier and note what it looks at; the answer is that of the classifier alone."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from ts.context import Context
from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import PredictionException, map_class_to_label

from foveal.archives.eager import load_eager
from foveal.archives.mar import archive_sha256, read_own_settings
from foveal.archives.settings import model_class_of
from foveal.capture import class_probabilities, naming_samples
from foveal.config import FovealConfig
from foveal.errors import EnvironmentFault, UsageError
from foveal.observer import Observer, Seen
from foveal.samples.keeping import kept_bytes
from foveal.samples.kinds import Transform, get_kind, read_transform
from foveal.spool.segments import model_folder
from foveal_handlers.auditing import Auditor, plain_prediction
from foveal_handlers.envelopes import placed
from foveal_handlers.explanations import Asked, Form, asked_form, explain_rows
from foveal_handlers.metrics import Meter
from foveal_handlers.requests import (
    RECORD_HEADER,
    Origin,
    Refusal,
    Row,
    kept_metadata,
    kept_tags,
    sample_bytes,
    sent_texts,
)

_log = logging.getLogger(__name__)
_TOP = 5

#: Scores (1, classes) of a row, or its explanation.
Output: TypeAlias = Tensor | dict[str, Any]


class SampleHandler(BaseHandler):  # type: ignore[misc]  # ts publishes no types
    """Handler of archives that ``foveal pack`` builds, whatever kind of sample their preprocessing names.

    It answers like TorchServe's own image classifier: the five most probable classes by name. A row that
    holds no sample the model takes is answered with an error of its own; the others of its batch are not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transform: Transform = read_transform({})
        self.kind = get_kind(self.transform.kind)
        self.config = FovealConfig()
        self.auditor: Auditor | None = None
        self._explainer: Observer | None = None
        self._settings: dict[str, Any] = {}

    def initialize(self, context: Context) -> None:
        """Load the model and its settings, and begin to observe where a spool is given."""
        self.context = context
        folder = Path(context.system_properties["model_dir"])
        self._settings = dict(context.model_yaml_config or read_own_settings(folder))
        super().initialize(context)
        self.transform = read_transform(self._settings.get("preprocess") or {})
        self.kind = get_kind(self.transform.kind)
        try:
            self.auditor = self._make_auditor(folder, str(self.manifest["model"]["modelName"]))
        except Exception:  # noqa: BLE001 - whatever is wrong with the auditing, the model is served
            _log.exception("Foveal observes nothing in this worker; predictions are served")

    def preprocess(self, data: Sequence[object]) -> list[Row | Refusal]:
        """Decode every row of a batch and make it what the network takes; what cannot be is refused."""
        found = placed(len(data), len(self.context.request_ids or {}))
        return [self._read(content, found[row] if found else None) for row, content in enumerate(data)]

    def inference(
        self, rows: Sequence[Row | Refusal], *_args: object, **_options: object
    ) -> list[Output | Refusal]:
        """Predict or explain, in one forward for all rows of the same size and route."""
        outputs: dict[int, Output | Refusal] = {}
        for group in _by_forward(rows).values():
            outputs.update(zip(group, self._answered(list(group.values())), strict=True))
        return [outputs[index] if isinstance(row, Row) else row for index, row in enumerate(rows)]

    def postprocess(self, outputs: Sequence[Output | Refusal]) -> list[dict[str, Any]]:
        """Answer every row with its most probable classes, its explanation, or its own error."""
        (first, *others) = outputs
        if isinstance(first, Refusal) and not others:
            raise PredictionException(first.message, first.code)
        return [self._answer(output) for output in outputs]

    def _answer(self, output: Output | Refusal) -> dict[str, Any]:
        """Answer one row."""
        if isinstance(output, Refusal):
            return self._refuse(output)
        return output if isinstance(output, dict) else _top_classes(output, self.mapping)

    def _load_pickled_model(self, model_dir: str, model_file: str, model_pt_path: str | None) -> nn.Module:
        """Load the network as Foveal does everywhere, also from a file with several classes."""
        folder = Path(model_dir)
        weights = Path(model_pt_path) if model_pt_path else None
        return load_eager(folder / model_file, weights, model_class_of(self._settings))

    def _is_explain(self) -> bool:
        """Leave the explain route to the single rows: TorchServe mixes both routes in one batch."""
        return False

    def _make_auditor(self, folder: Path, name: str) -> Auditor | None:
        """Begin to observe, where there is a spool and anything is to be observed."""
        self.config = FovealConfig.from_mapping(self._settings.get("foveal") or {})
        if self.config.spool.dir is None or self.config.sample_rate == 0:
            _log.warning(
                "Foveal observes nothing in this worker: no spool folder is set, or the sample rate is 0"
            )
            return None
        spool = model_folder(self.config.spool.dir, name)
        model = archive_sha256(folder)
        auditor = Auditor(self.model, self.transform, self.config, model, spool, Meter(self.context))
        example = self.transform.blank()
        if example is not None:
            auditor.prepare(example.to(self.device))
        return auditor

    def _read(self, content: object, origin: Origin | None) -> Row | Refusal:
        """Decode one row."""
        request = origin.request if origin else 0
        request_id = str(self.context.get_request_id(request))
        try:
            data = sample_bytes(content, self.kind.name)
            self._require_light(data)
            sample = self.kind.decode(data, request_id)
            tensor = self.transform(sample.values, request_id, sample.spacing)
            return Row(request_id, origin, data, sample, tensor, self._form(request), sent_texts(content))
        except UsageError as error:
            return Refusal(origin, 400, str(error))
        except EnvironmentFault as error:  # a decoder that is not installed here
            return Refusal(origin, 503, str(error))
        except Exception as error:  # noqa: BLE001 - the other rows of the batch are to be answered
            return _unread(error, origin, request_id)

    def _form(self, request: int) -> Form | None:
        """Say how a request wants its map, where it came by the route of explanations."""
        headers = self.context.get_all_request_header(request)
        return asked_form(headers) if headers.get("explain") == "True" else None

    def _require_light(self, data: bytes) -> None:
        """Refuse a format whose decoder would bring into the worker what must stay out of it."""
        if found := self.kind.offline(data):
            raise UsageError(f"{found} files are not read while serving", "Send the values as npy or CSV")

    def _answered(self, rows: Sequence[Row]) -> Sequence[Output | Refusal]:
        """Answer rows of one size and route, or refuse them where the network does not take that size."""
        try:
            return self._predict(rows) if rows[0].form is None else self._explain(rows)
        except UsageError as error:
            return [Refusal(row.origin, 400, str(error)) for row in rows]

    def _explain(self, rows: Sequence[Row]) -> Sequence[Output | Refusal]:
        """Say of rows of one size what decided; nothing of that is written down."""
        x = torch.stack([row.tensor for row in rows]).to(self.device)
        asked = [Asked(row.sample.values.shape, row.form or "png", row.sample.spacing) for row in rows]
        try:
            with naming_samples([row.request_id for row in rows], x):
                return explain_rows(self._observer(x[:1]), x, asked, self.mapping)
        except UsageError:
            raise
        except Exception:  # noqa: BLE001 - the predictions of the same batch are to be answered
            _log.exception("Foveal failed to explain; predictions go on")
            return [Refusal(row.origin, 503, "The explanation failed.") for row in rows]

    def _observer(self, example: Tensor) -> Observer:
        """Give what observes the network, also where nothing is written down."""
        if self.auditor is not None:
            return self.auditor.observer(example)
        if self._explainer is None:
            self._explainer = Observer(self.model, self.transform, self.config, "", example)
        return self._explainer

    def _predict(self, rows: Sequence[Row]) -> Sequence[Output | Refusal]:
        """Predict rows of one size; gives one (1, classes) each."""
        x = torch.stack([row.tensor for row in rows]).to(self.device)
        with naming_samples([row.request_id for row in rows], x):
            return torch.split(self._output(rows, x), 1)

    def _output(self, rows: Sequence[Row], x: Tensor) -> Any:  # noqa: ANN401 - whatever the network gives
        """Predict a batch (B, C, *grid), noting what the auditor is to note of it."""
        if self.auditor is None:
            return plain_prediction(self.model, x)
        chosen = [row.origin is not None and self.auditor.wants(row.request_id) for row in rows]
        return self.auditor.predict(
            x, chosen, lambda: [self._seen(row) for row in rows], lambda index: self._mark(rows[index])
        )

    def _seen(self, row: Row) -> Seen:
        """Say what may be noted of a row."""
        origin = row.origin or Origin(0, 0)
        headers = self.context.get_all_request_header(origin.request)
        told = kept_tags(row.sample.tags, self.config.keep)
        return Seen(
            sample=row.request_id,
            row=origin.row,
            values=row.sample.values,
            source="production",
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            key=row.request_id,
            metadata=told | kept_metadata(headers, self.config.keep, row.texts),
            sha256=hashlib.sha256(row.data).hexdigest(),
            encoded=kept_bytes(self.kind, row.data, row.sample.values, hide_text=self.config.keep.hides_text),
            spacing=row.sample.spacing,
        )

    def _mark(self, row: Row) -> None:
        """Tell the client under which key its request was written down."""
        if row.origin is not None:
            self.context.set_response_header(row.origin.request, RECORD_HEADER, row.request_id)

    def _refuse(self, refusal: Refusal) -> dict[str, Any]:
        """Answer one row of a larger batch with an error; the others keep their answers."""
        if refusal.origin is not None:
            self.context.set_response_status(refusal.code, "Refused", refusal.origin.request)
        return refusal.body()


def _unread(error: Exception, origin: Origin | None, request_id: str) -> Refusal:
    """Refuse a row that failed in a way nobody foresaw.

    Its message is neither answered nor logged, as it may quote the sample: the type and the places are.
    """
    kind = type(error).__name__
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("Foveal failed to read sample %r (%s):\n%s", request_id, kind, places)
    message = f"Sample {request_id!r} cannot be read: {kind}. Look into the worker's log."
    return Refusal(origin, 500, message)


def _by_forward(rows: Sequence[Row | Refusal]) -> dict[tuple[torch.Size, bool], dict[int, Row]]:
    """Group the rows of one size and route, each by its place in the batch."""
    groups: dict[tuple[torch.Size, bool], dict[int, Row]] = {}
    for index, row in enumerate(rows):
        if isinstance(row, Row):
            groups.setdefault((row.tensor.shape, row.form is not None), {})[index] = row
    return groups


def _top_classes(output: Tensor, mapping: Mapping[str, str] | None) -> dict[str, Any]:
    """Name the most probable classes of one row (1, classes) with their probabilities."""
    likely = class_probabilities(output)
    if mapping is not None and output.shape[1] == 1:  # such archives were once packed with one label
        mapping = {"0": "0", "1": "1", **mapping}
    probabilities, classes = torch.topk(likely, min(_TOP, likely.shape[1]), dim=1)
    (answer,) = map_class_to_label(probabilities.tolist(), mapping, classes.tolist())
    return dict(answer)
