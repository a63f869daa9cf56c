import { duration, exactly, moment, NONE, since, timeOf } from "../format.js";
import { html } from "../html.js";

/** A time in the reader's zone; pointed at, it tells the day and the zone, too. */
export function Time({ at, now }) {
  const read = moment(at);
  if (!read) return html`<span>${NONE}</span>`;
  return html`<time datetime=${read.toISOString()} title=${exactly(read)}>${timeOf(read, now)}</time>`;
}

/** How long ago it was: `4 min`. */
export function Ago({ at, now }) {
  const read = moment(at);
  if (!read) return html`<span>${NONE}</span>`;
  return html`<time datetime=${read.toISOString()} title=${exactly(read)}>${duration(since(read, now))}</time>`;
}
