"""Lets one worker answer behind several of TorchServe's envelopes; by itself a server has one for all models.

Which one is said by a request's header. That saves the start of a worker for each of them.
"""

import importlib.util
import sys

ENVELOPES = ("json", "kserve", "kservev2")
HEADER = "X-Envelope"


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "ts.model_loader":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def patched(module):
            execute(module)
            _choose_envelopes(module.TsModelLoader)

        spec.loader.exec_module = patched
        return spec


def _choose_envelopes(loader):
    load = loader.load

    def loaded(self, model, *rest):
        service = load(self, model, *rest)
        if model.startswith("enveloped"):
            entry = service._entry_point
            found = {name: self._load_default_envelope(name)(entry) for name in ENVELOPES}
            service._entry_point = lambda data, context: found[
                context.get_request_header(0, HEADER) or ENVELOPES[0]
            ].handle(data, context)
        return service

    loader.load = loaded


sys.meta_path.insert(0, _Finder())
