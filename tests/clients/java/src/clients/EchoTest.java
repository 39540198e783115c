package clients;

import static org.junit.jupiter.api.Assertions.assertEquals;

import clients.Client.Way;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the Java client has to get from the echo server: binary, acks of any arguments, namespaces. */
class EchoTest {
    private static final byte[] BYTES = {0, 1, 127, -128, -2, -1};

    private final List<Client> open = new ArrayList<>();

    @AfterEach
    void close() {
        try {
            for (Client one : open) {
                if (one.socket.connected()) {
                    one.settle();
                    assertEquals(1, one.connects.get());
                }
            }
        } finally {
            open.forEach(one -> one.socket.disconnect());
        }
    }

    private Client client(Way way, String namespace, Map<String, String> auth) {
        Client one = new Client(way, Rig.echo() + namespace, auth);
        open.add(one);
        return one;
    }

    private Client connected(Way way) {
        Client one = client(way, "/", null).connect();
        one.event("auth");
        return one;
    }

    private static Object[] text() throws JSONException {
        JSONObject deep = new JSONObject().put("deep", new JSONArray("[{\"er\":\"\\u0001\\u001e\\\"\"},[]]"));
        return new Object[] {"text", "Grüße, 活动 😀", 1.5, true, JSONObject.NULL, deep};
    }

    private static Object[] binary() throws JSONException {
        JSONArray two = new JSONArray(List.of(BYTES, new byte[0]));
        return new Object[] {BYTES, new JSONObject().put("two", two), "and text 😀"};
    }

    private static List<Object> plain(Object... args) {
        List<Object> list = new ArrayList<>();
        for (Object each : args) {
            list.add(Rig.plain(each));
        }
        return list;
    }

    @ParameterizedTest
    @EnumSource
    void getsBackTextAndBinary(Way way) throws JSONException {
        Client one = connected(way);
        for (Object[] args : new Object[][] {text(), binary(), {}}) {
            List<Object> expected = plain(args);
            expected.add(0, "message-back");
            one.log.clear();
            one.emit("message", args);
            Rig.until(() -> !one.log.isEmpty(), () -> "" + expected);
            assertEquals(List.of(expected), one.log);
        }
    }

    @ParameterizedTest
    @EnumSource
    void getsAcksWithTextAndBinary(Way way) throws JSONException {
        Client one = connected(way);
        for (Object[] args : new Object[][] {text(), binary(), {}}) {
            List<Object> expected = plain(args);
            assertEquals(expected, one.ask("message-with-ack", args));
        }
    }

    @ParameterizedTest
    @EnumSource
    void getsBackLargeMessages(Way way) {
        Client one = connected(way);
        String text = "活".repeat(100_000);
        byte[] bytes = new byte[500_000];
        assertEquals(List.of(text), one.ask("message-with-ack", text));
        assertEquals(plain(bytes), one.ask("message-with-ack", bytes));
    }

    @ParameterizedTest
    @EnumSource
    void losesDoublesAndReordersNothingAlsoWhileItUpgrades(Way way) {
        Client one = client(way, "/", null);
        List<Object> sent = new ArrayList<>();
        one.socket.connect();
        for (int n = 0; n < 250; n++) {
            Object message = n % 3 == 0 ? new byte[] {(byte) n} : (Object) n;
            sent.add(List.of("message-back", Rig.plain(message)));
            one.emit("message", message);
            int seen = n / 2;
            // keeps a few on their way, so that they go on through the upgrade
            Rig.until(() -> one.named("message-back").size() >= seen - 5, () -> "echoes; there came " + one.log);
        }
        Rig.until(() -> one.named("message-back").size() >= 250, () -> "250 echoes; there came " + one.log);
        assertEquals(sent, one.named("message-back"));
    }

    @ParameterizedTest
    @EnumSource
    void isToldWhatItGaveAsAuth(Way way) {
        assertEquals(Map.of("token", "123"), client(way, "/", Map.of("token", "123")).connect().event("auth"));
    }

    @ParameterizedTest
    @EnumSource
    void isLetIntoAnotherNamespaceWithBinaryThere(Way way) throws JSONException {
        Client one = client(way, "/custom", null).connect();
        assertEquals(Map.of(), one.event("auth"));
        Object[] args = binary();
        List<Object> expected = plain(args);
        assertEquals(expected, one.ask("message-with-ack", args));
    }

    @ParameterizedTest
    @EnumSource
    void isRefusedAnUnknownNamespace(Way way) {
        assertEquals(Map.of("message", "Invalid namespace"), client(way, "/random", null).refused());
    }
}
