package clients;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.json.JSONArray;
import org.json.JSONObject;

/** The rig's control: hub, echo server and Redis are started by ../rig/run.mjs, which says what may be asked. */
final class Rig {
    static final long PATIENCE_MS = 20_000;

    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Map<?, ?> URLS = (Map<?, ?>) ask("/", null);

    static String hub() {
        return (String) URLS.get("hub");
    }

    static String echo() {
        return (String) URLS.get("echo");
    }

    /** A token; the claims as JSON. */
    static String token(String claims) {
        return (String) ((Map<?, ?>) ask("/token", claims)).get("token");
    }

    /** Publishes what this JSON says: an array of {channel, payload}. */
    static void publish(String messages) {
        ask("/publish", messages);
    }

    static void restart(String signal) {
        ask("/restart", "{\"signal\":\"" + signal + "\"}");
    }

    static void cut() {
        ask("/cut", "{}");
    }

    /** Each kind of event: what to publish, as JSON. */
    static String events(String campaign, String user) {
        return text("/events?campaign=" + campaign + "&user=" + user, null);
    }

    /** What a socket in these kinds of room gets for them: [event, data] each. */
    static List<Object> received(String events, String... rooms) {
        List<Object> lines = new ArrayList<>();
        for (Object message : (List<?>) parsed(events)) {
            for (Object becomes : (List<?>) ((Map<?, ?>) message).get("becomes")) {
                Map<?, ?> event = (Map<?, ?>) becomes;
                if (List.of(rooms).stream().anyMatch(((List<?>) event.get("rooms"))::contains)) {
                    lines.add(List.of(event.get("event"), event.get("data")));
                }
            }
        }
        return lines;
    }

    /** Looks until it gets something, and gives that. */
    static <T> T until(Supplier<T> look, Supplier<String> what) {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (true) {
            T found = look.get();
            if (found != null && !Boolean.FALSE.equals(found)) {
                return found;
            }
            if (System.currentTimeMillis() > deadline) {
                throw new AssertionError("waited in vain: " + what.get());
            }
            try {
                Thread.sleep(5); // between two looks
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** JSON as lists, maps, strings, numbers, which know when they are equal. */
    static Object plain(Object value) {
        try {
            if (value instanceof JSONObject) {
                JSONObject object = (JSONObject) value;
                Map<String, Object> map = new TreeMap<>();
                for (var keys = object.keys(); keys.hasNext(); ) {
                    String key = (String) keys.next();
                    map.put(key, plain(object.get(key)));
                }
                return map;
            }
            if (value instanceof JSONArray) {
                List<Object> list = new ArrayList<>();
                for (int n = 0; n < ((JSONArray) value).length(); n++) {
                    list.add(plain(((JSONArray) value).get(n)));
                }
                return list;
            }
        } catch (org.json.JSONException e) {
            throw new IllegalArgumentException(e);
        }
        if (value instanceof byte[]) {
            List<Object> bytes = new ArrayList<>();
            for (byte b : (byte[]) value) {
                bytes.add(b);
            }
            return bytes;
        }
        return value instanceof Number && !(value instanceof Byte) ? ((Number) value).doubleValue() : value;
    }

    static Object parsed(String json) {
        try {
            return plain(json.startsWith("[") ? new JSONArray(json) : new JSONObject(json));
        } catch (org.json.JSONException e) {
            throw new IllegalArgumentException(json, e);
        }
    }

    private static Object ask(String path, String body) {
        return parsed(text(path, body));
    }

    private static String text(String path, String body) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(System.getenv("CLIENTS_RIG") + path));
        if (body != null) {
            request.POST(HttpRequest.BodyPublishers.ofString(body));
        }
        try {
            var answer = HTTP.send(request.build(), BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IllegalStateException(path + ": " + answer.body());
            }
            return answer.body();
        } catch (java.io.IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private Rig() {}
}
