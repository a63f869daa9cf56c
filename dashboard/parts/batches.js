import { counted, dollars, number, words } from "../format.js";
import { html } from "../html.js";
import { Lane } from "./lane.js";
import { State } from "./state.js";
import { Table } from "./table.js";
import { Ago, Time } from "./time.js";

/** A list of batches. A failed one says why, where one reads its state. */
export function BatchTable({ batches, now, empty }) {
  return html`
    <${Table}
      caption="Batches"
      rows=${batches}
      keyOf=${({ id }) => id}
      empty=${empty}
      columns=${[
        {
          head: "Batch",
          cell: ({ id, lane, bulkId }) => html`
            <a class="id" href=${`/batches/${encodeURIComponent(id)}`}>${id}</a>
            <span class="sub"><${Lane} lane=${lane} />${bulkId ? ", part of a bulk job" : ""}</span>
          `,
        },
        { head: "State", cell: (batch) => html`<${State} status=${batch.status} /><${Why} batch=${batch} />` },
        { head: "Jobs", isNumber: true, cell: ({ jobs }) => number(jobs) },
        {
          head: "Began",
          isNumber: true,
          cell: ({ createdAt, submittedAt }) => html`<${Time} at=${submittedAt ?? createdAt} now=${now} />`,
        },
        { head: "Took", isNumber: true, cell: (batch) => html`<${Took} batch=${batch} now=${now} />` },
        { head: "Cost", isNumber: true, cell: (batch) => html`<${Cost} batch=${batch} />` },
      ]}
    />
  `;
}

/** Why a batch failed, or does not go on. */
export function Why({ batch }) {
  const { stop, lastError, errorCode, errorMessage, counts } = batch;
  const parts = [
    stop ? `Asked to ${stop}.` : null,
    lastError ? `Its step fails: ${lastError.reason}.` : null,
    errorMessage ? html`<bdi>${errorMessage}</bdi>` : errorCode ? words(errorCode) : null,
    counts?.failed ? `${counted(counts.failed, "job")} failed.` : null,
  ].filter(Boolean);
  return parts.length ? html`<span class="sub">${parts.map((part) => html`${part} `)}</span>` : null;
}

/** What a closed batch cost; of an open one what is expected. */
function Cost({ batch: { costUsd, estimatedUsd } }) {
  return html`${estimatedUsd === undefined ? dollars(costUsd) : html`<span class="quiet">about ${dollars(estimatedUsd)}</span>`}`;
}

function Took({ batch, now }) {
  const from = batch.submittedAt ?? batch.createdAt;
  const to = batch.endedAt ?? batch.completedAt;
  return html`<${Ago} at=${from} now=${to ? new Date(to) : now} />`;
}
