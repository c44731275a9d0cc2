"""The command line in processes that have loaded their libraries already: a command takes no half second to begin.

A server that has loaded all of blobkit, and done nothing with it, forks a child for each command. The child is a
process with arguments, output files and an exit code of its own, as a command in a shell is; but it ends without
taking its interpreter down, which takes long with so much loaded.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).parents[1]

SERVER = """
import atexit, gc, json, os, pkgutil, sys, traceback
import blobkit, blobkit.cli, blobkit.commands
for name in blobkit.__all__:
    getattr(blobkit, name)
for module in pkgutil.iter_modules(blobkit.commands.__path__, "blobkit.commands."):
    __import__(module.name)
gc.collect()
gc.freeze()
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        for fd, path in enumerate((os.devnull, asked["stdout"], asked["stderr"])):
            os.dup2(os.open(path, os.O_RDWR), fd)
        os.chdir(asked["cwd"])
        for name, value in asked["environment"].items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        sys.argv = ["-c", *asked["arguments"]]
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
code = 1
try:
    blobkit.cli.main()
except SystemExit as end:
    code = end.code
except BaseException:
    traceback.print_exc()
atexit._run_exitfuncs()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
"""


def command(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `blobkit` with these arguments, and with these variables beside the usual ones, to its end."""
    with tempfile.TemporaryDirectory() as place:
        files = {name: Path(place, name) for name in ("stdout", "stderr")}
        for path in files.values():
            path.touch()
        code = run(arguments, files["stdout"], files["stderr"], cwd, **environment)
        return subprocess.CompletedProcess(arguments, code, *(path.read_text() for path in files.values()))


def run(
    arguments: Sequence[str], stdout: Path, stderr: Path, cwd: Path | None = None, **environment: str | None
) -> int:
    """Run `blobkit` with its output in these files or terminals; return its exit code. None unsets a variable."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    asked = {"arguments": arguments, "cwd": os.fspath(cwd or Path.cwd()), "environment": environment}
    server.stdin.write(json.dumps(asked | {"stdout": str(stdout), "stderr": str(stderr)}) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    started = subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(started.communicate)
    return started
