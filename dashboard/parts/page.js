import { html, useEffect, useRef } from "../html.js";
import { hasMoved } from "../router.js";

/** One page: its title, which is the window's, too, and what can be done on it. */
export function Page({ title, lead, crumb, actions, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · Nightshift`;
  }, [title]);
  // Where a link leads is begun at its top, by eye and by ear. The first page is the browser's to begin.
  useEffect(() => {
    if (!hasMoved()) return;
    scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  return html`
    <main id="page">
      <div class="page-head">
        <div>
          ${crumb ? html`<p class="crumb"><a href=${crumb[0]}>← ${crumb[1]}</a></p>` : null}
          <h1 ref=${heading} tabindex="-1">${title}</h1>
          ${lead ? html`<p class="lead">${lead}</p>` : null}
        </div>
        ${actions ? html`<div class="actions">${actions}</div>` : null}
      </div>
      ${children}
    </main>
  `;
}

/** A part of a page. `title` is its heading. */
export function Panel({ title, note, actions, children }) {
  return html`
    <section class="panel">
      ${title
        ? html`<div class="panel-head">
            <div><h2>${title}</h2>${note ? html`<p>${note}</p>` : null}</div>
            ${actions ? html`<div class="actions">${actions}</div>` : null}
          </div>`
        : null}
      ${children}
    </section>
  `;
}

/** Names and what they stand for. A pair without a value is left out. */
export function Pairs({ pairs }) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<dl class="pairs">${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
