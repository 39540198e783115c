// Tokens of a development hub.

import { Refused } from "./connection.js";

/** Who somebody is: `{sub, permissions, owned, participating}`, lists as comma-separated text. */
export async function fetchToken(identity) {
  const response = await fetch(`/dev/token?${new URLSearchParams(identity)}`, { cache: "no-store" });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(body.error ?? { code: `http_${response.status}`, message: response.statusText });
  return body.token;
}
