// The user's bulk jobs, live from the database. What is done to all is done to all that match, not to those shown.
import { post } from "../api.js";
import { counted, words } from "../format.js";
import { html, useState } from "../html.js";
import { useListened, useNow } from "../live.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
import { everyRow, ForAll } from "../parts/for-all.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { Progress } from "../parts/progress.js";
import { State } from "../parts/state.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

const FILTERS = [
  ["", "All"],
  ["quoted", "Wait for your yes"],
  ["running", "Running"],
  ["paused", "Paused"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];
const CANCEL = {
  wish: "cancel",
  label: "Cancel all",
  isGrave: true,
  what: (jobs) => `What is answered stays, and is paid. ${counted(rowsOf(jobs, "open"), "row")} are still open: their tokens come back.`,
};
const RUN_REST = {
  wish: "retry",
  label: "Run the rest of all",
  fits: ({ counts }) => counts?.failed || counts?.cancelled,
  body: {},
  what: (jobs) => `${counted(rowsOf(jobs, "failed") + rowsOf(jobs, "cancelled"), "row")} failed or were cancelled. Each bulk job is priced first; nothing is charged before you say yes.`,
};
// Of a filter, what can be done to all that it matches.
const FOR_ALL = {
  quoted: [
    {
      wish: "confirm",
      label: "Begin all",
      isFirst: true,
      body: (bulk) => ({ maxTokens: priceOf(bulk) }),
      what: (jobs) => `They cost ${counted(jobs.reduce((sum, bulk) => sum + priceOf(bulk), 0), "token")} together. A row that fails gives its price back.`,
    },
    CANCEL,
  ],
  running: [{ wish: "pause", label: "Pause all", what: () => "No further part is started. What the provider has goes on." }, CANCEL],
  paused: [{ wish: "resume", label: "Go on with all", isFirst: true, what: () => "Their parts are started again, where they stopped." }, CANCEL],
  completed: [RUN_REST],
  failed: [RUN_REST],
  cancelled: [RUN_REST],
};

function rowsOf(jobs, name) {
  return jobs.reduce((sum, { counts }) => sum + (counts?.[name] ?? 0), 0);
}

export default function BulkJobs({ place, session }) {
  const status = place.query.get("status") ?? "";
  const { uid } = session.user;
  const { data, problem, at, refresh } = useListened(
    async (hear, fail) => (await import("../database.js")).listenToBulkJobs(uid, status, hear, fail),
    [uid, status],
  );
  const [told, setTold] = useState(null);
  const now = useNow();
  const fresh = html`<a class="button is-first" href="/bulk/new">New bulk job</a>`;
  return html`
    <${Page} title="Bulk jobs" lead="Thousands of rows, answered as one: one price, one progress, one result." actions=${fresh}>
      <${Choices} label="State" name="status" choices=${FILTERS} place=${place} />
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${told?.status === status ? html`<${Notice} tone="good" title=${told.text} />` : null}
      <${Panel}>
        ${data && FOR_ALL[status] ? html`<${OfFilter} key=${status} status=${status} isSome=${data.length > 0} tell=${setTold} />` : null}
        ${data ? html`<${List} jobs=${data} now=${now} status=${status} />` : problem ? null : html`<${Bones} lines=${6} />`}
      <//>
    <//>
  `;
}

function List({ jobs, now, status }) {
  const empty = status
    ? { title: "None of your bulk jobs is in this state.", action: html`<a class="button" href="/bulk">Show all</a>` }
    : {
        title: "You have no bulk jobs yet.",
        children: "Bring a CSV: you see five rows and the price before anything is charged.",
        action: html`<a class="button is-first" href="/bulk/new">New bulk job</a>`,
      };
  return html`
    <${Table}
      caption="Your bulk jobs"
      rows=${jobs}
      keyOf=${({ id }) => id}
      empty=${empty}
      columns=${[
        {
          head: "Bulk job",
          cell: (bulk) => html`<a href=${`/bulk/${encodeURIComponent(bulk.id)}`}>${nameOf(bulk)}</a><span class="sub">${words(bulk.type)}</span>`,
        },
        { head: "State", cell: ({ status: is, errorMessage }) => html`<${State} status=${is} />${errorMessage ? html`<span class="sub">${errorMessage}</span>` : null}` },
        { head: "Rows", cell: ({ counts }) => (counts?.total ? html`<${Progress} counts=${counts} isShort />` : "–") },
        { head: "Written", isNumber: true, cell: ({ createdAt }) => html`<${Time} at=${createdAt} now=${now} />` },
      ]}
    />
  `;
}

/** What can be done to all bulk jobs of a filter: to every one that the user has, not to those that are shown. */
function OfFilter({ status, isSome, tell }) {
  return html`
    <div class="actions">
      ${FOR_ALL[status].map(({ wish, label, isFirst, isGrave, fits = () => true, body, what }) => html`<${ForAll}
        key=${wish}
        label=${label}
        isShown=${isSome}
        isFirst=${isFirst}
        isGrave=${isGrave}
        find=${async () => (await everyRow("/bulk-jobs", "bulkJobs")).filter((bulk) => bulk.status === status && !bulk.wish && fits(bulk))}
        ask=${(jobs) => ({ title: `${label}: ${counted(jobs.length, "bulk job")}?`, text: html`<p>${what(jobs)}</p>`, confirm: label })}
        send=${(bulk) => post(`/bulk-jobs/${encodeURIComponent(bulk.id)}/${wish}`, typeof body === "function" ? body(bulk) : body)}
        done=${(taken, rest) => tell({ status, text: `${counted(taken, "bulk job")}: the wish is on record.${rest}` })}
      />`)}
    </div>
  `;
}

/** A bulk job by the file that it came from; one that was written with its rows, by their number. */
export function nameOf({ id, source, counts, quote }) {
  const file = String(source?.uri ?? "").split("/").pop();
  // `POST /uploads` puts an id and a hyphen in front of a file's name.
  const name = file.replace(/^[A-Za-z0-9]{20}-/, "");
  const rows = counts?.total || (quote && quote.items + quote.invalid);
  return name || (rows ? counted(rows, "row") : id);
}

/** What a quoted bulk job costs, in tokens, at the speed that was chosen for it. */
export function priceOf({ speed, quote }) {
  return (speed === "instant" ? quote?.tokensInstant : quote?.tokens) ?? 0;
}
