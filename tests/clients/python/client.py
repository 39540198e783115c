"""The two clients of python-socketio, as the same tests want them: each call waits for its outcome."""

import asyncio
import threading

import socketio
from engineio.payload import Payload

from rig import PATIENCE, until

# what the client is told to use, and what it has to have ended up with
WAYS = {
    "polling": (["polling"], "polling"),
    "websocket": (["websocket"], "websocket"),
    "upgrade": (["polling", "websocket"], "websocket"),
}

# over polling the library takes at most 16 packets in one answer, and gives up the connection at more
Payload.max_decode_packets = 1_000

QUICKLY = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.2}


class Client:
    """What both have in common. `run` calls a method of the library and waits for it."""

    def __init__(self, library, way, url, namespace="/", auth=None):
        self.sio = library
        self.transports, self.last = WAYS[way]
        self.url, self.namespace, self.auth = url, namespace, auth
        self.log, self.connects, self.reasons, self.refusals = [], 0, [], []
        self.on("connect", self.connected)
        self.on("disconnect", self.reasons.append)
        self.on("connect_error", self.refusals.append)
        self.on("*", lambda event, *data: self.log.append((event, *data)))

    def on(self, event, handler):
        self.sio.on(event, handler, namespace=self.namespace)

    def connected(self):
        self.connects += 1

    def connect(self):
        self.run(
            self.sio.connect, self.url, transports=self.transports, auth=self.auth,
            namespaces=[self.namespace], wait_timeout=PATIENCE,
        )
        return self

    def refused(self):
        """Connects in vain; what it was told."""
        try:
            self.connect()
        except socketio.exceptions.ConnectionError:
            return self.refusals[-1]
        raise AssertionError("was let in")

    def emit(self, event, *data):
        self.run(self.sio.emit, event, data or None, namespace=self.namespace)

    def ask(self, event, *data):
        """What the server acknowledges: one value, or a tuple of several."""
        return self.run(self.sio.call, event, data or None, namespace=self.namespace, timeout=PATIENCE)

    def comparable(self, lines):
        """In the order in which they came, where the library keeps it."""
        return list(lines) if self.in_order else sorted(lines, key=repr)

    def events(self, name, count):
        """Waits for so many events of a name and gives the data of each."""
        until(lambda: sum(line[0] == name for line in self.log) >= count, lambda: f"{count} {name}; there came {self.log}")
        return [line[1] for line in self.log if line[0] == name]

    def event(self, name, fits=lambda *data: True):
        """Waits for an event and gives its data; what came before counts."""
        def find():
            return next((line for line in self.log if line[0] == name and fits(*line[1:])), None)
        found = until(find, lambda: f"{name}; there came {self.log}")
        return found[1] if len(found) == 2 else found[1:]

    @property
    def transport(self):
        return self.run(self.sio.transport)

    def close(self):
        self.run(self.sio.shutdown)


class Sync(Client):
    in_order = False  # the library handles each message in a thread of its own

    def __init__(self, *args, **options):
        super().__init__(socketio.Client(**QUICKLY), *args, **options)

    def run(self, method, *args, **options):
        return method(*args, **options)


class Async(Client):
    in_order = True

    def __init__(self, *args, **options):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        super().__init__(socketio.AsyncClient(**QUICKLY), *args, **options)

    def run(self, method, *args, **options):
        async def call():
            outcome = method(*args, **options)
            return await outcome if asyncio.iscoroutine(outcome) else outcome
        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(2 * PATIENCE)

    async def rest(self):
        """What the library leaves running after a refused connect."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.sio.eio.http:
            await self.sio.eio.http.close()

    def close(self):
        super().close()
        self.run(self.rest)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def over_each_way(tests):
    """Classes of these tests for both clients and each transport, by their names."""
    return {
        f"{kind.__name__}Over{way.capitalize()}": type(
            f"{kind.__name__}Over{way.capitalize()}", (tests,), {"kind": kind, "way": way, "__module__": tests.__module__}
        )
        for kind in (Sync, Async) for way in WAYS
    }
