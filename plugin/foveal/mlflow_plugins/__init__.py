"""Feature libraries where MLflow looks for data: plug-ins that are loaded during ``import mlflow``.

One module per entry-point group. What is heavy, or rests on MLflow's own models, is imported when it is used:
MLflow drops a plug-in that fails while it loads, with no more than a warning.
"""
