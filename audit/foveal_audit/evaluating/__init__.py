"""An audit as an evaluation of MLflow's: its settings, its data and its metrics."""
