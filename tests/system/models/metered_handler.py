"""A handler that does nothing but tell Foveal's metrics."""

from foveal_handlers.metrics import Meter


class MeteredHandler:
    """Tells metrics of its requests at once."""

    def initialize(self, context):
        self.meter = Meter(context, every_seconds=0)

    def handle(self, data, context):
        self.meter.note(seconds=0.02 * len(data), crops=3, dropped={"quota": 2})
        return ["noted" for _ in data]
