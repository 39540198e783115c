"""What python-socketio has to get from the hub, with both of its clients, over every transport."""

import time
import unittest

import rig
from client import Client, over_each_way


def update(campaign, n):
    return {"channel": f"campaign:{campaign}", "payload": {"eventType": "updated", "n": n}}


def in_order(log):
    """What goes out on different channels, or waits for the store, has no order among itself."""
    return sorted(log, key=lambda line: (line[0], line[1].get("id", "")))


class AgainstTheHub:
    def setUp(self):
        self.open = []
        self.id = f"py-{type(self).__name__}"

    def tearDown(self):
        for one in self.open:
            one.close()

    def client(self, token) -> Client:
        one = self.kind(self.way, rig.URLS["hub"], auth={"token": token} if token else None)
        self.open.append(one)
        return one

    def connected(self, token):
        one = self.client(token).connect()
        rig.until(lambda: len(one.log) == 3, "the initial events")
        return one

    def owner(self):
        return rig.token(self.id, ownedCampaigns=[self.id])

    def member(self):
        one = self.connected(self.owner())
        one.ask("subscribe:campaign", {"campaignId": self.id})
        return one

    def test_connects_over_its_transport_and_gets_the_initial_events_in_order(self):
        one = self.connected(self.owner())
        self.assertEqual(one.transport, one.last)
        names = one.comparable(line[0] for line in one.log)
        self.assertEqual(names, one.comparable(["initial:campaigns", "initial:notifications", "initial:system_status"]))

    def test_receives_each_kind_of_event_in_the_rooms_that_it_is_in_once(self):
        one, boss = self.connected(self.owner()), self.connected(rig.token("boss", permissions=["admin"]))
        campaign = {"type": "campaign", "campaignId": self.id}
        self.assertEqual(one.ask("subscribe:campaign", {"campaignId": self.id}), {"ok": True, "data": campaign})
        self.assertEqual(one.ask("subscribe:user", {}), {"ok": True, "data": {"type": "user", "userId": self.id}})
        self.assertEqual(boss.ask("subscribe:system"), {"ok": True, "data": {"type": "system"}})
        one.log.clear()
        boss.log.clear()
        published = rig.events(self.id, self.id)
        rig.publish(*published)
        rig.publish(
            update(self.id, "last"),
            {"channel": "system:alerts", "payload": {"level": "info", "title": "last", "message": ""}},
        )
        own, theirs = rig.received(published, "campaign", "user"), rig.received(published, "system")
        for client, expected, last in (
            (one, own, ("campaign:updated", "n")), (boss, theirs, ("system:alert", "title")),
        ):
            client.event(last[0], lambda data, key=last[1]: data.get(key) == "last")
            def seen(client=client):
                others = [line for line in client.log if "last" not in line[1].values()]
                return [line for line in others if line[1].get("service") != "roomcast"]
            rig.until(lambda seen=seen, expected=expected: len(seen()) >= len(expected), lambda: f"all; there came {client.log}")
            self.assertEqual(in_order(seen()), in_order(expected))
        boss.event("system:service_status", lambda data: data["service"] == "roomcast")

    def test_receives_events_of_one_channel_in_order(self):
        one = self.member()
        one.log.clear()
        for start in range(0, 200, 10):
            rig.publish(*(update(self.id, n) for n in range(start, start + 10)))
        numbers = [data["n"] for data in one.events("campaign:updated", 200)]
        self.assertEqual(one.comparable(numbers), one.comparable(range(200)))

    def test_is_denied_what_is_not_its_own_in_an_error_event_and_in_the_ack(self):
        one = self.connected(self.owner())
        error = {"code": "access_denied", "message": "Access denied to campaign"}
        answer = one.ask("subscribe:campaign", {"campaignId": "foreign"})
        self.assertEqual(answer, {"ok": False, "error": error})
        told = one.event("error")
        self.assertEqual(told, {**error, "event": "subscribe:campaign", "campaignId": "foreign"})

    def test_gets_a_pong_for_its_ping(self):
        one = self.connected(self.owner())
        answer = one.ask("ping")
        self.assertLess(abs(answer["data"]["timestamp"] - time.time() * 1000), 60_000)
        self.assertEqual(one.event("pong"), answer["data"])

    def test_reads_a_notification(self):
        one = self.connected(self.owner())
        one.ask("subscribe:user", {})
        notice = f"read-{self.id}"
        payload = {"id": notice, "type": "info", "title": "t", "message": "m"}
        rig.publish({"channel": f"user:{self.id}", "payload": payload})
        one.event("notification", lambda data: data["id"] == notice)
        self.assertEqual(one.ask("notifications:read", {"ids": [notice]}), {"ok": True, "data": {"ids": [notice]}})
        self.assertEqual(one.event("notifications:read"), {"ids": [notice]})

    def test_is_told_that_a_token_is_refused_and_why(self):
        expired = rig.token("u1", exp=1_600_000_000)
        for token, reason in [("nonsense", "invalid"), (expired, "expired"), (None, "missing")]:
            with self.subTest(reason):
                told = self.client(token).refused()
                data = {"code": "auth_failed", "reason": reason}
                self.assertEqual(told, {"message": "Authentication failed", "data": data})

    def test_is_told_of_a_gap_when_the_hub_has_lost_redis(self):
        one = self.member()
        one.log.clear()
        rig.cut()
        self.assertEqual(one.event("gap")["source"], "redis")
        self.assertEqual(one.event("campaign:status")["campaignId"], self.id)

    def test_comes_back_by_itself_after_the_hub_was_ended_and_started_again(self):
        for signal in ("SIGKILL", "SIGTERM"):
            with self.subTest(signal):
                one = self.member()
                one.log.clear()
                rig.restart(signal)
                rig.until(lambda one=one: one.connects == 2, "connected again")
                if signal == "SIGTERM":
                    self.assertEqual(one.event("error")["code"], "shutting_down")
                one.ask("subscribe:campaign", {"campaignId": self.id})
                rig.publish(update(self.id, signal))
                one.event("campaign:updated", lambda data, signal=signal: data["n"] == signal)
                self.assertEqual(one.transport, one.last)

    def test_stays_away_when_the_hub_sends_it_away(self):
        crowd = rig.token(f"crowd-{self.id}")
        first = self.connected(crowd)
        for _ in range(10):
            self.client(crowd).connect()
        self.assertEqual(first.event("error")["code"], "connection_limit")
        rig.until(lambda: first.reasons, "disconnected")
        self.assertEqual(first.reasons, [first.sio.reason.SERVER_DISCONNECT])
        self.assertEqual(first.connects, 1)


globals().update(over_each_way(type("AgainstTheHub", (AgainstTheHub, unittest.TestCase), {"__module__": __name__})))
del AgainstTheHub
