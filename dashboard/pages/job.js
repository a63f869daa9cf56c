// The whole story of one job, as `./nightshift job` tells it. What its user wrote and got is not shown.
import { post } from "../api.js";
import { dollars, number, words } from "../format.js";
import { html, useState } from "../html.js";
import { useNow, usePolled } from "../live.js";
import { Action } from "../parts/action.js";
import { Why } from "../parts/batches.js";
import { Bones } from "../parts/bones.js";
import { Lane } from "../parts/lane.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Pairs, Panel } from "../parts/page.js";
import { State } from "../parts/state.js";
import { Steps } from "../parts/steps.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

const STAMP = /(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)/;

export default function JobPage({ id }) {
  const path = `/jobs/${encodeURIComponent(id)}`;
  const { data, problem, at, refresh } = usePolled(`${path}/story`, 5);
  const [told, setTold] = useState(null);
  const now = useNow();
  const canRun = data && ["failed", "cancelled"].includes(data.job.status);
  const again = canRun
    ? html`<${Action}
        label="Run again"
        isFirst
        ask=${{ title: "Run this job again?", text: html`<p>It is free for its user if its tokens were given back. Its notification is deleted, and comes anew.</p>`, confirm: "Run it again" }}
        send=${() => post(`${path}/retry`)}
        done=${({ status }) => { setTold(`It runs again: it is ${status}.`); refresh(); }}
      />`
    : null;
  return html`
    <${Page} title="Job" crumb=${["/jobs", "Jobs"]} lead=${html`<span class="id">${id}</span>`} actions=${again}>
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${told ? html`<${Notice} tone="good" title=${told} />` : null}
      ${data ? html`<${Story} story=${data} now=${now} />` : problem ? null : html`<${Panel}><${Bones} lines=${8} /><//>`}
    <//>
  `;
}

function Story({ story, now }) {
  const { job, ledger, balance, batch } = story;
  const isOver = ["completed", "failed", "cancelled"].includes(job.status);
  const steps = [
    { name: "Written by the app", at: job.createdAt },
    { name: "Charged and queued", at: job.queuedAt },
    { name: "Sent to the provider", at: job.submittedAt },
    { name: isOver ? "Ended" : "Answered", at: job.completedAt },
  ];
  return html`
    <${Panel}>
      <p><${State} status=${job.status} /></p>
      <p class="lead"><${Said} text=${story.standing} now=${now} /></p>
    <//>
    <div class="beside">
      <${Panel} title="Steps"><${Steps} steps=${steps} isOver=${isOver} now=${now} /><//>
      <${Panel} title="What is known">
        <${Pairs} pairs=${[
          ["User", job.userId && html`<a class="id" href=${`/jobs?user=${encodeURIComponent(job.userId)}`}>${job.userId}</a>`],
          ["Type", words(job.type)],
          ["Speed", job.speed],
          ["Priority", job.priority],
          ["Lane", job.lane && html`<${Lane} lane=${job.lane} />`],
          ["Attempts", job.attempts],
          ["Deadline", job.deadline && html`<${Time} at=${job.deadline} now=${now} />`],
          ["Error code", job.errorCode && html`<code>${job.errorCode}</code>`],
          ["Answered by", job.model && `${job.provider} · ${job.model}`],
          ["Provider's tokens", job.usage && `${number(job.usage.inputTokens)} in, ${number(job.usage.outputTokens)} out`],
          ["Cost", job.costUsd === undefined ? null : dollars(job.costUsd)],
          ["Notification", story.hasNotification ? (story.notificationRead ? "written, and read" : "written, not read yet") : isOver ? "missing" : null],
        ]} />
      <//>
    </div>
    <${Panel} title="Money" note=${balance === undefined ? null : `Its user has ${number(balance)} tokens now.`}>
      <${Table}
        caption="Ledger entries of this job"
        rows=${ledger}
        empty=${{ title: "Nothing was charged.", children: "A job is charged when it is admitted." }}
        columns=${[
          { head: "Entry", cell: ({ kind }) => words(kind) },
          { head: "Tokens", isNumber: true, cell: ({ amount }) => number(amount) },
          { head: "When", isNumber: true, cell: ({ createdAt }) => html`<${Time} at=${createdAt} now=${now} />` },
        ]}
      />
    <//>
    ${job.batchId ? html`<${Batch} id=${job.batchId} batch=${batch} former=${job.formerBatchIds ?? []} />` : null}
    <p class="quiet small">What the user wrote and got is not shown here. <code>./nightshift job ${job.id} --content</code> shows it.</p>
  `;
}

function Batch({ id, batch, former }) {
  const link = (batchId) => html`<a class="id" href=${`/batches/${encodeURIComponent(batchId)}`}>${batchId}</a> `;
  return html`
    <${Panel} title="Batch">
      <${Pairs} pairs=${[
        ["Batch", link(id)],
        ["State", batch ? html`<${State} status=${batch.status} /><${Why} batch=${batch} />` : "There is no such batch any more."],
        ["Id at the provider", batch?.remoteId && html`<span class="id">${batch.remoteId}</span>`],
        ["Earlier batches", former.length ? former.map(link) : null],
      ]} />
    <//>
  `;
}

/** A text whose times are shown in the reader's zone. */
function Said({ text, now }) {
  return text.split(STAMP).map((part) => (STAMP.test(part) ? html`<${Time} at=${part} now=${now} />` : part.replace(/ on $/, " at ")));
}
