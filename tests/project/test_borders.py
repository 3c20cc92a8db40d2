"""`check` and `plan` start fast and run anywhere: `lang` and `compiler` load nothing heavy.

import-linter reads the text of the imports; this loads every module in a fresh interpreter, so it also sees
what a third-party package pulls in.
"""

import json
import subprocess
import sys

LOAD = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
package = importlib.import_module(sys.argv[1])
names = [package.__name__]
names += [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]))
"""

HEAVY = {
    "accelerate",
    "datasets",
    "huggingface_hub",
    "pandas",
    "pyarrow",
    "ray",
    "rich",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
}
# The last three are small helpers that lark and msgspec take along where they happen to be installed.
TEXT_ONLY = {"fusec", "lark", "msgspec", "interegular", "regex", "typing_extensions"}


def loaded_by(package: str) -> set[str]:
    """Top-level names of the modules that importing all of `package` adds to a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", LOAD, package], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, loaded = json.loads(done.stdout)
    assert len(names) > 1, f"{package} has no modules"
    return set(loaded)


def test_the_whole_compiler_loads_nothing_heavy() -> None:
    loaded = loaded_by("fusec.compiler")
    assert loaded & HEAVY == set()


def test_lang_needs_lark_and_msgspec_only() -> None:
    third_party = loaded_by("fusec.lang") - sys.stdlib_module_names
    assert third_party <= TEXT_ONLY
