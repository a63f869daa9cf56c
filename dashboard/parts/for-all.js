// What is done to all that match a filter, and not to the page that is shown: counted, asked, then sent one by one.
import { get, newKey } from "../api.js";
import { number } from "../format.js";
import { html, useRef, useState } from "../html.js";
import { Dialog } from "./dialog.js";
import { Trouble } from "./notice.js";

const MOST_SECONDS = 60;
const CLOSED = { isOpen: false, found: null, left: [], taken: 0, refused: [], isBusy: false, problem: null };

/** Every row of a list of the API, however many pages it has. `list` is the name of its field. */
export async function everyRow(path, list) {
  const rows = [];
  let token = null;
  do {
    const joint = path.includes("?") ? "&" : "?";
    const { data } = await get(`${path}${joint}pageSize=100${token ? `&pageToken=${encodeURIComponent(token)}` : ""}`);
    rows.push(...data[list]);
    token = data.nextPageToken ?? null;
  } while (token);
  return rows;
}

/**
 * A button for all that match. `find` counts them; `ask` makes of them `{title, text, confirm}`; `send` gets one of
 * them and a key; `done` how many were taken, and a sentence on those that were refused. A lost answer stops it; then
 * it goes on where it was. While its question is open it stays, also where nothing is left to be shown.
 */
export function ForAll({ label, isShown, isFirst, isGrave, find, ask, send, done }) {
  const [state, setState] = useState(CLOSED);
  const run = useRef(0);
  const change = (changes) => setState((old) => ({ ...old, ...changes }));

  const open = async () => {
    const mine = (run.current += 1);
    setState({ ...CLOSED, isOpen: true });
    try {
      const found = (await find()).map((row) => ({ row, key: newKey() }));
      if (run.current === mine) change({ found, left: found });
    } catch (problem) {
      if (run.current === mine) change({ problem });
    }
  };
  // Also stops what is being sent: what was sent stays.
  const close = () => {
    run.current += 1;
    setState(CLOSED);
  };
  const carryOut = async () => {
    if (state.isBusy) return;
    const mine = run.current;
    let { left, taken, refused } = state;
    change({ isBusy: true, problem: null });
    while (left.length && run.current === mine) {
      const [{ row, key }, ...others] = left;
      try {
        await send(row, key);
        taken += 1;
      } catch (problem) {
        if (problem.status === 429) {
          await new Promise((go) => setTimeout(go, Math.min(problem.again ?? MOST_SECONDS, MOST_SECONDS) * 1000));
          continue;
        }
        if (problem.status !== 404 && problem.status !== 409) {
          if (run.current === mine) change({ left, taken, refused, problem, isBusy: false });
          return;
        }
        refused = [...refused, problem.message];
      }
      left = others;
      if (run.current === mine) change({ left, taken, refused });
    }
    if (run.current !== mine) return;
    close();
    done(taken, leftOut(refused));
  };

  const { isOpen, found, taken, refused, isBusy, problem } = state;
  const kind = `button${isFirst ? " is-first" : ""}${isGrave ? " is-grave" : ""}`;
  const asked = found?.length ? ask(found.map(({ row }) => row)) : null;
  if (!isShown && !isOpen) return null;
  return html`
    <button type="button" class=${kind} onClick=${open}>${label}</button>
    ${isOpen
      ? html`<${Dialog} title=${asked?.title ?? label} close=${close}>
          <div class="prose" role="status">
            ${found ? (asked?.text ?? html`<p>Nothing matches now.</p>`) : problem ? null : html`<p>Counting …</p>`}
            ${isBusy ? html`<p>${number(taken + refused.length)} of ${number(found.length)} …</p>` : null}
          </div>
          <${Trouble} problem=${problem} />
          <div class="actions">
            ${asked
              ? html`<button type="button" class=${`button ${isGrave ? "is-grave" : "is-first"}`} aria-disabled=${isBusy} onClick=${carryOut}>
                  ${isBusy ? "Sending …" : problem ? "Go on" : asked.confirm}
                </button>`
              : null}
            <button type="button" class="button" onClick=${close}>${isBusy ? "Stop" : "Not now"}</button>
          </div>
        <//>`
      : null}
  `;
}

function leftOut(messages) {
  if (!messages.length) return "";
  const counts = new Map();
  for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1);
  return ` Left out: ${[...counts].map(([message, count]) => `${number(count)}, since: ${message}`).join(" ")}`;
}
