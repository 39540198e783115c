"""The rig's control: hub, echo server and Redis are started by ../rig/run.mjs, which says what may be asked."""

import json
import os
import time
import urllib.request

PATIENCE = 20  # seconds a test waits for what has to come


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["CLIENTS_RIG"] + path, data)
    with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
        return json.load(answer)


URLS = ask("/")


def token(sub, **claims):
    return ask("/token", {"sub": sub, **claims})["token"]


def publish(*messages):
    ask("/publish", list(messages))


def restart(signal):
    ask("/restart", {"signal": signal})


def cut():
    ask("/cut", {})


def events(campaign, user):
    return ask(f"/events?campaign={campaign}&user={user}")


def received(events, *rooms):
    """What a socket in these kinds of room gets for them: (event, data) each."""
    becomes = [event for message in events for event in message["becomes"]]
    return [(each["event"], each["data"]) for each in becomes if set(each["rooms"]) & set(rooms)]


def until(condition, what):
    """Looks until the condition gives something, and gives that."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what() if callable(what) else what}")
        time.sleep(0.005)  # between two looks
    return found
