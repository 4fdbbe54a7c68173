"""Answers each request by its own route, explanations first; a header says how these are made."""

import torch
from class_base import ClassHandler


class RoutingHandler(ClassHandler):
    def handle(self, data, context):
        self.context, x = context, self.preprocess(data)
        asked = [context.get_request_header(row, "explain") == "True" for row in range(len(x))]
        explain = getattr(self, context.get_request_header(asked.index(True), "by") or "get_insights")
        with torch.inference_mode():
            answers = {row: explain(x[row : row + 1]) for row, one in enumerate(asked) if one}
            predicted = [row for row, one in enumerate(asked) if not one]
            if predicted:
                answers.update(zip(predicted, self.model(x[predicted]).tolist(), strict=True))
        return [answers[row] for row in range(len(x))]

    def get_insights(self, x):
        """Cover one half: two forwards of one row, which might as well be predictions."""
        covered = x.clone()
        covered[..., :8] = 0
        return (self.model(x) - self.model(covered)).tolist()

    def by_hand(self, x):
        """Run the network under a name that nobody knows to explain."""
        return self.model(x * 0).tolist()

    @torch.inference_mode(False)
    def by_gradient(self, x):
        x = x.clone().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self.model(x).max(), x)[0].sum().item()
