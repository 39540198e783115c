package clients;

import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import java.lang.reflect.Field;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import okhttp3.OkHttpClient;

/** io.socket:socket.io-client, with what tests want to know of it. */
final class Client {
    /** What the client is told to use, and what it has to have ended up with. */
    enum Way {
        POLLING("polling", "polling"),
        WEBSOCKET("websocket", "websocket"),
        UPGRADE("websocket", "polling", "websocket");

        final String last;
        final String[] transports;

        Way(String last, String... transports) {
            this.last = last;
            this.transports = transports;
        }
    }

    // all clients of a program share one by default, with five requests at a time to a host: five polls
    private static final OkHttpClient HTTP = new OkHttpClient.Builder().readTimeout(1, TimeUnit.MINUTES).build();

    static {
        HTTP.dispatcher().setMaxRequestsPerHost(HTTP.dispatcher().getMaxRequests());
    }

    final Socket socket;
    final Way way;
    final List<List<Object>> log = new CopyOnWriteArrayList<>();
    final List<Object> refusals = new CopyOnWriteArrayList<>();
    final List<Object> reasons = new CopyOnWriteArrayList<>();
    final AtomicInteger connects = new AtomicInteger();

    Client(Way way, String url, Map<String, String> auth) {
        this.way = way;
        IO.Options options = IO.Options.builder()
            .setTransports(way.transports).setAuth(auth).setForceNew(true)
            .setReconnectionDelay(50).setReconnectionDelayMax(200).build();
        options.callFactory = HTTP;
        options.webSocketFactory = HTTP;
        socket = IO.socket(URI.create(url), options);
        socket.onAnyIncoming(args -> log.add(plain(args)));
        socket.on(Socket.EVENT_CONNECT, args -> connects.incrementAndGet());
        socket.on(Socket.EVENT_DISCONNECT, args -> reasons.add(args[0]));
        socket.on(Socket.EVENT_CONNECT_ERROR, args -> refusals.add(Rig.plain(args[0])));
    }

    Client connect() {
        socket.connect();
        Rig.until(() -> connects.get() > 0, () -> "connected; refused with " + refusals + "; there came " + log);
        return this;
    }

    /** Connects in vain; what it was told. */
    Object refused() {
        socket.connect();
        return Rig.until(() -> refusals.isEmpty() ? null : refusals.get(0), () -> "a refusal; there came " + log);
    }

    void emit(String event, Object... args) {
        socket.emit(event, args, null);
    }

    /** What the server acknowledges. */
    List<Object> ask(String event, Object... args) {
        CompletableFuture<List<Object>> answer = new CompletableFuture<>();
        socket.emit(event, args, (Ack) given -> answer.complete(plain(given)));
        try {
            return answer.get(Rig.PATIENCE_MS, TimeUnit.MILLISECONDS);
        } catch (Exception e) {
            throw new AssertionError("no ack of " + event + "; there came " + log, e);
        }
    }

    /** Waits for an event and gives its data; what came before counts. */
    Map<?, ?> event(String name, Predicate<Map<?, ?>> fits) {
        return Rig.until(
            () -> named(name).stream().map(line -> (Map<?, ?>) line.get(1)).filter(fits).findFirst().orElse(null),
            () -> name + "; there came " + log);
    }

    Map<?, ?> event(String name) {
        return event(name, data -> true);
    }

    /** All events of a name: the name, then the arguments. */
    List<List<Object>> named(String name) {
        List<List<Object>> found = new ArrayList<>(log);
        found.removeIf(line -> !line.get(0).equals(name));
        return found;
    }

    /** Waits until the transport is the one that it has to be in the end. */
    void settle() {
        Rig.until(() -> way.last.equals(transport()), () -> way.last + " instead of " + transport());
    }

    /** The library does not say. */
    private String transport() {
        try {
            Object engine = field(Manager.class, "engine").get(socket.io());
            Object transport = field(io.socket.engineio.client.Socket.class, "transport").get(engine);
            return ((io.socket.engineio.client.Transport) transport).name;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Field field(Class<?> of, String name) {
        try {
            Field field = of.getDeclaredField(name);
            field.setAccessible(true);
            return field;
        } catch (NoSuchFieldException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<Object> plain(Object[] args) {
        List<Object> list = new ArrayList<>();
        for (Object each : args) {
            list.add(Rig.plain(each));
        }
        return list;
    }
}
