// Tokens, signed here and not by the hub.

import { createHmac } from "node:crypto";

export const SECRET = "a secret of the tests, thirty-two bytes and more";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token of ten minutes for `sub`; `claims` add to its own or stand in their place. */
export function token(sub, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const body = { sub, permissions: [], iat: now, exp: now + 600, ...claims };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(body)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

export const admin = (sub = "boss") => token(sub, { permissions: ["admin"] });
