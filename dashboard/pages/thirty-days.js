// Thirty days: how well it went, how long answers took, what they cost, and what was saved. Plots, each with its table.
import { dayOf, dollars, duration, number, percent, words } from "../format.js";
import { html } from "../html.js";
import { usePolled } from "../live.js";
import { Bones } from "../parts/bones.js";
import { Figures } from "../parts/figures.js";
import { Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { niceTimeAbove, Plot } from "../parts/plot.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

export default function ThirtyDays() {
  const metrics = usePolled("/metrics", 60);
  const savings = usePolled("/savings", 60);
  const { data } = metrics;
  const lead = data?.foldedUntil
    ? html`Days are in UTC. What ended before <${Time} at=${data.foldedUntil} /> is counted.`
    : "Days are in UTC. Each tick counts what has ended.";
  return html`
    <${Page} title="Thirty days" lead=${lead}>
      <${Trouble} problem=${metrics.problem ?? savings.problem} at=${metrics.at} again=${() => [metrics, savings].map(({ refresh }) => refresh())} />
      ${!data && metrics.problem ? null : html`<${Figures} figures=${figuresOf(data?.total, savings.data)} />`}
      ${data ? html`<${Days} days=${data.days.map((day) => ({ ...day, label: dayOf(`${day.day}T12:00:00Z`) }))} />` : metrics.problem ? null : html`<${Panel}><${Bones} lines=${10} /><//>`}
      ${savings.data ? html`<${Saved} savings=${savings.data} />` : null}
    <//>
  `;
}

function figuresOf(total, savings) {
  return [
    { name: "Completed", value: total && number(total.completed), note: total && `${number(total.failed)} failed` },
    { name: "Success", value: total && percent(total.successRate), note: "of what ended" },
    { name: "Median wait", value: total && duration(total.medianWaitSeconds), note: total && `95 of 100 within ${duration(total.p95WaitSeconds)}` },
    { name: "Spent", value: total && dollars(total.costUsd), note: total && `${dollars(total.usdPerCompletedJob)} a job` },
    { name: "Saved", value: total && dollars(total.savedUsd), note: savings && `${dollars(savings.allTime.savedUsd)} since the beginning` },
  ];
}

function Days({ days }) {
  const day = { head: "Day", cell: ({ label }) => label };
  const column = (head, cell) => ({ head, cell, isNumber: true });
  return html`
    <${Panel} title="Answers a day">
      <${Plot} title="Answers a day" rows=${days} format=${number}
        series=${[{ name: "completed", value: (row) => row.completed }, { name: "failed", value: (row) => row.failed, kind: "is-bad" }]}
        columns=${[day, column("Completed", (row) => number(row.completed)), column("Failed", (row) => number(row.failed))]} />
    <//>
    <${Panel} title="Success" note="How many of those that ended were answered.">
      <${Plot} title="Success a day" rows=${days} format=${percent} topOf=${() => 1}
        series=${[{ name: "answered", value: (row) => row.successRate }]}
        columns=${[day, column("Success", (row) => percent(row.successRate)), column("Sent again", (row) => number(row.retried))]} />
    <//>
    <${Panel} title="Waiting" note="From the request to the answer: half of them within this time.">
      <${Plot} title="Median wait a day" rows=${days} format=${duration} topOf=${niceTimeAbove}
        series=${[{ name: "median", value: (row) => row.medianWaitSeconds }]}
        columns=${[day, column("Median", (row) => duration(row.medianWaitSeconds)), column("95 of 100", (row) => duration(row.p95WaitSeconds))]} />
    <//>
    <${Panel} title="Cost, and what was saved" note="Both together are what the same answers would have cost in real time.">
      <${Plot} title="Cost and savings a day" rows=${days} format=${dollars}
        series=${[{ name: "spent", value: (row) => row.costUsd }, { name: "saved", value: (row) => row.savedUsd, kind: "is-second" }]}
        columns=${[day, column("Spent", (row) => dollars(row.costUsd)), column("Saved", (row) => dollars(row.savedUsd))]} />
    <//>
  `;
}

function Saved({ savings }) {
  const columns = (head, name) => [
    { head, cell: (row) => words(row[name]) },
    { head: "Completed", isNumber: true, cell: ({ completed }) => number(completed) },
    { head: "Spent", isNumber: true, cell: ({ costUsd }) => dollars(costUsd) },
    { head: "Saved", isNumber: true, cell: ({ savedUsd }) => dollars(savedUsd) },
  ];
  const empty = { title: "Nothing was saved yet.", children: "Each answer of a batch saves about half its price." };
  return html`
    <div class="beside">
      <${Panel} title="Saved by type">
        <${Share} rows=${savings.byType} name="type" />
        <${Table} caption="Saved by type" rows=${savings.byType} keyOf=${({ type }) => type} columns=${columns("Type", "type")} empty=${empty} />
      <//>
      <${Panel} title="Saved by provider">
        <${Share} rows=${savings.byProvider} name="provider" />
        <${Table} caption="Saved by provider" rows=${savings.byProvider} keyOf=${({ provider }) => provider} columns=${columns("Provider", "provider")} empty=${empty} />
      <//>
    </div>
  `;
}

/** One bar for each, as long as its part of the largest. */
function Share({ rows, name }) {
  const most = Math.max(...rows.map(({ savedUsd }) => savedUsd), 0);
  if (!most) return null;
  return html`
    <div class="shares" aria-hidden="true">
      ${rows.slice(0, 8).map((row) => html`
        <span class="small">${words(row[name])}</span>
        <svg viewBox="0 0 100 8" preserveAspectRatio="none"><rect class="bar is-second" width=${Math.max(0.5, (100 * Math.max(0, row.savedUsd)) / most)} height="8" rx="1" /></svg>
      `)}
    </div>
  `;
}
