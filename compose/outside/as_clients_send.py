"""What a description cannot say of requests.

To a JSON Schema 5.0 is an integer as good as 5, so the tester sends either. In a body that is what JSON means,
and it is taken; but an id in an address is its digits.

An Idempotency-Key names one request. The tester would use one key for several and be refused, rightly.
"""

import itertools
import re

import schemathesis

NUMBERS = itertools.count()
FRACTION = re.compile(r"-?[0-9]+\.0+")


def plain(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and FRACTION.fullmatch(value):
        return value.partition(".")[0]
    return value


def plain_values(values):
    return {name: plain(value) for name, value in values.items()} if values else values


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return plain_values(path_parameters)


@schemathesis.hook
def map_query(context, query):
    return plain_values(query)


@schemathesis.hook
def before_call(context, case, kwargs):
    # Its shortest header value is not held against the header's pattern.
    if case.headers and case.headers.get("Consistency-Token") == "0":
        case.headers["Consistency-Token"] = "0" * 32 + ".1.1"
    key = case.headers.get("Idempotency-Key") if case.headers else None
    if isinstance(key, str) and len(key) < 240:
        case.headers["Idempotency-Key"] = f"{key}-{next(NUMBERS)}"
