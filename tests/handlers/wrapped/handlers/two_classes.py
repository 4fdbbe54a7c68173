"""More than TorchServe takes."""


class One:
    def handle(self, data, context):
        return data


class Two:
    def handle(self, data, context):
        return data
