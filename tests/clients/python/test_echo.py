"""What python-socketio has to get from the echo server: binary, acks of any arguments, namespaces."""

import unittest

import rig
from client import Client, over_each_way

BYTES = bytes([0, 1, 127, 128, 254, 255])
TEXT = ("text", "Grüße, 活动 😀", 1.5, True, None, {"deep": [{"er": "\0\x1e\""}, []]})
BINARY = (BYTES, {"two": [BYTES, b""]}, "and text 😀")


class AgainstTheEchoServer:
    def setUp(self):
        self.open = []

    def tearDown(self):
        try:
            for one in self.open:
                if one.sio.connected:
                    self.assertEqual((one.transport, one.connects), (one.last, 1))
        finally:
            for one in self.open:
                one.close()

    def client(self, namespace="/", auth=None) -> Client:
        one = self.kind(self.way, rig.URLS["echo"], namespace, auth)
        self.open.append(one)
        return one

    def connected(self):
        one = self.client().connect()
        one.event("auth")
        return one

    def test_gets_back_text_and_binary(self):
        one = self.connected()
        for what in (TEXT, BINARY, ("nothing else",)):
            with self.subTest(what[0]):
                one.log.clear()
                one.emit("message", *what)
                one.event("message-back")
                self.assertEqual(one.log, [("message-back", *what)])

    def test_gets_acks_with_text_and_binary(self):
        one = self.client().connect()
        self.assertEqual(one.ask("message-with-ack", *TEXT), TEXT)
        self.assertEqual(one.ask("message-with-ack", *BINARY), BINARY)
        self.assertEqual(one.ask("message-with-ack", BYTES), BYTES)

    def test_gets_back_large_messages(self):
        one = self.client().connect()
        for large in ("活" * 100_000, b"7" * 500_000):
            self.assertEqual(one.ask("message-with-ack", large), large)

    def test_loses_doubles_and_reorders_nothing(self):
        one = self.connected()
        # in threads of their own, messages and attachments would overtake each other within the library
        sent = [bytes([n]) if n % 3 == 0 and one.in_order else n for n in range(250)]
        for message in sent:
            one.emit("message", message)
        back = one.events("message-back", 250)
        self.assertEqual(one.comparable(back), one.comparable(sent))

    def test_is_told_what_it_gave_as_auth(self):
        auth = {"token": "123", "deep": [1]}
        self.assertEqual(self.client(auth=auth).connect().event("auth"), auth)

    def test_is_let_into_another_namespace_with_binary_there(self):
        one = self.client("/custom").connect()
        self.assertEqual(one.event("auth"), {})
        self.assertEqual(one.ask("message-with-ack", *BINARY), BINARY)

    def test_is_refused_an_unknown_namespace(self):
        self.assertEqual(self.client("/random").refused(), {"message": "Invalid namespace"})


globals().update(
    over_each_way(type("AgainstTheEchoServer", (AgainstTheEchoServer, unittest.TestCase), {"__module__": __name__}))
)
del AgainstTheEchoServer
