// Makes docs/api/roomcast.d.ts, the types that socket.io-client takes, from docs/api/asyncapi.json.
//   node types/make.mjs          prints them
//   node types/make.mjs --write  writes the file
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const api = new URL("../../../docs/api/", import.meta.url);
export const description = new URL("asyncapi.json", api);
export const file = new URL("roomcast.d.ts", api);

const HEAD = `/**
 * What clients and the hub say to each other, for socket.io-client:
 *
 *     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { auth: { token } });
 *
 * Made from the hub's own types (\`make api\`): do not edit.
 */
`;

const ACK = `/** What an ack callback gets: the data of the last answer, or why there is none. */
export type Answer<Data> =
  | { ok: true; data: Data }
  | { ok: false; error: { code: string; message: string; retryAfterMs?: number } };

/** An ack callback. */
export type Ack<Data> = (answer: Answer<Data>) => void;
`;

/** The TypeScript name of a schema: a reference's last part, or that of an array's items. */
function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  throw new Error(`a schema without a name: ${JSON.stringify(schema)}`);
}

const plainOnly = (message) => message.summary.startsWith("Plain websocket only");

const quoted = ({ name, summary }) => `  /** ${summary} */\n  "${name}"`;

function serverEvents(messages) {
  const lines = messages.map((message) => `${quoted(message)}: (data: ${typeOf(message.payload)}) => void;`);
  return `/** What the hub sends over Socket.IO. */\nexport interface ServerToClientEvents {\n${lines.join("\n")}\n}\n`;
}

/** What may stand before the ack, and the ack as it is declared. */
function parameters(message, ack) {
  if (message.payload.type === "null") return `(${ack})`;
  const data = typeOf(message.payload);
  if (!message["x-data-optional"]) return `(data: ${data}, ${ack})`;
  return `(...args: [${ack}] | [data: ${data} | null, ${ack}])`;
}

function clientEvents(name, about, messages, ack) {
  const lines = messages.map((message) => `${quoted(message)}: ${parameters(message, ack(message))} => void;`);
  return `/** ${about} */\nexport interface ${name} {\n${lines.join("\n")}\n}\n`;
}

/** The types, as text. */
export async function types(document) {
  const all = Object.entries(document.channels.socket.messages).filter(([, message]) => !plainOnly(message));
  const from = (side) => all.filter(([key]) => key.startsWith(side)).map(([, message]) => message);
  const hub = from("hub.");
  const answered = (message) => typeOf(hub.find(({ name }) => name === message["x-answers"].at(-1)).payload);
  const root = { title: "Schemas", components: document.components, definitions: document.components.schemas };
  const schemas = await compile(root, "Schemas", {
    bannerComment: "",
    additionalProperties: false,
    unreachableDefinitions: true,
    unknownAny: true,
  });
  const asked = from("client.");
  return [
    HEAD,
    ACK,
    serverEvents(hub),
    clientEvents("ClientToServerEvents", "What a client may say over Socket.IO.", asked, (message) =>
      `ack?: Ack<${answered(message)}>`),
    clientEvents("ClientToServerEventsWithAck", "The same for sockets that only use `emitWithAck`, which is typed by these.",
      asked, (message) => `ack: Ack<${answered(message)}>`),
    schemas.replaceAll(/ \*\n \* This interface was referenced by `Schemas`'s JSON-Schema\n \* via the `definition` ".*"\.\n/g, ""),
  ].join("\n");
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const text = await types(JSON.parse(await readFile(description, "utf8")));
  if (process.argv[2] === "--write") await writeFile(file, text);
  else process.stdout.write(text);
}
