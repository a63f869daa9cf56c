// A new bulk job: bring a file, see five rows as they will be asked, and get the price. Nothing is charged here.
import { get, newKey, post } from "../api.js";
import { firstRows, namedColumns, rendered } from "../csv.js";
import { counted, percent, words } from "../format.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { go } from "../router.js";

const SHOWN_ROWS = 5;
const MODES = [
  ["batch", "Overnight", "The low price. Done within a day, mostly within hours."],
  ["instant", "At once", "The high price. Done as fast as the provider answers."],
  ["auto", "You choose for me", "A few rows are answered at once, many overnight."],
];

export default function NewBulkJob() {
  const [types, setTypes] = useState(null);
  const [file, setFile] = useState(null);
  const [source, setSource] = useState(null);
  const [problem, setProblem] = useState(null);
  const [form, setForm] = useState({ type: "", text: "", mode: "batch", key: "", dedupe: false });
  const [step, setStep] = useState(null);
  const key = useRef(null);
  const place = useRef(null);

  useEffect(() => {
    get("/job-types").then(({ data }) => setTypes(data.jobTypes), setProblem);
  }, []);

  const take = async (chosen) => {
    if (!chosen) return;
    setProblem(null);
    setSource(null);
    setFile(chosen);
    place.current = null;
    key.current = null;
    try {
      const found = await firstRows(chosen, SHOWN_ROWS);
      setSource(found);
      const isPlain = found.columns.includes("text") || found.columns.includes("imageUri");
      setForm((old) => ({ ...old, text: isPlain ? "" : `{{${found.columns[0]}}}`, key: "" }));
    } catch (failure) {
      setProblem(failure);
    }
  };
  const set = (name) => (event) => {
    key.current = null;
    const { type, checked, value } = event.target;
    setForm({ ...form, [name]: type === "checkbox" ? checked : value });
  };
  const unknown = source ? namedColumns(form.text).filter((name) => !source.columns.includes(name)) : [];
  const send = async (event) => {
    event.preventDefault();
    const missing = !source ? "Choose a file first." : !form.type ? "Choose what is asked about each row." : unknown.length ? "Mend the template first." : null;
    if (step || missing) {
      if (missing) setProblem(new Error(missing));
      return;
    }
    setProblem(null);
    try {
      if (!place.current) {
        setStep("Uploading …");
        const { uploadSource } = await import("../uploading.js");
        place.current = await uploadSource(file, source.format, (share) => setStep(`Uploading … ${percent(share)}`));
      }
      setStep("Asking for the price …");
      key.current ??= newKey();
      const { id } = await post("/bulk-jobs", wish(form, place.current, source.format), { key: key.current });
      go(`/bulk/${encodeURIComponent(id)}`);
    } catch (failure) {
      setProblem(failure);
      setStep(null);
    }
  };
  return html`
    <${Page} title="New bulk job" crumb=${["/bulk", "Bulk jobs"]} lead="Bring a table. You see what will be asked, and the price, before anything is charged.">
      <${Trouble} problem=${problem} />
      <form onSubmit=${send} novalidate>
        <${Panel} title="1. The file"><${Drop} file=${file} source=${source} take=${take} /><//>
        ${source ? html`<${Question} form=${form} set=${set} types=${types} source=${source} unknown=${unknown} />` : null}
        ${source ? html`<${Preview} form=${form} source=${source} />` : null}
        ${source
          ? html`<${Panel} title="4. How fast">
              <fieldset>
                <legend class="unseen">How fast</legend>
                ${MODES.map(([value, name, what]) => html`
                  <label class="option">
                    <input type="radio" name="mode" value=${value} checked=${form.mode === value} onChange=${set("mode")} />
                    <span>${name}</span>
                    <small>${what} ${priceOf(types, form.type, value)}</small>
                  </label>
                `)}
              </fieldset>
              <div class="actions">
                <button class="button is-first" aria-disabled=${Boolean(step)}>${step ?? "Upload, and get the price"}</button>
                <span class="quiet small">Nothing is charged before you confirm the price.</span>
              </div>
            <//>`
          : null}
      </form>
    <//>
  `;
}

function Drop({ file, source, take }) {
  const [isOver, setIsOver] = useState(false);
  const over = (event) => {
    event.preventDefault();
    setIsOver(true);
  };
  const drop = (event) => {
    event.preventDefault();
    setIsOver(false);
    take(event.dataTransfer.files[0]);
  };
  return html`
    <div class="drop${isOver ? " is-over" : ""}" onDragOver=${over} onDragLeave=${() => setIsOver(false)} onDrop=${drop}>
      <label for="file"><strong>${file ? html`<bdi>${file.name}</bdi>` : "Drop a CSV or JSONL file here, or choose one"}</strong></label>
      <input id="file" type="file" accept=".csv,.tsv,.txt,.jsonl,.ndjson,text/csv" onChange=${(event) => take(event.target.files[0])} />
      ${source
        ? html`<p class="quiet small">${counted(source.columns.length, "column")}: ${source.columns.slice(0, 12).join(", ")}${source.columns.length > 12 ? " …" : ""}</p>`
        : html`<p class="quiet small">The first line names the columns. At most 100 MB and 50,000 rows.</p>`}
    </div>
  `;
}

function Question({ form, set, types, source, unknown }) {
  const isPlain = !form.text;
  return html`
    <${Panel} title="2. What is asked">
      <div class="field">
        <label for="type">About each row</label>
        <select id="type" required value=${form.type} onChange=${set("type")}>
          <option value="" disabled>choose</option>
          ${(types ?? []).map(({ name, title }) => html`<option value=${name}>${words(name)} (${title})</option>`)}
        </select>
      </div>
      <div class="field">
        <label for="template">Text, with <code>${"{{column}}"}</code> where a row's value goes</label>
        <textarea id="template" value=${form.text} onInput=${set("text")} aria-invalid=${unknown.length > 0} aria-describedby="template-note"
          placeholder=${isPlain ? "empty: the columns text and imageUri are taken as they are" : ""} />
        <div id="template-note">
          ${unknown.length ? html`<p class="wrong">The file has no column ${unknown.join(", ")}.</p>` : null}
          <small>Columns: ${source.columns.slice(0, 12).map((name) => html`<code>${`{{${name}}}`}</code> `)}</small>
        </div>
      </div>
      <div class="filters">
        <div class="field">
          <label for="key">Column that identifies a row</label>
          <select id="key" value=${form.key} onChange=${set("key")}>
            <option value="">none</option>
            ${source.columns.map((name) => html`<option value=${name}>${name}</option>`)}
          </select>
        </div>
        <label class="option">
          <input type="checkbox" checked=${form.dedupe} onChange=${set("dedupe")} />
          <span>Ask equal rows once</span>
          <small>They are paid once, too.</small>
        </label>
      </div>
    <//>
  `;
}

function Preview({ form, source }) {
  const plain = (row) => [{ text: [row.text, row.imageUri].filter(Boolean).join("\n"), isValue: true }];
  const made = source.rows.map((row) => (form.text ? rendered(form.text, row) : plain(row)));
  const isEmpty = (pieces) => pieces.every(({ text }) => !text);
  return html`
    <${Panel} title="3. The first rows, as they will be asked">
      <ol class="texts">
        ${made.map((pieces, at) => html`<li><span class="quiet small">row ${at + 1}</span><pre>${isEmpty(pieces) ? "(nothing: this row will fail, and cost nothing)" : pieces.map(({ text, isValue }) => (isValue ? html`<bdi>${text}</bdi>` : text))}</pre></li>`)}
      </ol>
      ${made.some(isEmpty) ? html`<${Notice} tone="warn" title="A row without a text or a photo cannot be asked." /> ` : null}
    <//>
  `;
}

function wish({ type, text, mode, key, dedupe }, uri, format) {
  return {
    type,
    mode,
    source: { uri, format },
    ...(text ? { template: { text } } : {}),
    ...(key ? { keyColumn: key } : {}),
    ...(dedupe ? { dedupe } : {}),
  };
}

function priceOf(types, name, mode) {
  const type = types?.find((each) => each.name === name);
  if (!type || mode === "auto") return "";
  return `${counted(mode === "instant" ? type.instantTokens : type.batchTokens, "token")} a row.`;
}
