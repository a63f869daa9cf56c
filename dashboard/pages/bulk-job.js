// One bulk job: how far it is, when it will be done, what failed and why, and what can be done.
import { get, post } from "../api.js";
import { counted, moment, number, timeOf, words } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { useListened, useNow } from "../live.js";
import { Action } from "../parts/action.js";
import { Bones } from "../parts/bones.js";
import { useMore } from "../parts/more.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Pairs, Panel } from "../parts/page.js";
import { Progress } from "../parts/progress.js";
import { State } from "../parts/state.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";
import { nameOf, priceOf } from "./bulk-jobs.js";

const ENDED = ["completed", "failed", "cancelled"];
// How many failed rows are looked at for their codes: pages of a hundred.
const MOST_PAGES = 10;
// A wider range than this only says by when at the latest.
const FORETOLD_MS = 12 * 3_600_000;

export default function BulkJobPage({ id, session }) {
  const path = `/bulk-jobs/${encodeURIComponent(id)}`;
  const { data, problem, at, refresh } = useListened(
    async (hear, fail) => (await import("../database.js")).listenToBulkJob(id, hear, fail),
    [id],
  );
  const [told, setTold] = useState(null);
  const now = useNow();
  const tell = (text) => setTold({ text, status: data.status });
  // What was told of a beginning is old once the end is there.
  const isNews = told && !data?.wish && (told.status === data?.status || !ENDED.includes(data?.status));
  return html`
    <${Page} title=${data ? nameOf(data) : "Bulk job"} crumb=${["/bulk", "Bulk jobs"]}
      lead=${data ? html`${words(data.type)}, ${data.mode ?? "batch"} <span class="id">${id}</span>` : null}
      actions=${data ? html`<${Wishes} bulk=${data} path=${path} tell=${tell} />` : null}>
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${isNews ? html`<${Notice} tone="good" title=${told.text} />` : null}
      ${data
        ? html`<${Shown} bulk=${data} path=${path} uid=${session.user.uid} tell=${tell} now=${now} />`
        : problem
          ? null
          : html`<${Panel}><${Bones} lines=${8} /><//>`}
    <//>
  `;
}

function Shown({ bulk, path, uid, tell, now }) {
  const { status, wish, counts, quote, errorMessage, errorCode } = bulk;
  const action = wish?.action ?? wish;
  return html`
    ${action ? html`<${Notice} tone="busy" shape="half" title=${`You asked to ${action} it; a worker is on its way.`} />` : null}
    ${status === "failed" ? html`<${Notice} tone="bad" title=${errorMessage ?? words(errorCode)}>${errorCode ? `Code: ${errorCode}` : null}<//>` : null}
    ${status === "quoted" ? html`<${Quote} bulk=${bulk} path=${path} uid=${uid} tell=${tell} />` : null}
    <${Panel} title="Progress">
      <p><${State} status=${status} /></p>
      ${counts?.total ? html`<${Progress} counts=${counts} />` : null}
      <${Eta} bulk=${bulk} now=${now} />
    <//>
    ${counts?.failed || counts?.cancelled || bulk.firstErrors?.length ? html`<${Failures} bulk=${bulk} path=${path} />` : null}
    ${bulk.files ? html`<${Files} files=${bulk.files} path=${path} />` : null}
    <div class="beside">
      <${Panel} title="What is known">
        <${Pairs} pairs=${[
          ["Mode", bulk.mode ?? "batch"],
          ["Price", quote && status !== "quoted" ? `${counted(priceOf(bulk), "token")} for ${counted(quote.items, "row")}` : null],
          ["Rows that cannot be asked", quote?.invalid ? number(quote.invalid) : null],
          ["Template", bulk.template && html`<pre>${Object.entries(bulk.template).map(([field, text]) => `${field}: ${text}`).join("\n")}</pre>`],
          ["Key column", bulk.keyColumn],
          ["Written", html`<${Time} at=${bulk.createdAt} now=${now} />`],
          ["Began", bulk.startedAt && html`<${Time} at=${bulk.startedAt} now=${now} />`],
          ["Ended", bulk.completedAt && html`<${Time} at=${bulk.completedAt} now=${now} />`],
        ]} />
      <//>
    </div>
    ${["created", "reading", "quoted"].includes(status) || !counts?.total ? null : html`<${Rows} path=${path} counts=${counts} />`}
  `;
}

/** What it costs, before any of it is charged. */
function Quote({ bulk, path, uid, tell }) {
  const { quote, speed } = bulk;
  const wallet = useListened(async (hear, fail) => (await import("../database.js")).listenToWallet(uid, hear, fail), [uid]);
  if (!quote) return null;
  const tokens = priceOf(bulk);
  const balance = wallet.data?.balance;
  const isShort = balance !== undefined && balance < tokens;
  return html`
    <${Panel} title="The price, before anything is charged">
      <${Pairs} pairs=${[
        ["Rows to be answered", number(quote.items)],
        ["Rows that cannot be asked", `${number(quote.invalid)}, which cost nothing`],
        ["Left out", quote.duplicates || quote.skipped ? `${number((quote.duplicates ?? 0) + (quote.skipped ?? 0))} equal or completed rows` : null],
        ["Price", html`<strong>${counted(tokens, "token")}</strong>, ${speed === "instant" ? "answered at once" : "answered overnight"}`],
        ["At once", speed === "instant" ? null : `${number(quote.tokensInstant)} tokens, in a new bulk job of the mode instant`],
        ["You have", balance === undefined ? null : counted(balance, "token")],
      ]} />
      ${isShort ? html`<${Notice} tone="warn" title=${`Your wallet lacks ${counted(tokens - balance, "token")}.`}>It waits here until you have them.<//>` : null}
      <div class="actions">
        <${Action}
          label=${`Begin for ${counted(tokens, "token")}`}
          isFirst
          ask=${{ title: `Charge ${counted(tokens, "token")}, and begin?`, text: html`<p>A row that fails gives its price back.</p>`, confirm: "Begin" }}
          send=${() => post(`${path}/confirm`, { maxTokens: tokens })}
          done=${() => tell("It begins.")}
        />
      </div>
    <//>
  `;
}

function Eta({ bulk, now }) {
  const { eta, status } = bulk;
  if (!eta || !["quoted", "running"].includes(status)) return null;
  const isMeasured = moment(eta.to) - moment(eta.from) < FORETOLD_MS;
  const said = isMeasured
    ? html`Done between <strong>${timeOf(eta.from, now)}</strong> and <strong>${timeOf(eta.to, now)}</strong>.`
    : html`Done by <strong>${timeOf(eta.to, now)}</strong> at the latest.`;
  return html`<p>${said} <span class="quiet">${eta.basis}</span></p>`;
}

function Wishes({ bulk, path, tell }) {
  const { status, counts } = bulk;
  if (bulk.wish) return null;
  const send = (wish, said, body) => ({ send: () => post(`${path}/${wish}`, body), done: () => tell(said) });
  const left = (counts?.failed ?? 0) + (counts?.cancelled ?? 0);
  const cancel = html`<${Action} label="Cancel" isGrave
    ask=${{ title: "Cancel this bulk job?", text: html`<p>${counts?.total ? `${counted(counts.completed, "row")} are answered; they stay, and are paid. ${counted(counts.open, "row")} are still open: their tokens come back.` : "Nothing was charged yet."}</p>`, confirm: "Cancel it" }}
    ...${send("cancel", "It is cancelled.")} />`;
  if (status === "running") {
    return html`<${Action} label="Pause"
      ask=${{ title: "Pause this bulk job?", text: html`<p>No further part is started. What the provider has goes on.</p>`, confirm: "Pause it" }}
      ...${send("pause", "It is paused.")} />${cancel}`;
  }
  if (status === "paused") return html`<${Action} label="Go on" isFirst ...${send("resume", "It goes on.")} />${cancel}`;
  if (["created", "reading", "quoted"].includes(status)) return cancel;
  if (ENDED.includes(status) && left) {
    return html`<${Action} label=${`Run ${counted(left, "row")} again`} isFirst
      ask=${{ title: `Run ${counted(left, "row")} again?`, text: html`<p>All rows that failed or were cancelled, not only those that you see. You get the price first; nothing is charged before you say yes.</p>`, confirm: "Get the price" }}
      ...${send("retry", "The rest is priced again.", {})} />`;
  }
  return null;
}

/** What failed, by code; with an example each. */
function Failures({ bulk, path }) {
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const failed = bulk.counts?.failed ?? 0;
  useEffect(() => {
    let isOver = false;
    countByCode(path).then((counted) => isOver || setFound(counted), (failure) => isOver || setProblem(failure));
    return () => {
      isOver = true;
    };
  }, [path, failed]);
  const rows = found?.codes ?? byCode(bulk.firstErrors ?? []);
  return html`
    <${Panel} title="What failed, and why" note=${found?.isCut ? `Of the first ${number(found.rows)} failed rows.` : null}>
      <${Trouble} problem=${problem} />
      <${Table}
        caption="Failures by code"
        rows=${rows}
        keyOf=${({ code }) => code}
        empty=${{ title: "No row has failed." }}
        columns=${[
          { head: "Code", cell: ({ code }) => html`<code>${code}</code>` },
          { head: "Rows", isNumber: true, cell: ({ rows: count }) => number(count) },
          { head: "For example", cell: ({ row, message }) => html`row ${number(row)}: ${message}` },
        ]}
      />
    <//>
  `;
}

async function countByCode(path) {
  const errors = [];
  let token = null;
  let pages = 0;
  do {
    const { data } = await get(`${path}/items?status=failed&pageSize=100${token ? `&pageToken=${encodeURIComponent(token)}` : ""}`);
    errors.push(...data.items.map(({ row, errorCode, errorMessage }) => ({ row, code: errorCode ?? "failed", message: errorMessage ?? "" })));
    token = data.nextPageToken ?? null;
    pages += 1;
  } while (token && pages < MOST_PAGES);
  return { codes: byCode(errors), rows: errors.length, isCut: Boolean(token) };
}

function byCode(errors) {
  const codes = new Map();
  for (const { row, code, message } of errors) {
    const known = codes.get(code);
    if (known) known.rows += 1;
    else codes.set(code, { code, row, message, rows: 1 });
  }
  return [...codes.values()].sort((one, other) => other.rows - one.rows);
}

function Files({ files, path }) {
  const [problem, setProblem] = useState(null);
  const fetchFile = (format) => async () => {
    setProblem(null);
    try {
      const { data } = await get(`${path}/download?format=${format}`);
      // A link to this one file, for 15 minutes. It opens beside this page, which stays.
      const link = document.createElement("a");
      link.href = data.url;
      link.download = data.name;
      link.rel = "noreferrer";
      link.target = "_blank";
      link.click();
    } catch (failure) {
      setProblem(failure);
    }
  };
  const names = { csv: "All rows (CSV)", jsonl: "All rows (JSONL)", errors: "Failed rows (CSV)", zip: "All of it (ZIP)" };
  return html`
    <${Panel} title="Result files" note="CSV files are safe to open in a spreadsheet.">
      <${Trouble} problem=${problem} />
      <div class="actions">
        ${Object.entries(names).map(([format, name]) => files[format] ? html`<button type="button" class="button" onClick=${fetchFile(format)}>${name}</button>` : null)}
      </div>
    <//>
  `;
}

function Rows({ path, counts }) {
  const [status, setStatus] = useState("");
  const [first, setFirst] = useState({ data: null, problem: null });
  const list = `${path}/items?pageSize=20${status ? `&status=${status}` : ""}`;
  const ended = (counts?.completed ?? 0) + (counts?.failed ?? 0) + (counts?.cancelled ?? 0);
  useEffect(() => {
    let isOver = false;
    get(list).then(({ data }) => isOver || setFirst({ data, problem: null }), (problem) => isOver || setFirst({ data: null, problem }));
    return () => {
      isOver = true;
    };
  }, [list, ended]);
  const { rows, button } = useMore(list, first.data, "items");
  return html`
    <${Panel} title="Rows" actions=${html`
      <label class="unseen" for="row-state">State of the rows</label>
      <select id="row-state" value=${status} onChange=${(event) => setStatus(event.target.value)}>
        <option value="">all</option>
        ${["open", "completed", "failed", "cancelled"].map((name) => html`<option value=${name}>${name}</option>`)}
      </select>`}>
      <${Trouble} problem=${first.problem} />
      ${first.data
        ? html`<${Table}
            caption="Rows"
            rows=${rows}
            keyOf=${({ row }) => row}
            empty=${{ title: status ? "No row is in this state." : "No row can be shown yet." }}
            columns=${[
              { head: "Row", isNumber: false, cell: ({ row, key }) => html`${number(row)}${key ? html`<span class="sub">key ${key}</span>` : null}` },
              { head: "State", cell: ({ status: is, sameAs }) => (is ? html`<${State} status=${is} />` : `as row ${number(sameAs)}`) },
              { head: "Source", cell: ({ columns }) => html`<${Fields} fields=${columns} />` },
              { head: "Answer", cell: ({ result, errorMessage }) => (result ? html`<${Fields} fields=${result} />` : (errorMessage ?? "–")) },
            ]}
          />${button}`
        : first.problem
          ? null
          : html`<${Bones} lines=${6} />`}
    <//>
  `;
}

const MOST_FIELDS = 6;
// A longer text is whole in the result files.
const MOST_CHARACTERS = 240;

function Fields({ fields }) {
  const shown = Object.entries(fields ?? {}).slice(0, MOST_FIELDS);
  return html`<span class="small">${shown.map(
    ([name, value]) => html`<span class="quiet">${name}</span> <bdi>${clipped(value)}</bdi><br />`,
  )}</span>`;
}

function clipped(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} …` : text;
}
