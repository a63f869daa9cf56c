// How the night goes, in ten seconds: one sentence, the numbers behind it, and what is under way.
import { counted, dollars, duration, number } from "../format.js";
import { post } from "../api.js";
import { html } from "../html.js";
import { useNow, usePolled } from "../live.js";
import { Action } from "../parts/action.js";
import { BatchTable } from "../parts/batches.js";
import { Bones } from "../parts/bones.js";
import { Figures } from "../parts/figures.js";
import { Lane } from "../parts/lane.js";
import { Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { SendQueued } from "../parts/send-again.js";
import { Shape } from "../parts/shape.js";
import { Table } from "../parts/table.js";
import { Ago, Time } from "../parts/time.js";

// Cloud Scheduler starts a tick every ten minutes; two that are missing are not chance.
const LATE_TICK_SECONDS = 25 * 60;

export default function Now() {
  const first = usePolled("/dashboard");
  const queue = usePolled("/queue");
  const batches = usePolled("/batches?open=true&pageSize=20");
  const all = [first, queue, batches];
  const now = useNow();
  const failing = batches.data?.batches.filter(({ lastError }) => lastError) ?? [];
  const isKnown = all.every(({ data }) => data);
  // What never came is not on its way.
  const isLost = all.every(({ data, problem }) => problem && !data);
  return html`
    <${Page} title="Now" lead="What waits, what is at the provider, and whether anything needs you.">
      <${Trouble}
        problem=${all.find(({ problem }) => problem)?.problem}
        at=${first.at ?? queue.at}
        again=${() => all.map(({ refresh }) => refresh())}
      />
      ${isLost ? null : html`<${All} ...${{ first, queue, batches, failing, isKnown, now }} />`}
    <//>
  `;
}

function All({ first, queue, batches, failing, isKnown, now }) {
  return html`
    ${isKnown ? html`<${Verdict} reasons=${reasonsOf(first.data, queue.data, failing)} />` : html`<div class="verdict tone-calm"><div class="waiting"><${Bones} lines=${2} /></div></div>`}
    <${Figures} figures=${figuresOf(first.data, queue.data, batches.data, now)} />
    <${Panel} title="Waiting" note="Queued jobs, by the lane that will answer them." actions=${html`<${Submission} queue=${queue} />`}>
      ${queue.data ? html`<${Lanes} lanes=${queue.data.lanes} now=${now} />` : html`<${Bones} lines=${3} />`}
    <//>
    <${Panel} title="At the provider" note="Open batches, the oldest first." actions=${html`<a class="button" href="/batches">All batches</a>`}>
      ${batches.data
        ? html`<${BatchTable} batches=${batches.data.batches} now=${now} empty=${{ title: "No batch is open.", children: "The next one begins when jobs are queued." }} />`
        : html`<${Bones} lines=${4} />`}
    <//>
  `;
}

/** What needs a person: each a sentence and a link. */
function reasonsOf({ health, alerts }, queue, failing) {
  const reasons = alerts
    .filter(({ kind, acknowledgedAt }) => kind !== "savings_milestone" && !acknowledgedAt)
    .map(({ message }) => ({ isBad: true, text: message, href: "/alerts", link: "See the alerts" }));
  if (health.lastTickAt && health.tickAgeSeconds > LATE_TICK_SECONDS) {
    reasons.push({ isBad: true, text: `No tick has ended for ${duration(health.tickAgeSeconds)}. Cloud Scheduler starts one every 10 minutes.` });
  }
  if (health.dutiesFailed) {
    reasons.push({ isBad: true, text: `${counted(health.dutiesFailed, "duty", "duties")} of the last tick failed. Its log says why.` });
  }
  for (const [reason, batches] of byReason(failing)) {
    const [{ id, lastError }] = batches;
    const isOne = batches.length === 1;
    reasons.push({
      isBad: lastError.needsOperator,
      text: `${isOne ? "A batch does" : `${number(batches.length)} batches do`} not go on: ${reason}.`,
      href: isOne ? `/batches/${encodeURIComponent(id)}` : "/batches?status=open",
      link: isOne ? "See the batch" : "See the batches",
    });
  }
  if (queue.scheduler.heldBy === "stopped") {
    reasons.push({ isBad: false, text: "Submission is stopped. Queued jobs wait until it is started again." });
  }
  for (const lane of queue.lanes.filter(({ backsOffUntil }) => backsOffUntil)) {
    reasons.push({ isBad: false, text: html`<${Lane} lane=${lane.lane} /> is left alone until <${Time} at=${lane.backsOffUntil} />: the provider has no room, or trouble.` });
  }
  for (const { lane, usersWaiting } of queue.lanes.filter((each) => each.usersWaiting)) {
    reasons.push({ isBad: false, text: html`Jobs of ${counted(usersWaiting, "user")} wait in <${Lane} lane=${lane} />: they troubled the provider again and again.` });
  }
  return reasons;
}

function byReason(failing) {
  const reasons = new Map();
  for (const batch of failing) {
    const { reason } = batch.lastError;
    reasons.set(reason, [...(reasons.get(reason) ?? []), batch]);
  }
  return reasons;
}

function Verdict({ reasons }) {
  const isBad = reasons.some((reason) => reason.isBad);
  const tone = isBad ? "bad" : reasons.length ? "warn" : "good";
  const said = isBad ? "The night needs you." : reasons.length ? "The night goes on, with one thing to know." : "The night goes well.";
  const several = !isBad && reasons.length > 1 ? "The night goes on, with some things to know." : said;
  return html`
    <div class="verdict tone-${tone}" role="status">
      <${Shape} name=${isBad ? "cross" : reasons.length ? "warn" : "check"} />
      <strong>${several}</strong>
      ${reasons.length
        ? html`<ul>${reasons.map(({ text, href, link }) => html`<li>${text}${href ? html` <a href=${href}>${link}</a>` : null}</li>`)}</ul>`
        : html`<span class="quiet">Ticks come, batches move, and no step is failing.</span>`}
    </div>
  `;
}

function figuresOf(first, queue, batches, now) {
  const sent = batches?.batches.filter(({ status }) => !["assembling", "sealed"].includes(status));
  const atProvider = sent?.reduce((sum, { jobs }) => sum + jobs, 0);
  const oldest = queue?.lanes.map(({ oldestQueuedAt }) => oldestQueuedAt).filter(Boolean).sort()[0];
  const { health, today, alerts } = first ?? {};
  const isLate = health?.tickAgeSeconds > LATE_TICK_SECONDS;
  const asked = alerts?.filter(({ kind }) => kind !== "savings_milestone").length;
  // A tick leaves what ended in the last two minutes to the next one.
  const counting = !first ? null : first.foldedUntil ? "counted by each tick" : "not counted yet";
  return [
    { name: "Queued", value: queue && numberOrMore(queue), note: queue && counted(queue.lanes.length, "lane") },
    {
      name: "At the provider",
      value: batches && number(atProvider),
      note: queue && counted(queue.openBatches, "open batch", "open batches"),
    },
    { name: "Answered today", value: today && number(today.completed), note: today && `${number(today.failed)} failed` },
    { name: "Spent today", value: today && dollars(today.costUsd), note: counting },
    { name: "Saved today", value: today && dollars(today.savedUsd), note: "against real time" },
    {
      name: "Oldest waiting",
      value: queue && (oldest ? html`<${Ago} at=${oldest} now=${now} />` : "none"),
      note: "since it was queued",
    },
    { name: "Open alerts", value: alerts && number(asked), note: html`<a href="/alerts">all alerts</a>`, isLoud: asked > 0 },
    {
      name: "Last tick",
      value: health && (health.lastTickAt ? html`<${Ago} at=${health.lastTickAt} now=${now} />` : "none yet"),
      note: health?.lastTickAt ? (isLate ? "ago: too long" : "ago") : "it comes every 10 minutes",
      isLoud: isLate,
    },
  ];
}

/** Of very many only some are counted. */
function numberOrMore({ queued, isCut }) {
  return `${number(queued)}${isCut ? "+" : ""}`;
}

function Lanes({ lanes, now }) {
  return html`
    <${Table}
      caption="Queued jobs by lane"
      rows=${lanes}
      keyOf=${({ lane }) => lane}
      empty=${{ title: "Nothing waits.", children: "Every job that was admitted is in a batch, or has ended." }}
      columns=${[
        { head: "Lane", cell: ({ lane }) => html`<${Lane} lane=${lane} />` },
        { head: "Queued", isNumber: true, cell: numberOrMore },
        { head: "Oldest", isNumber: true, cell: ({ oldestQueuedAt }) => html`<${Ago} at=${oldestQueuedAt} now=${now} />` },
        { head: "Last sent", isNumber: true, cell: ({ lastSubmittedAt }) => html`<${Time} at=${lastSubmittedAt} />` },
      ]}
    />
  `;
}

/** Sending what waits, and holding it back. */
function Submission({ queue }) {
  const { data, refresh } = queue;
  if (!data) return null;
  const isStopped = data.scheduler.isStopped;
  const stop = html`<${Action}
    label="Stop submission"
    isGrave
    ask=${{
      title: "Stop the submission of new batches?",
      text: html`<p>Queued jobs wait until it is started again. What is at the provider is answered, refunds and instant answers go on.</p>`,
      confirm: "Stop it",
    }}
    send=${() => post("/scheduler/stop")}
    done=${refresh}
  />`;
  const start = html`<${Action} label="Start submission" isFirst send=${() => post("/scheduler/start")} done=${refresh} />`;
  return html`<${SendQueued} queue=${queue} label=${() => "Send now"} done=${refresh} />${isStopped ? start : stop}`;
}
