// A socket.io-client of any version, with what tests want to know of it. What differs between the versions stands
// in its dialect: { name, io, tokenIn, refusedBy, reserved }.

import { PATIENCE, until } from "../rig/process.mjs";

/** What the client is told to use, and what it has to have ended up with. */
export const TRANSPORTS = {
  polling: { transports: ["polling"], first: "polling", last: "polling" },
  websocket: { transports: ["websocket"], first: "websocket", last: "websocket" },
  upgrade: { transports: ["polling", "websocket"], first: "polling", last: "websocket" },
};

export class Client {
  constructor({ dialect, url, way, token, options = {} }) {
    this.dialect = dialect;
    this.way = TRANSPORTS[way];
    this.log = [];
    this.connects = 0;
    const identity = token === undefined ? {} : { [dialect.tokenIn]: { token } };
    this.socket = dialect.io(url, {
      transports: this.way.transports, forceNew: true, autoConnect: false,
      reconnectionDelay: 50, reconnectionDelayMax: 200, ...identity, ...options,
    });
    this.socket.on("connect", () => this.connects++);
    this.keepLog();
  }

  /** v2 has no onAny: whatever comes is seen where every version takes it in. */
  keepLog() {
    const onevent = this.socket.onevent;
    this.socket.onevent = (packet) => {
      this.log.push(packet.data);
      onevent.call(this.socket, packet);
    };
  }

  get engine() {
    return this.socket.io.engine;
  }

  get transport() {
    return this.engine.transport.name;
  }

  open() {
    this.socket.connect();
    this.engine.once("open", () => (this.openedOver = this.transport));
    return this;
  }

  async connect() {
    this.open();
    await until(() => this.connects > 0, () => `connected; there came ${JSON.stringify(this.log)}`);
    return this;
  }

  /** Waits for an event and gives its data; what came before counts. */
  async event(name, fits = () => true) {
    const found = () => this.log.find(([event, data]) => event === name && fits(data));
    return (await until(found, () => `${name}; there came ${JSON.stringify(this.log)}`))[1];
  }

  forget() {
    this.log.length = 0;
  }

  /** The next arguments with which the socket emits one of its own events. */
  said(name) {
    return patiently(name, (give) => this.socket.once(name, (...args) => give(args)));
  }

  /** What the server acknowledges. */
  async ask(...args) {
    return (await this.acked(...args))[0];
  }

  acked(...args) {
    return patiently(`an ack of ${args[0]}`, (give) => this.socket.emit(...args, (...answer) => give(answer)));
  }

  /** What a refused connect is told. */
  refusal() {
    return this.said(this.dialect.refusedBy).then(([error]) => error);
  }

  /** Waits until the transport is the one that it has to be in the end. */
  async settled() {
    await until(() => this.transport === this.way.last, () => `${this.way.last} instead of ${this.transport}`);
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}

function patiently(what, ask) {
  const answer = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE);
    ask((given) => {
      clearTimeout(timer);
      resolve(given);
    });
  });
  answer.catch(() => {}); // a test that has failed before it looks does not fail twice
  return answer;
}
