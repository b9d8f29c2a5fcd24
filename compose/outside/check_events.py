"""Holds the golden events against the schemas of the published AsyncAPI document.

Usage: check_events.py REPOSITORY. Exits with 1 and names every event that does not hold.
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

ASYNCAPI = "docs/asyncapi.json"
EVENTS = "shared/contract/golden/events.json"
# Messages that are no event, and the files that hold one. The first must be in the document.
OTHERS = {
    "ChangeNotice": "shared/contract/golden/change_notice.json",
    "EventBatch": EVENTS,
    "Receipt": "shared/contract/golden/receipt.json",
}
# Under which references inside the document are resolved.
BASE = "urn:asyncapi"


class Fault(Exception):
    """Something that makes the whole comparison impossible."""


def read(repository, name):
    try:
        return json.loads((repository / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Fault(f"{name}: cannot be read: {error}") from error


def at(document, reference):
    """What a reference `#/a/b` into the document leads to."""
    if not reference.startswith("#/"):
        raise Fault(f"{ASYNCAPI}: {reference} does not lead into the document itself")
    found = document
    for part in reference[2:].split("/"):
        try:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError) as error:
            raise Fault(f"{ASYNCAPI}: nothing is at {reference}") from error
    return found


def messages(document):
    """Pointer to the schema of each message, by the message's name."""
    found = {}
    for key, message in at(document, "#/components/messages").items():
        pointer = "#/components/messages/" + key.replace("~", "~0").replace("/", "~1")
        if "$ref" in message:
            pointer = message["$ref"]
            message = at(document, pointer)
        name = message.get("name", key)
        if name in found:
            raise Fault(f"{ASYNCAPI}: two messages are called {name}")
        if "payload" not in message:
            raise Fault(f"{ASYNCAPI}: the message {name} has no payload")
        # A schema may stand beside the name of its language, and then lies one level deeper.
        deeper = "/schema" if "schemaFormat" in message["payload"] else ""
        found[name] = pointer + "/payload" + deeper
    return found


def validator(document, pointer):
    at(document, pointer)
    registry = Registry().with_resource(BASE, DRAFT202012.create_resource(document))
    return Draft202012Validator(
        {"$ref": BASE + pointer},
        registry=registry,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def faults_of(document, pointer, value, where):
    try:
        for error in validator(document, pointer).iter_errors(value):
            yield f"{where}: at {error.json_path}: {error.message}"
    except Unresolvable as error:
        raise Fault(f"{ASYNCAPI}: nothing is at {error.ref}, which {pointer} needs") from error


def check(repository):
    """Every fault, and how many values were checked."""
    document = read(repository, ASYNCAPI)
    events = read(repository, EVENTS)
    schemas = messages(document)
    if not isinstance(events, list):
        raise Fault(f"{EVENTS}: is not an array")
    for name in ("ChangeNotice", "Receipt"):
        if name not in schemas:
            raise Fault(f"{ASYNCAPI}: there is no message {name}")
    faults, seen = [], set()
    others = [(schemas.pop(name), file) for name, file in OTHERS.items() if name in schemas]
    for pointer, file in others:
        faults.extend(faults_of(document, pointer, read(repository, file), file))
    for number, event in enumerate(events):
        kind = event.get("type") if isinstance(event, dict) else None
        where = f"{EVENTS}: event {number} ({kind})"
        if kind in seen:
            faults.append(f"{where}: this type has an event already")
        seen.add(kind)
        if kind in schemas:
            faults.extend(faults_of(document, schemas[kind], event, where))
        else:
            faults.append(f"{where}: {ASYNCAPI} has no message of this name")
    faults.extend(f"{EVENTS}: has no event of the type {name}" for name in sorted(schemas.keys() - seen))
    return faults, len(events) + len(others)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        faults, checked = check(Path(sys.argv[1]))
    except Fault as fault:
        faults, checked = [str(fault)], 0
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{checked} values checked, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
