package clients;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import clients.Client.Way;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.json.JSONObject;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the Java client, which Android apps use, has to get from the hub, over every transport. */
class HubTest {
    private final List<Client> open = new ArrayList<>();

    @AfterEach
    void close() {
        try {
            open.stream().filter(one -> one.socket.connected()).forEach(Client::settle);
        } finally {
            open.forEach(one -> one.socket.disconnect());
        }
    }

    private Client client(Way way, String token) {
        Client one = new Client(way, Rig.hub(), token == null ? null : Map.of("token", token));
        open.add(one);
        return one;
    }

    private Client connected(Way way, String token) {
        Client one = client(way, token).connect();
        one.event("initial:system_status");
        return one;
    }

    private static String id(Way way) {
        return "java-" + way;
    }

    private static String owner(Way way) {
        return Rig.token("{\"sub\":\"" + id(way) + "\",\"ownedCampaigns\":[\"" + id(way) + "\"]}");
    }

    private Client member(Way way) {
        Client one = connected(way, owner(way));
        one.ask("subscribe:campaign", json("{\"campaignId\":\"" + id(way) + "\"}"));
        return one;
    }

    private static JSONObject json(String text) {
        try {
            return new JSONObject(text);
        } catch (org.json.JSONException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static String update(Way way, String n) {
        return "{\"channel\":\"campaign:" + id(way) + "\",\"payload\":{\"eventType\":\"updated\",\"n\":" + n + "}}";
    }

    private static void ok(String data, List<Object> answer) {
        assertEquals(List.of(Rig.parsed("{\"ok\":true,\"data\":" + data + "}")), answer);
    }

    @ParameterizedTest
    @EnumSource
    void connectsAndGetsTheInitialEventsInOrder(Way way) {
        Client one = connected(way, owner(way));
        List<Object> names = one.log.stream().map(line -> line.get(0)).collect(Collectors.toList());
        assertEquals(List.of("initial:campaigns", "initial:notifications", "initial:system_status"), names);
    }

    @ParameterizedTest
    @EnumSource
    void receivesEachKindOfEventInTheRoomsThatItIsInOnce(Way way) {
        Client one = connected(way, owner(way));
        Client boss = connected(way, Rig.token("{\"sub\":\"boss\",\"permissions\":[\"admin\"]}"));
        String campaign = "{\"campaignId\":\"" + id(way) + "\"}";
        ok("{\"type\":\"campaign\",\"campaignId\":\"" + id(way) + "\"}", one.ask("subscribe:campaign", json(campaign)));
        ok("{\"type\":\"user\",\"userId\":\"" + id(way) + "\"}", one.ask("subscribe:user", json("{}")));
        ok("{\"type\":\"system\"}", boss.ask("subscribe:system"));
        one.log.clear();
        boss.log.clear();
        String events = Rig.events(id(way), id(way));
        Rig.publish(events);
        String alert = "{\"channel\":\"system:alerts\",\"payload\":{\"level\":\"info\",\"title\":\"last\",\"message\":\"\"}}";
        Rig.publish("[" + update(way, "\"last\"") + "," + alert + "]");
        one.event("campaign:updated", data -> "last".equals(data.get("n")));
        boss.event("system:alert", data -> "last".equals(data.get("title")));
        assertGot(Rig.received(events, "campaign", "user"), one);
        assertGot(Rig.received(events, "system"), boss);
        boss.event("system:service_status", data -> "roomcast".equals(data.get("service")));
    }

    /** What goes out on different channels, or waits for the store, has no order among itself. */
    private static void assertGot(List<Object> expected, Client client) {
        Rig.until(() -> others(client).size() >= expected.size(), () -> expected + "; there came " + client.log);
        Comparator<Object> order = Comparator.comparing(Object::toString);
        List<Object> got = others(client);
        got.sort(order);
        List<Object> sorted = new ArrayList<>(expected);
        sorted.sort(order);
        assertEquals(sorted, got);
    }

    private static List<Object> others(Client client) {
        List<Object> others = new ArrayList<>();
        for (List<Object> line : client.log) {
            Map<?, ?> data = (Map<?, ?>) line.get(1);
            if (!data.containsValue("last") && !"roomcast".equals(data.get("service"))) {
                others.add(line);
            }
        }
        return others;
    }

    @ParameterizedTest
    @EnumSource
    void receivesEventsOfOneChannelInOrder(Way way) {
        Client one = member(way);
        one.log.clear();
        for (int n = 0; n < 200; n += 10) {
            Rig.publish(IntStream.range(n, n + 10).mapToObj(i -> update(way, "" + i)).collect(Collectors.toList()).toString());
        }
        one.event("campaign:updated", data -> data.get("n").equals(199.0));
        List<Object> numbers = one.log.stream().map(line -> ((Map<?, ?>) line.get(1)).get("n")).collect(Collectors.toList());
        assertEquals(IntStream.range(0, 200).mapToObj(n -> (double) n).collect(Collectors.toList()), numbers);
    }

    @ParameterizedTest
    @EnumSource
    void isDeniedWhatIsNotItsOwnInAnErrorEventAndInTheAck(Way way) {
        Client one = connected(way, owner(way));
        String error = "\"code\":\"access_denied\",\"message\":\"Access denied to campaign\"";
        List<Object> answer = one.ask("subscribe:campaign", json("{\"campaignId\":\"foreign\"}"));
        assertEquals(List.of(Rig.parsed("{\"ok\":false,\"error\":{" + error + "}}")), answer);
        Object told = Rig.parsed("{" + error + ",\"event\":\"subscribe:campaign\",\"campaignId\":\"foreign\"}");
        assertEquals(told, one.event("error"));
    }

    @ParameterizedTest
    @EnumSource
    void getsAPongForItsPing(Way way) {
        Client one = connected(way, owner(way));
        Map<?, ?> answer = (Map<?, ?>) one.ask("ping").get(0);
        assertEquals(true, answer.get("ok"));
        assertEquals(answer.get("data"), one.event("pong"));
    }

    @ParameterizedTest
    @EnumSource
    void isToldThatATokenIsRefusedAndWhy(Way way) {
        String expired = Rig.token("{\"sub\":\"u1\",\"exp\":1600000000}");
        assertRefused("invalid", client(way, "nonsense"));
        assertRefused("expired", client(way, expired));
        assertRefused("missing", client(way, null));
    }

    private static void assertRefused(String reason, Client client) {
        String data = "{\"code\":\"auth_failed\",\"reason\":\"" + reason + "\"}";
        assertEquals(Rig.parsed("{\"message\":\"Authentication failed\",\"data\":" + data + "}"), client.refused());
        assertFalse(client.socket.connected());
    }

    @ParameterizedTest
    @EnumSource
    void isToldOfAGapWhenTheHubHasLostRedis(Way way) {
        Client one = member(way);
        one.log.clear();
        Rig.cut();
        assertEquals("redis", one.event("gap").get("source"));
        assertEquals(id(way), one.event("campaign:status").get("campaignId"));
    }

    @ParameterizedTest
    @EnumSource
    void comesBackByItselfAfterTheHubWasEndedAndStartedAgain(Way way) {
        for (String signal : List.of("SIGKILL", "SIGTERM")) {
            Client one = member(way);
            one.settle();
            one.log.clear();
            Rig.restart(signal);
            Rig.until(() -> one.connects.get() == 2, () -> "connected again; " + one.reasons + one.refusals);
            if (signal.equals("SIGTERM")) {
                assertEquals("shutting_down", one.event("error").get("code"));
            }
            one.ask("subscribe:campaign", json("{\"campaignId\":\"" + id(way) + "\"}"));
            Rig.publish("[" + update(way, "\"" + signal + "\"") + "]");
            one.event("campaign:updated", data -> signal.equals(data.get("n")));
        }
    }

    @ParameterizedTest
    @EnumSource
    void staysAwayWhenTheHubSendsItAway(Way way) {
        String crowd = Rig.token("{\"sub\":\"crowd-" + id(way) + "\"}");
        Client first = connected(way, crowd);
        for (int n = 0; n < 10; n++) {
            connected(way, crowd);
        }
        assertEquals("connection_limit", first.event("error").get("code"));
        Rig.until(() -> !first.reasons.isEmpty(), () -> "disconnected");
        assertEquals(List.of("io server disconnect"), first.reasons);
        assertTrue(first.connects.get() == 1 && !first.socket.connected());
    }
}
