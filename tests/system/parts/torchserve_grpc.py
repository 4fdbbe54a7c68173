"""TorchServe over gRPC, by the messages of its own inference.proto."""

from __future__ import annotations

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

_PACKAGE = "org.pytorch.serve.grpc.inference"
_MESSAGES = """
    name: "inference.proto" syntax: "proto3" package: "org.pytorch.serve.grpc.inference"
    message_type {
      name: "PredictionsRequest"
      field { name: "model_name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
      field {
        name: "input" number: 3 type: TYPE_MESSAGE label: LABEL_REPEATED
        type_name: ".org.pytorch.serve.grpc.inference.PredictionsRequest.InputEntry"
      }
      nested_type {
        name: "InputEntry" options { map_entry: true }
        field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
        field { name: "value" number: 2 type: TYPE_BYTES label: LABEL_OPTIONAL }
      }
    }
    message_type {
      name: "PredictionResponse"
      field { name: "prediction" number: 1 type: TYPE_BYTES label: LABEL_OPTIONAL }
    }
"""


def _message_classes():
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_MESSAGES, descriptor_pb2.FileDescriptorProto()))
    names = ("PredictionsRequest", "PredictionResponse")
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in names
    ]


class GrpcClient:
    """Asks a TorchServe's gRPC port on this machine, and keeps what came with the last answer."""

    def __init__(self, port):
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._request, response = _message_classes()
        how = {
            "request_serializer": self._request.SerializeToString,
            "response_deserializer": response.FromString,
        }
        service = f"/{_PACKAGE}.InferenceAPIsService"
        self._predict = self._channel.unary_unary(f"{service}/Predictions", **how)
        self._stream = self._channel.unary_stream(f"{service}/StreamPredictions", **how)
        self.metadata = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._channel.close()

    def predict(self, model, metadata=(), **row):
        """Give the answer's bytes."""
        answer, call = self._predict.with_call(
            self._request(model_name=model, input=row), metadata=metadata, timeout=60
        )
        self.metadata = [*call.initial_metadata(), *call.trailing_metadata()]
        return answer.prediction

    def stream(self, model, **row):
        """Give the parts of an answer."""
        answers = self._stream(self._request(model_name=model, input=row), timeout=60)
        return [part.prediction for part in answers]
