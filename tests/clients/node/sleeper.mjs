// A client that is stopped and continued: `node sleeper.mjs URL FIRST-TOKEN LATER-TOKEN`. It says on each connect that
// it is in its room again.

import { io } from "socket.io-client-4";

const [url, ...tokens] = process.argv.slice(2);
let connects = 0;

const socket = io(url, {
  auth: (give) => give({ token: tokens[Math.min(connects, 1)] }),
  reconnectionDelay: 50,
  transports: ["websocket"],
});
socket.on("connect", () => {
  connects++;
  socket.emit("subscribe:campaign", { campaignId: "c1" }, ({ ok }) => ok && console.log(`subscribed ${connects}`));
});
