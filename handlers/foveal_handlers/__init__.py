"""TorchServe handlers: the only code of Foveal that imports `ts`."""
