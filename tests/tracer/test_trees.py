"""What trees and their leaves are called in messages."""

from __future__ import annotations

import subprocess
import sys

from mlc.tracer import tree


class Pair:
    """A node of our own, such as a list that is held in arrays."""

    def __init__(self, first: object, second: object) -> None:
        self.parts = first, second


tree.register(Pair, lambda pair: (pair.parts, None), lambda _, parts: Pair(*parts))


def test_leaves_of_our_own_nodes_are_called_as_what_they_are_a_part_of() -> None:
    _, structure = tree.flatten({"found": Pair(1, [2, 3])})
    names = tree.leaf_names("x", structure)
    assert names == ["x['found']", "x['found'][0]", "x['found'][1]"]


def test_structures_are_said_with_stars() -> None:
    assert tree.structure_text(tree.flatten(((1.0, 2.0), [3.0]))[1]) == "((*, *), [*])"


def test_every_module_is_there_without_an_import_of_its_own() -> None:
    code = (
        "import mlc; mlc.testing.check_op; mlc.nn.softmax; mlc.tune; assert 'testing' in dir(mlc)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
