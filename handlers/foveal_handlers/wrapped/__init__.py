"""Any TorchServe handler, audited without a touch of its code."""

from foveal_handlers.wrapped.runtime import audited

__all__ = ["audited"]
