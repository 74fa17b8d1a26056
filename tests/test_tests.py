"""What holds of the tests themselves: they name every module, and no loop of assertions can be empty."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CORE = TESTS.parent / "core"
FILES = sorted(TESTS.rglob("*.py"))
NEVER_EMPTY = {"some", "range"}  # a range is written out, or of a size that is checked elsewhere
AS_LONG_AS_THEIR_PARTS = {"zip", "enumerate", "reversed", "sorted", "list", "product", "permutations"}


def is_never_empty(items: ast.expr) -> bool:
    """Whether one reads off the code that there is something to loop over."""
    match items:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return any(not isinstance(part, ast.Starred) for part in parts)
        case ast.Dict(keys=keys):
            return bool(keys)
        case ast.Constant(value=value):
            return bool(value)
        case ast.Name(id=name):
            return name.isupper()  # a constant of the module
        case ast.IfExp(body=one, orelse=other):
            return is_never_empty(one) and is_never_empty(other)
        case ast.Call(func=ast.Attribute(value=whole, attr="items" | "split" | "values" | "keys")):
            return is_never_empty(whole)
        case ast.Call(func=ast.Name(id=name), args=args):
            if name == "zip":  # strict, so one that is not empty is enough
                return any(map(is_never_empty, args))
            return name in NEVER_EMPTY or name in AS_LONG_AS_THEIR_PARTS and all(map(is_never_empty, args[:1]))
    return False


def loops(tree: ast.AST):
    """The loops that assert something, and what an `all(...)` of an assertion runs over."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and any(isinstance(n, ast.Assert) for part in node.body for n in ast.walk(part)):
            yield node.iter
        elif isinstance(node, ast.Assert):
            for call in ast.walk(node.test):
                match call:
                    case ast.Call(func=ast.Name(id="all"), args=[ast.GeneratorExp(generators=[first, *_])]):
                        yield first.iter


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_loops_of_assertions_run(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    maybe_empty = [f"line {i.lineno}: {ast.unparse(i)}" for i in loops(tree) if not is_never_empty(i)]
    assert not maybe_empty, "put some(...) from tests.some around these"


def test_every_module_has_a_test():
    """A module has a test file of its own, or is imported by a neighbour's."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in FILES)
    untested = []
    for file in sorted(CORE.rglob("*.py")):
        place = file.relative_to(CORE.parent)
        room, module = ".".join(place.parent.parts), place.stem
        ways = f"from {room}.{module} import", f"from {room} import {module}"
        own = TESTS / place.with_name(f"test_{place.name}")
        if not (module.startswith("__") or own.exists() or any(way in code for way in ways)):
            untested.append(f"{room}.{module}")
    assert untested == ["core.types"]  # aliases only
