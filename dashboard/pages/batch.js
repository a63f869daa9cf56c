// One batch: why it is where it is, its story, what the provider says of it, its jobs; and what can be done.
import { post } from "../api.js";
import { counted, dollars, number, words } from "../format.js";
import { html, useState } from "../html.js";
import { useNow, usePolled } from "../live.js";
import { Action } from "../parts/action.js";
import { Bones } from "../parts/bones.js";
import { JobTable } from "../parts/jobs.js";
import { Lane } from "../parts/lane.js";
import { useMore } from "../parts/more.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Pairs, Panel } from "../parts/page.js";
import { SendFailed, SendQueued } from "../parts/send-again.js";
import { State } from "../parts/state.js";
import { Steps } from "../parts/steps.js";
import { isStoppable } from "../states.js";

const ENDED = ["completed", "failed", "expired", "cancelled"];

export default function BatchPage({ id }) {
  const path = `/batches/${encodeURIComponent(id)}`;
  const batch = usePolled(path, 5);
  const [told, setTold] = useState(null);
  const now = useNow();
  const { data } = batch;
  const tell = (text) => () => {
    setTold(text);
    batch.refresh();
  };
  return html`
    <${Page} title="Batch" crumb=${["/batches", "Batches"]} lead=${html`<span class="id">${id}</span>`}
      actions=${data ? html`<${Actions} batch=${data} path=${path} tell=${tell} />` : null}>
      <${Trouble} problem=${batch.problem} at=${batch.at} again=${batch.refresh} />
      ${told ? html`<${Notice} tone="good" title=${told} />` : null}
      ${data
        ? html`<${Said} batch=${data} /><${About} batch=${data} now=${now} /><${Jobs} batch=${data} path=${path} />`
        : batch.problem
          ? null
          : html`<${Panel}><${Bones} lines=${8} /><//>`}
    <//>
  `;
}

/** Why it failed, or does not go on, before all else. */
function Said({ batch }) {
  const { status, errorCode, errorMessage, lastError, stop } = batch;
  if (stop && !ENDED.includes(status)) {
    return html`<${Notice} tone="busy" shape="half" title=${`An administrator asked to ${stop} it.`}>
      What the provider answers by then is kept. It may take a few minutes.
    <//>`;
  }
  if (lastError) {
    return html`<${Notice} tone="bad" title=${`It does not go on: ${lastError.reason}.`}>
      ${lastError.needsOperator ? "It passes only when you act." : "It is tried again with the next tick."}
    <//>`;
  }
  if (["failed", "expired"].includes(status)) {
    const why = errorMessage ?? (errorCode ? `The provider says: ${words(errorCode)}.` : "The provider gave no reason.");
    const title = status === "expired" ? "The provider did not finish it within its window." : why;
    return html`<${Notice} tone="bad" title=${title}>
      ${[errorCode ? `Code: ${errorCode}.` : null, status === "expired" && errorMessage ? errorMessage : null].filter(Boolean).join(" ")}
    <//>`;
  }
  return null;
}

function About({ batch, now }) {
  const { counts, costUsd, realtimeCostUsd } = batch;
  const saved = costUsd !== undefined && realtimeCostUsd !== undefined ? realtimeCostUsd - costUsd : null;
  const ended = ENDED.includes(batch.status);
  const steps = [
    { name: "Written", at: batch.createdAt },
    { name: "Sent to the provider", at: batch.submittedAt },
    { name: "Ended at the provider", at: batch.endedAt },
    { name: "Closed", at: batch.completedAt },
  ];
  return html`
    <div class="beside">
      <${Panel} title="Story"><${Steps} steps=${steps} isOver=${ended} now=${now} /><//>
      <${Panel} title="What is known" note="As the last tick or webhook heard it from the provider.">
        <${Pairs} pairs=${[
          ["State", html`<${State} status=${batch.status} />`],
          ["Lane", html`<${Lane} lane=${batch.lane} />`],
          ["Jobs", number(batch.jobs)],
          ["Ended", counts && `${number(counts.completed)} completed, ${number(counts.failed)} failed, ${number(counts.retried)} sent again, ${number(counts.cancelled)} cancelled`],
          ["Id at the provider", batch.remoteId && html`<span class="id">${batch.remoteId}</span>`],
          ["Trouble", batch.trouble && batch.trouble !== "unknown" ? words(batch.trouble) : null],
          ["Bulk job", batch.bulkId && html`<span class="id">${batch.bulkId}</span>`],
          ["Cost", costUsd !== undefined ? dollars(costUsd) : null],
          ["Cost, as expected", batch.estimatedUsd !== undefined ? dollars(batch.estimatedUsd) : null],
          ["Saved", saved === null ? null : dollars(saved)],
        ]} />
      <//>
    </div>
  `;
}

function Actions({ batch, path, tell }) {
  const hasWaiting = batch.status !== "completed" && batch.counts?.retried && !batch.bulkId;
  const queue = usePolled(hasWaiting ? "/queue" : null);
  const ask = (title, text, confirm) => ({ title, text: html`<p>${text}</p>`, confirm });
  const jobs = counted(batch.jobs, "job");
  if (isStoppable(batch)) {
    return html`
      <${Action} label="Send again" isFirst
        ask=${ask(`Stop it, and send its ${jobs} again?`, "What the provider has answered by then is kept and paid for. The rest goes into a new batch; no attempt is spent.", "Send again")}
        send=${() => post(`${path}/retry`)} done=${tell("It is being stopped; what is unanswered goes into a new batch.")} />
      <${Action} label="Move"
        ask=${ask("Let another provider answer it?", "It is stopped. What is unanswered goes to the fallback lane; a job without one is sent again in its own lane.", "Move it")}
        send=${() => post(`${path}/move`)} done=${tell("It is being stopped; its jobs move to the fallback lane.")} />
      <${Action} label="Cancel" isGrave
        ask=${ask(`Cancel its ${jobs}?`, "What the provider has answered by then is kept and paid for. All other jobs end as cancelled, and their users get their tokens back.", "Cancel them")}
        send=${() => post(`${path}/cancel`)} done=${tell("It is being cancelled; tokens go back to the users.")} />
    `;
  }
  if (batch.bulkId) return null;
  const told = (text) => tell(text)();
  return html`
    <${SendQueued} queue=${queue} lane=${batch.lane} isFirst done=${told} />
    <${SendFailed} query=${{ batch: batch.id }} of="of this batch" version=${batch.counts?.failed} done=${told} />
  `;
}

function Jobs({ batch, path }) {
  const list = `${path}/jobs?pageSize=25`;
  const { data, problem, at, refresh } = usePolled(batch.bulkId ? null : list, 15);
  const { rows, button } = useMore(list, data, "jobs");
  if (batch.bulkId) {
    return html`<${Panel} title="Jobs" note="It answers a part of a bulk job, whose rows only its user sees." />`;
  }
  const empty = { title: "No job is in it now.", children: "Its jobs went on in another batch, or were deleted when their time was over." };
  return html`
    <${Panel} title="Jobs" note="Those that are in it now. A job that was sent again is in its new batch.">
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${data ? html`<${JobTable} jobs=${rows} empty=${empty} />${button}` : problem ? null : html`<${Bones} lines=${6} />`}
    <//>
  `;
}
