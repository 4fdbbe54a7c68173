"""Every metric of Foveal: name, kind, meaning and labels, once for code, dashboard, alerts and documentation.

Standard library only: the serving worker imports this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
#: Who exposes a metric: TorchServe for its workers, or the shipper.
Place = Literal["worker", "shipper"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name
        Its name in Prometheus, base unit included.
    kind
        What Prometheus may do with it.
    help
        What it counts or measures.
    places
        Where it is exposed.
    labels
        Its own labels. Besides, TorchServe adds ``ModelName``, ``Level`` and ``Hostname``, and the shipper
        ``model`` where ``per_model`` holds.
    per_model
        Whether the shipper exposes one value per model.
    """

    name: str
    kind: Kind
    help: str
    places: tuple[Place, ...]
    labels: tuple[str, ...] = ()
    per_model: bool = False

    @property
    def shipper_labels(self) -> list[str]:
        """The labels at the shipper's endpoint."""
        return [*(["model"] if self.per_model else []), *self.labels]

    @property
    def unit(self) -> str:
        """The unit in TorchServe's words."""
        return "s" if self.name.endswith("_seconds") else "count"

    @property
    def dimensions(self) -> list[str]:
        """The dimensions in TorchServe, whose last two must be these."""
        return [*self.labels, "ModelName", "Level"]


CROPS_SPOOLED = Metric(
    "foveal_crops_spooled_total",
    "counter",
    "Crops, many of them still to be cut, that workers wrote to the spool.",
    ("worker",),
)
DROPPED = Metric(
    "foveal_dropped_total",
    "counter",
    "Observations that were dropped and counted instead of spooled.",
    ("worker", "shipper"),
    ("reason",),
    per_model=True,
)
ATTRIBUTION_SECONDS = Metric(
    "foveal_attribution_seconds",
    "histogram",
    "Seconds that recording took after a prediction; a random sample of the batches.",
    ("worker",),
)
SPOOL_BYTES = Metric(
    "foveal_spool_bytes",
    "gauge",
    "Bytes of segments in the spool, quarantine included: what the quota counts.",
    ("shipper",),
    per_model=True,
)
SPOOL_OLDEST = Metric(
    "foveal_spool_oldest_seconds",
    "gauge",
    "Seconds since the last write to the segment that waits longest, open ones included; 0 for none.",
    ("shipper",),
    per_model=True,
)
SHIP_LAG = Metric(
    "foveal_ship_lag_seconds",
    "gauge",
    "Seconds since the last write to the oldest sealed segment not yet shipped; 0 for none.",
    ("shipper",),
    per_model=True,
)
QUARANTINED = Metric(
    "foveal_quarantined_segments",
    "gauge",
    "Damaged segments kept in quarantine.",
    ("shipper",),
    per_model=True,
)
SHIPPED_SEGMENTS = Metric(
    "foveal_shipped_segments_total", "counter", "Segments that this shipper shipped.", ("shipper",)
)
SHIPPED_SAMPLES = Metric(
    "foveal_shipped_samples_total", "counter", "Samples that were new to the library.", ("shipper",)
)
SHIPPED_ENTRIES = Metric(
    "foveal_shipped_entries_total", "counter", "Entries that were new to the library.", ("shipper",)
)
TORN_FRAMES = Metric(
    "foveal_torn_frames_total",
    "counter",
    "Unfinished last frames of killed workers; never acknowledged.",
    ("shipper",),
)
SHIP_ERRORS = Metric(
    "foveal_ship_errors_total",
    "counter",
    "Passes that failed because MLflow or the disk did; everything stayed in the spool.",
    ("shipper",),
)

ALARM = Metric(
    "foveal_gap_alarm",
    "gauge",
    "1 once production was unlike training (falsely with a probability of 1 in 100 at most), 0 before.",
    ("shipper",),
    per_model=True,
)
ALARM_EVIDENCE = Metric(
    "foveal_gap_alarm_evidence",
    "gauge",
    "Evidence that production is unlike training, as a power of ten; the alarm is raised at 2.",
    ("shipper",),
    per_model=True,
)
ALARM_SAMPLES = Metric(
    "foveal_gap_alarm_samples",
    "gauge",
    "Production samples that were held against the training samples of now.",
    ("shipper",),
    per_model=True,
)

METRICS: tuple[Metric, ...] = (
    CROPS_SPOOLED,
    DROPPED,
    ATTRIBUTION_SECONDS,
    SPOOL_BYTES,
    SPOOL_OLDEST,
    SHIP_LAG,
    QUARANTINED,
    SHIPPED_SEGMENTS,
    SHIPPED_SAMPLES,
    SHIPPED_ENTRIES,
    TORN_FRAMES,
    SHIP_ERRORS,
    ALARM,
    ALARM_EVIDENCE,
    ALARM_SAMPLES,
)

#: How a kind's name grows into the series that Prometheus stores.
_SERIES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def at(place: Place) -> tuple[Metric, ...]:
    """List the metrics that one place exposes."""
    return tuple(metric for metric in METRICS if place in metric.places)


def series() -> frozenset[str]:
    """List the names under which a query finds the metrics."""
    return frozenset(metric.name + end for metric in METRICS for end in _SERIES[metric.kind])
