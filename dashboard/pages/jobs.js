// Finding a job, and running failed jobs again: all that match, not those that are shown.
import { get, post } from "../api.js";
import { counted } from "../format.js";
import { html, useState } from "../html.js";
import { usePolled } from "../live.js";
import { Action } from "../parts/action.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
import { JobTable } from "../parts/jobs.js";
import { useMore } from "../parts/more.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { priced } from "../parts/send-again.js";
import { go, withFilters } from "../router.js";

const STATES = [
  ["", "All"],
  ["queued", "Queued"],
  ["processing", "Being answered"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];
const HOUR_MS = 3_600_000;
const SINCE = [
  ["1", "the last hour"],
  ["24", "the last 24 hours"],
  ["168", "the last 7 days"],
  ["", "any time"],
];

export default function Jobs({ place }) {
  const user = place.query.get("user");
  return html`
    <${Page} title="Jobs" lead="Find one job by its id, or all jobs of a user. Or run failed jobs again.">
      <${Find} user=${user} place=${place} />
      ${user ? html`<${OfUser} user=${user} place=${place} />` : null}
      <${RunAgain} />
    <//>
  `;
}

function Find({ user }) {
  const [job, setJob] = useState("");
  const [uid, setUid] = useState(user ?? "");
  const find = (event) => {
    event.preventDefault();
    if (job.trim()) go(`/jobs/${encodeURIComponent(job.trim())}`);
  };
  const list = (event) => {
    event.preventDefault();
    if (uid.trim()) go(`/jobs?user=${encodeURIComponent(uid.trim())}`);
  };
  return html`
    <${Panel} title="Find">
      <div class="beside">
        <form role="search" onSubmit=${find}>
          <div class="field">
            <label for="job">Job id</label>
            <input id="job" required autocomplete="off" spellcheck="false" value=${job} onInput=${(event) => setJob(event.target.value)} />
            <small>The id of its document in <code>ai_jobs</code>.</small>
          </div>
          <div><button class="button is-first">Show the job</button></div>
        </form>
        <form role="search" onSubmit=${list}>
          <div class="field">
            <label for="user">User id</label>
            <input id="user" required autocomplete="off" spellcheck="false" value=${uid} onInput=${(event) => setUid(event.target.value)} />
            <small>The user's uid in Firebase Auth.</small>
          </div>
          <div><button class="button is-first">Show the user's jobs</button></div>
        </form>
      </div>
    <//>
  `;
}

function OfUser({ user, place }) {
  const status = place.query.get("status");
  const path = `/users/${encodeURIComponent(user)}/jobs?pageSize=25${status ? `&status=${encodeURIComponent(status)}` : ""}`;
  const { data, problem, at, refresh } = usePolled(path, 15);
  const { rows, button } = useMore(path, data, "jobs");
  const empty = status
    ? { title: "No job of this user is in this state.", action: html`<a class="button" href=${withFilters(place, { status: "" })}>Show all</a>` }
    : { title: "This user has no jobs.", children: "Look whether the uid is right: it is case-sensitive." };
  return html`
    <${Panel} title="Jobs of one user" note=${html`<span class="id">${user}</span>, the newest first`}>
      <${Choices} label="State" name="status" choices=${STATES} place=${place} />
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      ${data ? html`<${JobTable} jobs=${rows.map(({ userId, ...job }) => job)} empty=${empty} />${button}` : problem ? null : html`<${Bones} lines=${6} />`}
    <//>
  `;
}

/** All failed jobs that match a filter: counted and priced, then ordered. */
function RunAgain() {
  const [filter, setFilter] = useState({ code: "", type: "", hours: "24" });
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  const [told, setTold] = useState(null);
  const set = (name) => (event) => {
    setFilter({ ...filter, [name]: event.target.value });
    setFound(null);
  };
  const count = async (event) => {
    event.preventDefault();
    const wanted = wish(filter);
    if (!Object.keys(wanted).length) {
      setProblem(new Error("Choose at least one of error code, type and time."));
      return;
    }
    setIsBusy(true);
    setProblem(null);
    setTold(null);
    try {
      const { data } = await get(`/failed-jobs?${new URLSearchParams(wanted)}`);
      setFound({ wanted, price: data });
    } catch (failure) {
      setProblem(failure);
    }
    setIsBusy(false);
  };
  return html`
    <${Panel} title="Run failed jobs again" note="All that match are counted and priced first. Jobs that a user cancelled have the code cancelled.">
      <form onSubmit=${count}>
        <div class="filters">
          <div class="field">
            <label for="code">Error code</label>
            <input id="code" autocomplete="off" spellcheck="false" placeholder="any" value=${filter.code} onInput=${set("code")} />
          </div>
          <div class="field">
            <label for="type">Job type</label>
            <input id="type" autocomplete="off" spellcheck="false" placeholder="any" value=${filter.type} onInput=${set("type")} />
          </div>
          <div class="field">
            <label for="hours">Failed in</label>
            <select id="hours" value=${filter.hours} onChange=${set("hours")}>
              ${SINCE.map(([hours, word]) => html`<option value=${hours}>${word}</option>`)}
            </select>
          </div>
          <button class="button" aria-disabled=${isBusy}>${isBusy ? "Counting …" : "Count them"}</button>
        </div>
      </form>
      <${Trouble} problem=${problem} />
      <div role="status">
        ${told ? html`<${Notice} tone="good" title=${told} />` : null}
        ${found ? html`<${Found} found=${found} done=${() => { setFound(null); setTold("The order is on record. The jobs are queued again, and go out with the next batch."); }} />` : null}
      </div>
    <//>
  `;
}

function Found({ found: { wanted, price }, done }) {
  if (!price.jobs) return html`<p>No failed job matches.</p>`;
  const count = `${price.isCut ? "more than " : ""}${counted(price.jobs, "failed job")}`;
  return html`
    <div class="actions">
      <p><strong>${count}</strong> match. ${priced(price)}</p>
      <${Action}
        label="Run all of them again"
        isFirst
        ask=${{ title: `Run ${count} again?`, text: html`<p>${priced(price)} Their old notifications are deleted.</p>`, confirm: "Run them again" }}
        send=${(key) => post("/jobs/retry", wanted, { key })}
        done=${done}
      />
    </div>
  `;
}

function wish({ code, type, hours }) {
  const since = hours ? new Date(Date.now() - Number(hours) * HOUR_MS).toISOString() : "";
  return Object.fromEntries(Object.entries({ code: code.trim(), type: type.trim(), since }).filter(([, value]) => value));
}
