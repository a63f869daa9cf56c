import { number, words } from "../format.js";
import { html } from "../html.js";
import { State } from "./state.js";
import { Table } from "./table.js";
import { Time } from "./time.js";

/** A list of jobs. A failed one says why. */
export function JobTable({ jobs, empty }) {
  return html`
    <${Table}
      caption="Jobs"
      rows=${jobs}
      keyOf=${({ id }) => id}
      empty=${empty}
      columns=${[
        {
          head: "Job",
          cell: ({ id, userId }) => html`
            <a class="id" href=${`/jobs/${encodeURIComponent(id)}`}>${id}</a>
            ${userId ? html`<span class="sub">of <a href=${`/jobs?user=${encodeURIComponent(userId)}`}>${userId}</a></span>` : null}
          `,
        },
        { head: "Type", cell: ({ type, speed }) => html`${words(type)}<span class="sub">${speed}</span>` },
        {
          head: "State",
          cell: ({ status, errorCode, errorMessage }) => html`
            <${State} status=${status} />
            ${errorMessage || errorCode ? html`<span class="sub">${errorMessage ?? words(errorCode)}</span>` : null}
          `,
        },
        { head: "Attempts", isNumber: true, cell: ({ attempts }) => number(attempts) },
        { head: "Written", isNumber: true, cell: ({ createdAt }) => html`<${Time} at=${createdAt} />` },
        { head: "Ended", isNumber: true, cell: ({ completedAt }) => html`<${Time} at=${completedAt} />` },
      ]}
    />
  `;
}
