"""Networks that are no modules of torch, presented as such: ONNX files, TorchScript, exported programs."""
