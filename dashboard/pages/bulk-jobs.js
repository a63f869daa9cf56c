// The user's bulk jobs, live from the database. What is done to all is done to all that match, not to those shown.
import { post } from "../api.js";
import { counted, words } from "../format.js";
import { html, useState } from "../html.js";
import { useListened, useNow } from "../live.js";
import { Action } from "../parts/action.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
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
// Of a filter, what can be done to all that it matches.
const FOR_ALL = {
  running: [["pause", "Pause all", "No further part is started. What the provider has goes on."]],
  paused: [["resume", "Go on with all", "Their parts are started again, where they stopped."]],
};

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
      ${told ? html`<${Notice} tone="good" title=${told} />` : null}
      <${Panel}>
        ${data?.length && FOR_ALL[status] ? html`<${ForAll} jobs=${data} status=${status} tell=${setTold} />` : null}
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

function ForAll({ jobs, status, tell }) {
  return html`
    <div class="actions">
      ${FOR_ALL[status].map(
        ([wish, label, what]) => html`<${Action}
          label=${label}
          ask=${{ title: `${label.replace(/ all$/, "")}: ${counted(jobs.length, "bulk job")}?`, text: html`<p>${what}</p>`, confirm: label }}
          send=${() => Promise.all(jobs.map(({ id }) => post(`/bulk-jobs/${encodeURIComponent(id)}/${wish}`)))}
          done=${() => tell(`${counted(jobs.length, "bulk job")}: the wish is on record.`)}
        />`,
      )}
    </div>
  `;
}

/** A bulk job by the file that it came from. */
export function nameOf({ id, source, items }) {
  const file = String(source?.uri ?? "").split("/").pop();
  // `POST /uploads` puts an id and a hyphen in front of a file's name.
  const name = file.replace(/^[A-Za-z0-9]{20}-/, "");
  return name || (items ? counted(items.length, "row") : id);
}
