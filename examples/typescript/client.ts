// A client with types: what is misspelt here does not compile (`make test` sees to it).
//   URL and TOKEN as in docs/clients.md
import { io, type Socket } from "socket.io-client";
import type {
  Answer,
  ClientToServerEvents,
  ClientToServerEventsWithAck,
  Room,
  ServerToClientEvents,
  StatusChanged,
} from "../../docs/api/roomcast";

type Hub = Socket<ServerToClientEvents, ClientToServerEvents>;

/** What a page shows of each campaign, the newest by its timestamp. */
const shown = new Map<string, { status: string | null; timestamp: string | null }>();

function show(campaignId: string, status: string | null, timestamp: string | null): void {
  const known = shown.get(campaignId)?.timestamp;
  if (known && timestamp && timestamp < known) return;
  shown.set(campaignId, { status, timestamp });
}

export function connect(url: string, freshToken: () => Promise<string>): Hub {
  const socket: Hub = io(url, { auth: (give) => void freshToken().then((token) => give({ token })) });
  socket.on("initial:campaigns", (campaigns) => campaigns.forEach(({ campaignId }) => follow(socket, campaignId)));
  socket.on("campaign:status", ({ campaignId, status, timestamp }) => show(campaignId, status, timestamp));
  socket.on("campaign:status_changed", ({ campaignId, status, timestamp }: StatusChanged) =>
    show(campaignId, status, timestamp));
  socket.on("notification", ({ id, title }) => {
    console.log(title);
    socket.emit("notifications:read", { ids: [id] });
  });
  socket.on("auth:expiring", () => void freshToken().then((token) => socket.emit("auth:refresh", { token })));
  socket.on("error", ({ code, message }) => console.error(code, message));
  return socket;
}

function follow(socket: Hub, campaignId: string): void {
  socket.emit("subscribe:campaign", { campaignId }, (answer: Answer<Room>) => {
    if (!answer.ok) console.error(campaignId, answer.error.code);
  });
}

/** Where each request is awaited, these types know what the ack holds. */
export async function latency(url: string, token: string): Promise<number> {
  const socket: Socket<ServerToClientEvents, ClientToServerEventsWithAck> = io(url, { auth: { token } });
  const before = Date.now();
  const answer = await socket.emitWithAck("ping");
  socket.close();
  if (!answer.ok) throw new Error(answer.error.message);
  return answer.data.timestamp - before;
}
