import { io } from "socket.io-client-4";
import { againstBoth } from "./modern.mjs";

againstBoth("socket.io-client 4", io);
