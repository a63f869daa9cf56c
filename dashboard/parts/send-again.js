// Sending what waits now, and running what failed again: both are counted first, and what costs is priced.
import { get, post } from "../api.js";
import { counted, dollars, number } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { Action } from "./action.js";
import { Lane } from "./lane.js";
import { Time } from "./time.js";

/**
 * Sends all that waits now: in one lane, or without `lane` in all of them. `queue` is the polled answer of `/queue`.
 * Shows nothing where nothing waits.
 */
export function SendQueued({ queue: { data, refresh }, lane, label = (jobs) => `Send ${jobs} now`, isFirst, done }) {
  const lanes = data?.lanes.filter((each) => !lane || each.lane === lane) ?? [];
  const waiting = lanes.reduce((sum, { queued }) => sum + queued, 0);
  if (!waiting) return null;
  const jobs = counted(waiting, "queued job");
  return html`<${Action}
    label=${label(jobs)}
    isFirst=${isFirst}
    ask=${{
      title: `Send ${jobs} now?`,
      text: html`
        <p>They go to the provider at once, also while submission is held back. It costs their users nothing more.</p>
        ${lanes.map((each) => (each.backsOffUntil || each.usersWaiting ? html`<p><${Held} lane=${each} /></p>` : null))}
      `,
      confirm: "Send them now",
    }}
    send=${(key) => post("/queue/submit", lane ? { lane } : {}, { key })}
    done=${() => {
      refresh();
      done("The order is on record; they go out in a new batch.");
    }}
  />`;
}

/** What holds a lane back, and what an order does about it. */
function Held({ lane: { lane, backsOffUntil, usersWaiting } }) {
  const until = html`<${Lane} lane=${lane} /> is left alone until <${Time} at=${backsOffUntil} />: the provider had no room, or trouble. Your order passes that. If the trouble is not over, they are queued again, and no attempt is spent.`;
  const users = `Jobs of ${counted(usersWaiting, "user")} wait, since they troubled the provider again and again. They go last, each user's in batches of their own.`;
  return html`${backsOffUntil ? until : null} ${usersWaiting ? users : null}`;
}

/**
 * Runs all failed jobs again that match `query`, the filter of `/failed-jobs` as an object; they are `of` something.
 * It counts and prices them anew when `version` changes. Shows nothing where none matches.
 */
export function SendFailed({ query, of, version, done }) {
  const [price, setPrice] = useState(null);
  const address = new URLSearchParams(query).toString();
  useEffect(() => {
    let isOver = false;
    get(`/failed-jobs?${address}`).then(({ data }) => isOver || setPrice(data), () => isOver || setPrice(null));
    return () => {
      isOver = true;
    };
  }, [address, version]);
  if (!price?.jobs) return null;
  const jobs = `${price.isCut ? "more than " : ""}${counted(price.jobs, "failed job")}`;
  return html`<${Action}
    label=${`Send ${jobs} again`}
    isFirst
    ask=${{
      title: `Send ${jobs} ${of} again?`,
      text: html`<p>${priced(price)} Their old notifications are deleted.</p>`,
      confirm: "Send them again",
    }}
    send=${(key) => post("/jobs/retry", query, { key })}
    done=${() => {
      setPrice(null);
      done("The failed jobs are queued again; they go out with the next batch.");
    }}
  />`;
}

/** What it costs to run failed jobs again, by the answer of `/failed-jobs`. */
export function priced({ charged, tokens, estimatedUsd }) {
  const users = charged
    ? `${counted(charged, "job")} were never charged, and cost their users up to ${number(tokens)} tokens.`
    : "It is free for their users.";
  return `The provider takes about ${dollars(estimatedUsd)}, images not counted. ${users}`;
}
