# SPDX-License-Identifier: MIT
"""Files of results: one invocation's, or several that add up."""

import json
import os


def key(entry):
    """Rows of the same key are the same measurement; one beside other peers is another."""
    return entry.get("short", entry.get("title")), entry.get("amx", True), tuple(sorted(entry.get("sides", {})))


def load(path):
    with open(path, encoding="utf-8") as f:
        result = json.load(f)
    flags = result["machine"].get("environment", {}).get("TDC_CFLAGS", "")
    for entry in result["measurements"]:
        entry.setdefault("amx", "TD_NARROW_BODY" not in flags and "-mno-amx" not in flags)
    return result


def merged(old, new):
    fresh = {key(entry) for entry in new}
    return [entry for entry in old if key(entry) not in fresh] + new


def measured(paths):
    """The measurements of files, the later file's where both have one."""
    out = []
    for path in paths:
        out = merged(out, load(path)["measurements"])
    return out


def save(path, about, entries, append):
    """Write what was measured, added to what the file holds if `append`; all that it holds then.
    `runs` says of each call when, with which command, on what commit and at which load."""
    runs, old = [], []
    if append and os.path.exists(path):
        before = load(path)
        runs, old = before.pop("runs", None) or [{**before, "measurements": None}], before["measurements"]
    for entry in entries:
        entry["date"], entry["commit"] = about["date"], about["machine"]["commit"]
    entries = merged(old, entries)
    result = about | {"runs": runs + [about], "measurements": entries}
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    os.replace(path + ".new", path)
    return entries
