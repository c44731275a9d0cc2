"""The facade: what `import blobkit` offers, and what it costs."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import blobkit
from blobkit import errors

CODE = """
import sys
before = set(sys.modules)
{code}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(loaded - set(sys.stdlib_module_names) - {{"blobkit"}}))
"""


def foreign_modules(code: str) -> list[str]:
    """Return the packages outside the standard library that a fresh interpreter loads for this code."""
    done = subprocess.run([sys.executable, "-c", CODE.format(code=code)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_import_loads_the_standard_library_only() -> None:
    assert foreign_modules("import blobkit") == []


def test_a_local_store_and_its_verbs_load_no_numpy() -> None:
    verbs = """
import blobkit, tempfile
with tempfile.TemporaryDirectory() as root, blobkit.LocalStore(root + "/s") as store:
    one, two = store.put(b"one"), store.put(b"two", tag="t:1")
    store.link(one.digest, two.digest)
    store.ref(one.digest), store.simulate_deref(one.digest), store.deref(one.digest)
    store.get(two.digest).read(), store.list(), store.tags(), store.unlink(one.digest, two.digest)
    store.untag("t:1")
"""
    assert foreign_modules(verbs) == []


@pytest.mark.slow
def test_that_test_sees_what_is_loaded() -> None:
    assert "numpy" in foreign_modules("import blobkit; blobkit.Snapshot")


def test_every_public_name_is_there_sorted_and_listed() -> None:
    assert list(blobkit.__all__) == sorted(set(blobkit.__all__))
    for name in blobkit.__all__:
        assert getattr(blobkit, name) is not None
    assert set(blobkit.__all__) <= set(dir(blobkit))


def test_every_error_is_public() -> None:
    for name in errors.__all__:
        assert getattr(blobkit, name) is getattr(errors, name)
        assert issubclass(getattr(errors, name), errors.BlobkitError | Warning)


def test_no_public_name_is_a_module_that_would_hide_it() -> None:
    modules = {module.name for module in pkgutil.iter_modules(blobkit.__path__)}
    assert modules & set(blobkit.__all__) == set()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(blobkit, "no_such_name")
