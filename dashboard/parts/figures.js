import { html } from "../html.js";

/** A few numbers that matter: `[{name, value, note, isLoud}]`. While they come, bones stand there. */
export function Figures({ figures }) {
  const columns = figures.length > 5 ? Math.ceil(figures.length / 2) : figures.length;
  return html`
    <dl class="figures" style=${{ "--columns": columns }}>
      ${figures.map(
        ({ name, value, note, isLoud }) => html`
          <div class=${isLoud ? "is-loud" : ""}>
            <dt>${name}</dt>
            <dd>${value === undefined || value === null ? html`<span class="bone" style=${{ width: "4.5rem" }} />` : value}</dd>
            <dd class="note">${note ?? " "}</dd>
          </div>
        `,
      )}
    </dl>
  `;
}
