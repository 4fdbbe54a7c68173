from __future__ import annotations

import pickle
import sys

import pytest
import torch
from torch import nn

from foveal.archives.eager import load_eager, read_weights
from foveal.errors import UsageError

LINEAR = """
    {imports}
    from torch import nn


    class One(nn.Linear):
        def __init__(self):
            super().__init__({width}, 2)
"""
X = torch.linspace(0, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)


def same(model, twin):
    with torch.inference_mode():
        return torch.equal(model(X), twin(X))


def test_finds_the_network_among_its_blocks(model_file, weights, twin):
    model = load_eager(model_file, weights)
    assert type(model).__name__ == "Tiny"
    assert not model.training
    assert same(model, twin)


@pytest.mark.parametrize("named", ["Tiny", "network"])
def test_takes_the_class_or_function_that_is_named(model_file, weights, twin, named):
    assert same(load_eager(model_file, weights, named), twin)


@pytest.mark.parametrize(
    "nest",
    [
        lambda state: {"state_dict": state, "epoch": 3, "best": 0.9},
        lambda state: {"model": state},
        lambda state: {"model_state_dict": state},
        lambda state: {"state_dict": {"model": state}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module._orig_mod.{name}": value for name, value in state.items()}},
    ],
)
def test_finds_the_weights_however_they_were_saved(model_file, twin, tmp_path, nest):
    path = tmp_path / "nested.th"
    torch.save(nest(twin.state_dict()), path)
    assert same(load_eager(model_file, path), twin)


def test_a_file_with_one_class_needs_no_weights(write):
    path = write(
        "one.py",
        "from torch import nn\nclass One(nn.Linear):\n  def __init__(self): super().__init__(2, 2)\n",
    )
    assert load_eager(path, None).weight.shape == (2, 2)


def test_imported_classes_do_not_count(write):
    path = write(
        "one.py",
        "from torch.nn import Linear, Module\nclass One(Module):\n  def forward(self, x): return x\n",
    )
    assert type(load_eager(path, None)).__name__ == "One"


def test_files_beside_it_can_be_imported_and_are_forgotten(write):
    text = LINEAR.format(imports="from foveal_test_part import WIDTH", width="WIDTH")
    for folder, width in (("a", 2), ("b", 5)):
        write(f"{folder}/foveal_test_part.py", f"WIDTH = {width}\n")
        before = list(sys.path)
        assert load_eager(write(f"{folder}/n.py", text), None).weight.shape == (2, width)
        assert "foveal_test_part" not in sys.modules
        assert sys.path == before
        assert not list(write(f"{folder}/n.py", text).parent.rglob("__pycache__"))


def test_a_file_may_use_dataclasses(write):
    path = write(
        "d.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from torch import nn

        @dataclass
        class Settings:
            width: int = 3

        class N(nn.Linear):
            def __init__(self):
                super().__init__(Settings().width, 1)
        """,
    )
    assert load_eager(path, None).weight.shape == (1, 3)


def message(call, *args):
    with pytest.raises(UsageError) as caught:
        call(*args)
    return str(caught.value)


def test_no_model_file(tmp_path):
    path = tmp_path / "none.py"
    assert (
        message(load_eager, path, None)
        == f"No model file at {path}. Give the Python file that defines the network."
    )


def test_a_model_file_that_fails(write):
    path = write("bad.py", "import foveal_no_such_module\n")
    assert message(load_eager, path, None) == (
        f"{path} cannot be imported (ModuleNotFoundError: No module named 'foveal_no_such_module'). "
        "Mend the file, or add what it imports with --extra-files."
    )


def test_no_class_at_all(write):
    path = write("empty.py", "x = 1\n")
    assert message(load_eager, path, None) == (
        "empty.py defines no torch.nn.Module class. "
        "Put the network's class into it, or name the function that returns it with --model-class."
    )


def test_an_unknown_class(model_file):
    assert message(load_eager, model_file, None, "Tinny") == (
        "tiny.py defines no 'Tinny'. Did you mean 'Tiny'."
    )


def test_a_function_that_gives_something_else(model_file):
    assert message(load_eager, model_file, None, "text") == (
        "text of tiny.py returns str, not a torch.nn.Module. Let it return the network."
    )


def test_a_class_that_needs_arguments(model_file):
    assert message(load_eager, model_file, None, "Block") == (
        "Block of tiny.py cannot be built without arguments "
        "(Block.__init__() missing 1 required positional argument: 'width'). "
        "Give the arguments of Block defaults, or add a class or function that needs none."
    )


def test_weights_of_another_network(model_file, tmp_path):
    path = tmp_path / "other.pt"
    torch.save({**nn.Conv2d(1, 1, 1).state_dict(), "fc.weight": torch.zeros(2, 4)}, path)
    assert message(load_eager, model_file, path, "Tiny") == (
        f"{path} does not fit Tiny (3 missing: block.conv.weight, block.conv.bias, ...; "
        "2 unexpected: weight, bias; 1 of another shape: fc.weight). "
        "Give the weights that Tiny was trained to."
    )


def test_several_networks_that_fit(write):
    path = write(
        "pair.py",
        """
        from torch import nn
        class A(nn.Linear):
            def __init__(self): super().__init__(2, 2)
        class B(nn.Linear):
            def __init__(self): super().__init__(2, 2)
        """,
    )
    assert message(load_eager, path, None) == (
        "pair.py defines several networks that fit: A, B. Name the right one with --model-class."
    )


def test_weights_that_fit_none_of_several(write, weights):
    path = write(
        "pair.py",
        """
        from torch import nn
        class A(nn.Linear):
            def __init__(self): super().__init__(2, 2, bias=False)
        class B(nn.Linear):
            def __init__(self, n): super().__init__(n, n)
        """,
    )
    assert message(load_eager, path, weights) == (
        f"No class of pair.py fits: {weights} does not fit A (1 missing: weight; "
        "4 unexpected: block.conv.weight, block.conv.bias, ...); "
        "B of pair.py cannot be built without arguments "
        "(B.__init__() missing 1 required positional argument: 'n'). "
        "Give the weights of one of them, or name a class or function with --model-class."
    )


def test_no_weights_there(tmp_path):
    path = tmp_path / "none.pt"
    assert message(read_weights, path) == (
        f"No weights at {path}. Give the file that torch.save(model.state_dict(), ...) wrote."
    )


class Shout:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (print, ("weights were run as code",))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps(Shout(), protocol=2)])
def test_what_is_no_checkpoint(tmp_path, content, capsys):
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    text = message(read_weights, path)
    assert text.startswith(f"{path} is not a checkpoint that can be read as data (")
    assert text.endswith("Save it again with torch.save(model.state_dict(), ...).")
    assert "\n" not in text
    assert capsys.readouterr().out == ""


def test_a_whole_pickled_network_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    torch.save(nn.Linear(1, 1), path)
    assert message(read_weights, path).startswith(f"{path} is not a checkpoint that can be read as data (")


@pytest.mark.parametrize("content", [torch.zeros(2), {"epoch": 3}, [1, 2]])
def test_a_checkpoint_without_a_state_dict(tmp_path, content):
    path = tmp_path / "w.pt"
    torch.save(content, path)
    assert message(read_weights, path) == (
        f"{path} holds no state dict. Save it with torch.save(model.state_dict(), ...), alone or under "
        "'state_dict' or 'model'."
    )
