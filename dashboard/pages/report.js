// A day, a week or a month in one page, to be read or sent on.
import { get } from "../api.js";
import { counted, dayOf, dollars, duration, number, percent, words } from "../format.js";
import { html, useState } from "../html.js";
import { usePolled } from "../live.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
import { Figures } from "../parts/figures.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { go, withFilters } from "../router.js";

const PERIODS = [
  ["", "Day"],
  ["week", "Week"],
  ["month", "Month"],
];

export default function Report({ place }) {
  const period = place.query.get("period") ?? "day";
  const day = place.query.get("day");
  const query = new URLSearchParams({ period, ...(day ? { day } : {}) });
  const { data, problem, at, refresh } = usePolled(`/report?${query}`, 60);
  return html`
    <${Page} title="Report" lead=${data ? spanOf(data) : "What happened, what it cost, and what went wrong."} actions=${data ? html`<${Save} query=${query} report=${data} />` : null}>
      <div class="filters">
        <${Choices} label="Period" name="period" choices=${PERIODS} place=${place} />
        <div class="field">
          <label for="day">With this day (UTC)</label>
          <input id="day" type="date" value=${day ?? data?.since ?? ""} onChange=${(event) => go(withFilters(place, { day: event.target.value }))} />
        </div>
      </div>
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${data ? html`<${Shown} report=${data} />` : problem ? null : html`<${Panel}><${Bones} lines=${8} /><//>`}
    <//>
  `;
}

function spanOf({ since, until }) {
  const [from, to] = [since, until].map((day) => dayOf(`${day}T12:00:00Z`));
  return from === to ? `${from}, in UTC` : `${from} to ${to}, in UTC`;
}

function Shown({ report }) {
  const { total, batches, errors, groups, alerts, done } = report;
  const number_ = (head, cell) => ({ head, cell, isNumber: true });
  return html`
    ${report.isFinal ? null : html`<${Notice} tone="busy" shape="half" title="This is not final yet.">
      ${report.openBatches ? `${counted(report.openBatches, "batch", "batches")} of this period are still open.` : "The period is not over, or not counted yet."}
    <//>`}
    <${Figures} figures=${[
      { name: "Completed", value: number(total.completed), note: `${number(total.failed)} failed, ${number(total.cancelled)} cancelled` },
      { name: "Success", value: percent(total.successRate), note: "of what ended" },
      { name: "Median wait", value: duration(total.medianWaitSeconds), note: `95 of 100 within ${duration(total.p95WaitSeconds)}` },
      { name: "Spent", value: dollars(total.costUsd), note: `${dollars(total.usdPerCompletedJob)} a job` },
      { name: "Saved", value: dollars(total.savedUsd), note: "against real time" },
      { name: "Batches", value: number(batches.completed), note: `${number(batches.failed)} failed, ${number(batches.expired)} expired` },
    ]} />
    <${Panel} title="By type and model">
      <${Table} caption="By type and model" rows=${groups} empty=${{ title: "Nothing ended in this period." }}
        columns=${[
          { head: "Type", cell: ({ type, provider, model, mode }) => html`${words(type)}<span class="sub">${provider} · ${model}, ${mode}</span>` },
          number_("Completed", (row) => number(row.completed)),
          number_("Failed", (row) => number(row.failed)),
          number_("Spent", (row) => dollars(row.costUsd)),
          number_("Saved", (row) => dollars(row.savedUsd)),
        ]} />
    <//>
    <div class="beside">
      <${Panel} title="What went wrong">
        <${Table} caption="Errors by code" rows=${errors} keyOf=${({ code }) => code} empty=${{ title: "No job failed." }}
          columns=${[{ head: "Code", cell: ({ code }) => html`<code>${code}</code>` }, number_("Jobs", ({ jobs }) => number(jobs))]} />
        ${alerts.length ? html`<ul class="prose">${alerts.map(({ message }) => html`<li>${message}</li>`)}</ul>` : null}
      <//>
      <${Panel} title="What was done">
        <${Table} caption="What was done" rows=${[
          ["Jobs sent again", done.retried],
          ["Batches moved to another lane", done.moved],
          ["Batches stopped", done.stopped],
          ["Alerts acknowledged", done.acknowledged],
        ]} columns=${[{ head: "What", cell: ([name]) => name }, number_("How often", ([, times]) => number(times))]} />
      <//>
    </div>
  `;
}

/** The report as a file: Markdown for people, JSON for programs. */
function Save({ query, report }) {
  const [problem, setProblem] = useState(null);
  const save = (format) => async () => {
    setProblem(null);
    try {
      const wanted = new URLSearchParams([...query, ["format", format]]);
      const { data } = await get(`/report?${wanted}`, { isText: format === "md" });
      const text = format === "md" ? data : `${JSON.stringify(data, null, 2)}\n`;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: format === "md" ? "text/markdown" : "application/json" }));
      link.download = `nightshift-${report.period}-${report.since}.${format}`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (failure) {
      setProblem(failure);
    }
  };
  return html`
    <button type="button" class="button" onClick=${save("md")}>Save as Markdown</button>
    <button type="button" class="button" onClick=${save("json")}>Save as JSON</button>
    <${Trouble} problem=${problem} />
  `;
}
