"""Entry files for archives: `foveal pack` puts one of them into a .mar as it lies here.

Each holds one import and exactly one class: TorchServe counts the classes that the file itself defines.
"""
