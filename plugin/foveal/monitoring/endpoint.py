"""The shipper's Prometheus endpoint: numbers are read when somebody asks, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from foveal.alarm.betting import Alarm
from foveal.errors import EnvironmentFault
from foveal.monitoring import names
from foveal.monitoring.names import Metric
from foveal.monitoring.state import FolderState, LossLedger, plain, spool_state

if TYPE_CHECKING:
    from foveal.shipper import Shipped

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily
_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}

#: Metrics of one model's folder, and where they are read.
_OF_A_FOLDER: dict[Metric, Callable[[FolderState], float]] = {
    names.SPOOL_BYTES: lambda state: state.bytes,
    names.SPOOL_OLDEST: lambda state: state.oldest_seconds,
    names.SHIP_LAG: lambda state: state.lag_seconds,
    names.QUARANTINED: lambda state: state.quarantined,
}

#: Metrics of the shipper, and where they are read.
_OF_THE_SHIPPER: dict[Metric, Callable[[Shipped], float]] = {
    names.SHIPPED_SEGMENTS: lambda shipped: shipped.segments,
    names.SHIPPED_SAMPLES: lambda shipped: shipped.samples,
    names.SHIPPED_ENTRIES: lambda shipped: shipped.entries,
    names.TORN_FRAMES: lambda shipped: shipped.torn,
    names.SHIP_ERRORS: lambda shipped: shipped.errors,
}


#: Metrics of what a model's production is held against, and where they are read.
_OF_AN_ALARM: dict[Metric, Callable[[Alarm], float]] = {
    names.ALARM: lambda alarm: float(alarm.raised_at is not None),
    names.ALARM_EVIDENCE: lambda alarm: alarm.power,
    names.ALARM_SAMPLES: lambda alarm: alarm.seen,
}


class SpoolCollector(Collector):
    """Reads a spool's folders and a shipper's counts at every scrape.

    Parameters
    ----------
    spool
        The spool, or one model's folder.
    shipped
        The counts of the shipper that works on it.
    """

    def __init__(self, spool: Path, shipped: Shipped) -> None:
        self._spool = spool
        self._shipped = shipped
        self._losses = LossLedger()

    def collect(self) -> Iterable[Family]:
        """Give every metric of the shipper."""
        states = spool_state(self._spool)
        for metric, read in _OF_A_FOLDER.items():
            yield _family(metric, [((state.model,), read(state)) for state in states])
        for metric, count in _OF_THE_SHIPPER.items():
            yield _family(metric, [((), count(self._shipped))])
        alarms = [((plain(model),), alarm) for model, alarm in sorted(self._shipped.alarms.items())]
        for metric, stands in _OF_AN_ALARM.items():
            yield _family(metric, [(labels, stands(alarm)) for labels, alarm in alarms])
        yield _family(names.DROPPED, self._losses.totals(states).items())


@contextmanager
def metrics_served(spool: Path, shipped: Shipped, port: int, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve a shipper's metrics; give their address.

    Parameters
    ----------
    spool, shipped
        As in :class:`SpoolCollector`.
    port
        The port to listen on; 0 for any free one.
    host
        The address to listen on.

    Raises
    ------
    EnvironmentFault
        When the port cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(SpoolCollector(spool, shipped))
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise EnvironmentFault(
            f"Metrics cannot be served at {host}:{port} ({error.strerror})",
            "Stop what listens there, or give another --metrics-port",
        ) from error
    try:
        yield f"http://{_in_address(host)}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _family(metric: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    """Make what the library writes out of a metric and its values by labels."""
    name = metric.name.removesuffix("_total")  # the library adds it to counters itself
    family: Family = _FAMILIES[metric.kind](name, metric.help, labels=metric.shipper_labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _in_address(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
