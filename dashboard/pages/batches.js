// All batches, by their state. What is done to all is done to all that match, not to those that are shown.
import { post } from "../api.js";
import { counted, dollars } from "../format.js";
import { html, useState } from "../html.js";
import { useNow, usePolled } from "../live.js";
import { BatchTable } from "../parts/batches.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
import { everyRow, ForAll } from "../parts/for-all.js";
import { useMore } from "../parts/more.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { SendFailed, SendQueued } from "../parts/send-again.js";
import { isStoppable } from "../states.js";

const FILTERS = [
  ["", "All"],
  ["open", "Open"],
  ["failed", "Failed"],
  ["expired", "Expired"],
  ["cancelled", "Cancelled"],
  ["completed", "Completed"],
];
// With which code jobs end whose batches ended so again and again.
const CODES = { failed: "batch_failed", expired: "batch_expired" };

export default function Batches({ place }) {
  const status = place.query.get("status") ?? "";
  const filter = status === "open" ? "&open=true" : status ? `&status=${encodeURIComponent(status)}` : "";
  const path = `/batches?pageSize=25${filter}`;
  const { data, problem, at, refresh } = usePolled(path);
  const { rows, button } = useMore(path, data, "batches");
  const [told, setTold] = useState({ status, text: null });
  const now = useNow();
  const tell = (text) => {
    setTold({ status, text });
    refresh();
  };
  const empty = status
    ? { title: "No batch is in this state.", action: html`<a class="button" href="/batches">Show all</a>` }
    : { title: "There is no batch yet.", children: "The first one begins when an app writes its first jobs." };
  return html`
    <${Page} title="Batches" lead="Each is sent to a provider as one, and answered at half the price. The newest stand first.">
      <${Choices} label="State" name="status" choices=${FILTERS} place=${place} />
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${told.text && told.status === status ? html`<${Notice} tone="good" title=${told.text} />` : null}
      <${Panel}>
        ${data ? html`<${OfFilter} key=${status} status=${status} isSome=${rows.length > 0} tell=${tell} />` : null}
        ${data ? html`<${BatchTable} batches=${rows} now=${now} empty=${empty} />${button}` : problem ? null : html`<${Bones} lines=${10} />`}
      <//>
    <//>
  `;
}

/** What can be done to all batches of a filter. */
function OfFilter({ status, isSome, tell }) {
  const code = CODES[status];
  const queue = usePolled(code ? "/queue" : null);
  if (status === "open") return html`<${StopAll} isSome=${isSome} tell=${tell} />`;
  if (!code || !isSome) return null;
  return html`
    <div class="actions">
      <${SendQueued} queue=${queue} isFirst done=${tell} />
      <${SendFailed} query=${{ code }} of=${`of ${status} batches`} version=${queue.data?.queued} done=${tell} />
    </div>
  `;
}

const STOPS = [
  {
    wish: "retry",
    label: "Send all again",
    what: "What the provider has answered by then is kept and paid for. The rest goes into new batches; no attempt is spent.",
    price: (usd) => `The provider takes up to ${usd} once more. No user pays again.`,
  },
  {
    wish: "move",
    label: "Move all",
    what: "What is unanswered goes to the fallback lane; jobs without one are sent again in their own lane.",
    price: (usd) => `In its own lane it would cost up to ${usd}; the other provider has its own prices. No user pays again.`,
  },
  {
    wish: "cancel",
    label: "Cancel all",
    isGrave: true,
    what: "What the provider has answered by then is kept and paid for. All other jobs end as cancelled, and their users get their tokens back.",
    price: (usd) => `Up to ${usd} of the provider's price is spared.`,
  },
];

function StopAll({ isSome, tell }) {
  const find = async () => (await everyRow("/batches?open=true", "batches")).filter(isStoppable);
  return html`
    <div class="actions">
      ${STOPS.map(({ wish, label, isGrave, what, price }) => html`<${ForAll}
        key=${wish}
        label=${label}
        isShown=${isSome}
        isGrave=${isGrave}
        find=${find}
        ask=${(batches) => {
          const jobs = batches.reduce((sum, batch) => sum + batch.jobs, 0);
          const usd = batches.reduce((sum, { estimatedUsd }) => sum + (estimatedUsd ?? 0), 0);
          return {
            title: `${label}: ${counted(batches.length, "batch", "batches")} with ${counted(jobs, "job")}?`,
            text: html`<p>These are all that are not answered yet, not only those that you see. ${what}</p><p>${price(dollars(usd))}</p>`,
            confirm: label,
          };
        }}
        send=${({ id }) => post(`/batches/${encodeURIComponent(id)}/${wish}`)}
        done=${(taken, rest) => tell(`${counted(taken, "batch is", "batches are")} being stopped; the wish is on record.${rest}`)}
      />`)}
    </div>
  `;
}
