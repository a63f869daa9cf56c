import { number, percent } from "../format.js";
import { html } from "../html.js";
import { State } from "./state.js";

const COLOURS = { completed: "var(--good)", failed: "var(--bad)", cancelled: "var(--edge)" };

/** How far something is, by `{total, open, completed, failed, cancelled}`: as a bar, and in words. */
export function Progress({ counts, isShort }) {
  const { total = 0 } = counts;
  if (!total) return null;
  const ended = total - (counts.open ?? 0);
  let from = 0;
  const parts = Object.entries(COLOURS).map(([name, fill]) => {
    const width = (100 * (counts[name] ?? 0)) / total;
    const part = html`<rect x=${from} y="0" width=${width} height="10" fill=${fill} />`;
    from += width;
    return part;
  });
  const said = `${percent(ended / total)} of ${number(total)}`;
  return html`
    <div class="progress">
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${said}>${parts}</svg>
      ${isShort
        ? html`<span class="small quiet">${said}</span>`
        : html`<ul class="legend">
            ${["completed", "failed", "cancelled", "open"].map((name) =>
              counts[name] ? html`<li><${State} status=${name} /> ${number(counts[name])}</li>` : null,
            )}
          </ul>`}
    </div>
  `;
}
