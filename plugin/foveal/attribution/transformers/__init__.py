"""Methods that read the attention of transformers."""

from foveal.attribution.transformers import attention, attention_rollout, gradient_rollout

__all__ = ["attention", "attention_rollout", "gradient_rollout"]
