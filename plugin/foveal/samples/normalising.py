"""What every transform asks of the mean and the deviation that a network's input is normalised by."""

from __future__ import annotations

from foveal.errors import UsageError


def check_normalisation(mean: tuple[float, ...], std: tuple[float, ...], channels: int | None) -> None:
    """Check that there is one value for all channels or one per channel, and that deviations are above 0.

    Parameters
    ----------
    mean, std
        Of what the network takes.
    channels
        Channels that the network takes; None where any number is taken.

    Raises
    ------
    UsageError
        If not; names the setting.
    """
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != 1 and channels is not None and len(values) != channels:
            raise UsageError(
                f"preprocess.{name} has {len(values)} values for {channels} channels",
                "Give one value, or one per channel",
            )
    if not all(value > 0 for value in std):
        raise UsageError(f"preprocess.std has the value {min(std)}", "Give values above 0")
