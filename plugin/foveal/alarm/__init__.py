"""The alarm on what is served: whether the stream is still as the samples that the model was trained on."""
