"""Python code for scripts that edit an index.json: read its names as umoci does, and remove entries.

The code goes into the scripts as text, because they run without blobkit.
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
"""Reads index.json as programs in Go do: field names match in any case, and the last of a repeated name counts.

`named` are the entries with a valid digest.
"""

NAMED = f"""
named() {{ # NAME: print its digests in index.json
    python3 -c '
{READ}\
print(*sorted({{field(one, "digest") for one in named if note(one, REF) == sys.argv[1]}}))
' "$1"
}}

drop() {{ # NAME DIGEST...: remove a name that has exactly these digests
    name=$1
    shift
    now=$(named "$name")
    if [ "$now" != "$*" ]; then
        skip "$name" "it names ${{now:-nothing}} now, not $*"
    else
        umoci rm --image ".:$name" || skip "$name" "umoci cannot drop it"
    fi
}}"""
"""Shell functions that drop a reference name with umoci, if its digests are unchanged."""

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
"""Removes the entries in DROP from index.json, atomically, if SEEN is the hash of all entries."""
