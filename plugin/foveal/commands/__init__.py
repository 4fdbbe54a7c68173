"""The commands of ``foveal``, one module each, with ``register(app)``."""
