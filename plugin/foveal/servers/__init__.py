"""Servers that Foveal starts on this machine: TorchServe and MLflow, on loopback, and nothing left behind."""

from foveal.servers.java import find_java
from foveal.servers.mlflow import MlflowServer
from foveal.servers.ports import free_port, require_free
from foveal.servers.settings import Ports
from foveal.servers.torchserve import TorchServe

__all__ = ["MlflowServer", "Ports", "TorchServe", "find_java", "free_port", "require_free"]
