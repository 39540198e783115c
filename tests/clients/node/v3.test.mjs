import { io } from "socket.io-client-3";
import { againstBoth } from "./modern.mjs";

againstBoth("socket.io-client 3", io);
