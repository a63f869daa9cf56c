// The REST API, as pages call it. What goes wrong is a Problem: what happened, and the request's id for the log.
import { expire, token } from "./session.js";

const PATIENCE_MS = 30_000;

export class Problem extends Error {
  constructor(message, { code = "unreachable", status = 0, requestId = null, details = [], again = null } = {}) {
    super(message);
    Object.assign(this, { code, status, requestId, details, again });
  }
}

/** Asks for what is at `path`. With the tag of an earlier answer, one that is unchanged is answered null. */
export async function get(path, { signal, tag, isText = false } = {}) {
  return send("GET", path, { signal, isText, headers: tag ? { "If-None-Match": tag } : {} });
}

/** Sends what is wished. `key` names the wish: sent twice with the same key, it is carried out once. */
export async function post(path, body, { key } = {}) {
  const headers = { "Content-Type": "application/json", ...(key ? { "Idempotency-Key": key } : {}) };
  const sent = await send("POST", path, { headers, body: body === undefined ? undefined : JSON.stringify(body) });
  return sent.data;
}

/** A name for one wish of the person's. */
export function newKey() {
  return crypto.randomUUID();
}

async function send(method, path, options) {
  let answer = await attempt(method, path, options, false);
  // The clock of this device, or a claim, may have changed: one new token, then the session is over.
  if (answer.status === 401) answer = await attempt(method, path, options, true);
  if (answer.status === 401) {
    await expire();
    throw new Problem("Your session has ended.", { code: "unauthenticated", status: 401 });
  }
  if (answer.status === 304) return { data: null, tag: options.headers["If-None-Match"], isUnchanged: true };
  const said = await (answer.ok && options.isText ? answer.text() : answer.json()).catch(() => null);
  if (answer.ok && said !== null) return { data: said, tag: answer.headers.get("ETag"), isUnchanged: false };
  throw refusal(answer, said?.error);
}

async function attempt(method, path, { signal, headers, body }, isRefused) {
  const late = AbortSignal.timeout(PATIENCE_MS);
  try {
    const bearer = await token(isRefused);
    return await fetch(`/v1${path}`, {
      method,
      body,
      headers: { ...headers, Authorization: `Bearer ${bearer}` },
      signal: signal ? AbortSignal.any([signal, late]) : late,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (/^auth\/(user-token-expired|user-disabled|invalid-user-token)/.test(error.code ?? "")) {
      await expire();
      throw new Problem("Your session has ended.", { code: "unauthenticated", status: 401 });
    }
    if (!navigator.onLine) throw new Problem("This device is offline.", { code: "offline" });
    throw new Problem(
      late.aborted ? "The server did not answer within 30 seconds." : "The server was not reached.",
      { code: "unreachable" },
    );
  }
}

function refusal(answer, error) {
  const again = Number(answer.headers.get("Retry-After")) || null;
  const about = { status: answer.status, requestId: error?.requestId ?? null, details: error?.details ?? [], again };
  if (answer.status === 403) {
    return new Problem("This page is for administrators. This account is not one.", { ...about, code: "forbidden" });
  }
  if (answer.status === 429) {
    return new Problem(`Too many requests; the next one is possible in ${again ?? 60} seconds.`, {
      ...about,
      code: "too_many",
    });
  }
  return new Problem(error?.message ?? `The server answered with the status ${answer.status}.`, {
    ...about,
    code: error?.code ?? "unreadable",
  });
}
