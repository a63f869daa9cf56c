// Plots, drawn as SVG from the same rows as the table beside each. A plot is read out as one sentence.
import { html, useEffect, useRef, useState } from "../html.js";
import { Table } from "./table.js";

const HEIGHT = 220;
const MARGIN = { top: 12, right: 8, bottom: 26, left: 58 };

/**
 * Bars over days, and the table of the same. `rows` are `[{label, …}]`, the oldest first; a series is
 * `{name, value, kind}`, whose value may be null where nothing is known. Bars of several series stand on each other.
 * `topOf` says where the scale ends, by the largest value.
 */
export function Plot({ title, rows, series, format, topOf = niceAbove, columns }) {
  const frame = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  const sums = rows.map((row) => series.reduce((sum, { value }) => sum + (value(row) ?? 0), 0));
  const top = topOf(Math.max(...sums, 0));
  return html`
    <div class="plotted">
      <figure class="plot" ref=${frame}>
        ${series.length > 1
          ? html`<figcaption><ul class="legend">${series.map(({ name, kind }) => html`<li><${Swatch} kind=${kind} /> ${name}</li>`)}</ul></figcaption>`
          : null}
        ${width ? html`<${Bars} ...${{ title, rows, series, format, top, width }} />` : html`<svg height=${HEIGHT} aria-hidden="true" />`}
      </figure>
      <div class="scrolled" tabindex="0" role="region" aria-label=${`${title}, as a table`}>
        <${Table} caption=${title} rows=${[...rows].reverse()} keyOf=${({ label }) => label} columns=${columns} empty=${{ title: "Nothing yet." }} />
      </div>
    </div>
  `;
}

function Swatch({ kind }) {
  return html`<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" rx="2" class=${`bar ${kind ?? ""}`} /></svg>`;
}

function Bars({ title, rows, series, format, top, width }) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const step = inner.width / Math.max(rows.length, 1);
  const bar = Math.max(2, step * 0.7);
  const y = (value) => MARGIN.top + inner.height * (1 - value / top);
  const marks = [0, top / 2, top];
  // As many names of days as have room.
  const every = Math.max(1, Math.ceil(rows.length / Math.max(1, Math.floor(inner.width / 64))));
  const last = rows.length - 1;
  return html`
    <svg viewBox=${`0 0 ${width} ${HEIGHT}`} width=${width} height=${HEIGHT} role="img" aria-label=${`${title}, by day; the table has each number.`}>
      ${marks.map((mark) => html`
        <line class="rule" x1=${MARGIN.left} x2=${width - MARGIN.right} y1=${y(mark)} y2=${y(mark)} />
        <text x=${MARGIN.left - 8} y=${y(mark) + 4} text-anchor="end">${format(mark)}</text>
      `)}
      ${rows.map((row, at) => {
        let below = 0;
        const x = MARGIN.left + at * step + (step - bar) / 2;
        return html`
          ${series.map(({ value, kind }) => {
            const amount = value(row) ?? 0;
            const from = y(below + amount);
            const height = Math.max(0, y(below) - from);
            below += amount;
            return height ? html`<rect class=${`bar ${kind ?? ""}`} x=${x} y=${from} width=${bar} height=${height} rx="1.5" />` : null;
          })}
          ${(last - at) % every === 0
            ? html`<text x=${x + bar / 2} y=${HEIGHT - 8} text-anchor=${at === last ? "end" : "middle"}>${row.label}</text>`
            : null}
        `;
      })}
    </svg>
  `;
}

/** The next of 1, 2, 5, 10, … that is not below it. */
function niceAbove(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((times) => times * power).find((nice) => nice >= value);
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The next time that people name, in seconds, that is not below it. So is its half. */
export function niceTimeAbove(seconds) {
  const named = [2, 4, 10, 20, 40, 60].map((minutes) => minutes * MINUTE);
  const long = [2, 4, 6, 8, 12, 24].map((hours) => hours * HOUR);
  return [...named, ...long].find((nice) => nice >= seconds) ?? 2 * DAY * Math.ceil(seconds / (2 * DAY));
}
