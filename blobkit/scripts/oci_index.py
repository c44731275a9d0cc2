"""Python 3 for scripts that edit an index.json: read the names in it as umoci does, and take entries out of it.

The code goes into the scripts as text, because they run where blobkit is not installed.
"""

from __future__ import annotations

__all__ = ["EDIT", "NAMED"]

READ = """\
import json, re, sys
REF, WHOLE = "org.opencontainers.image.ref.name", "io.containerd.image.name"
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
class Members(list):
    pass
def field(members, wanted):
    found = None
    for name, value in members if isinstance(members, Members) else ():
        if name.replace("\\u017f", "s").replace("\\u212a", "k").lower() == wanted:
            found = value
    return found
def note(entry, name):
    notes = field(entry, "annotations")
    value = dict(notes).get(name) if isinstance(notes, Members) else None
    return value if isinstance(value, str) else ""
with open("index.json", encoding="utf-8", errors="replace") as file:
    body = json.load(file, object_pairs_hook=Members)
entries = field(body, "manifests") or []
digest = re.compile("sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
named = [one for one in entries if digest.fullmatch(str(field(one, "digest")))]
"""
"""Reads index.json as programs in Go do: names of fields in any case, the last one of a name counts.

`named` are the entries that have a valid digest.
"""

NAMED = f"""
named() {{ # NAME: the digests that it names in index.json
    python3 -c '
{READ}\
print(*sorted({{field(one, "digest") for one in named if note(one, REF) == sys.argv[1]}}))
' "$1"
}}

drop() {{ # NAME DIGEST...: all that it names
    name=$1
    shift
    now=$(named "$name")
    if [ "$now" != "$*" ]; then
        skip "$name" "it names ${{now:-nothing}} now, not $*"
    else
        umoci rm --image ".:$name" || skip "$name" "umoci cannot drop it"
    fi
}}"""
"""Functions of the shell that drop a reference name with umoci, if it names what it did."""

EDIT = f"""\
import hashlib, os
{READ}\
def key(entry):
    name = note(entry, WHOLE).removeprefix("docker.io/").removeprefix("library/") or note(entry, REF)
    return field(entry, "digest"), name.encode("utf-8", "backslashreplace").decode()
def plain(value):
    if isinstance(value, Members):
        return {{name: plain(inner) for name, inner in value}}
    return [plain(inner) for inner in value] if isinstance(value, list) else value
lines = sorted(" ".join(key(one)) for one in named)
if hashlib.sha256("\\n".join(lines).encode()).hexdigest() != SEEN:
    raise SystemExit("skipped everything: the names in index.json are not those of the snapshot; make a new one")
left = []
for entry in entries:
    if DROP.get(key(entry), 0):
        DROP[key(entry)] -= 1
    else:
        left.append(entry)
at = max((at for at, (name, _) in enumerate(body) if field(Members([(name, True)]), "manifests")), default=None)
if at is not None:
    body[at] = body[at][0], left
temporary = f"index.json.{{os.getpid()}}"
with open(temporary, "x", encoding="utf-8") as file:
    os.fchmod(file.fileno(), os.stat("index.json").st_mode & 0o777)
    json.dump(plain(body), file)
    file.flush()
    os.fsync(file.fileno())
os.replace(temporary, "index.json")
"""
"""Takes the entries of DROP out of index.json, if SEEN is the hash of all of them: whole or not at all."""
