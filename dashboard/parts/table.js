import { html } from "../html.js";
import { Empty } from "./empty.js";

/**
 * A table that becomes a list of cards on a narrow screen, and stays a table to a screen reader.
 * A column is `{head, cell, isNumber}`; `empty` is what stands where no row is.
 */
export function Table({ caption, columns, rows, keyOf, empty }) {
  if (!rows.length) return html`<${Empty} ...${empty} />`;
  return html`
    <table class="table" role="table">
      <caption class="unseen">${caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map(
            ({ head, isNumber }) => html`<th role="columnheader" scope="col" class=${isNumber ? "end" : ""}>${head}</th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(
          (row, at) => html`
            <tr role="row" key=${keyOf ? keyOf(row) : at}>
              ${columns.map(
                ({ head, cell, isNumber }) => html`
                  <td role="cell" data-label=${head} class=${isNumber ? "end" : ""}><span>${cell(row)}</span></td>
                `,
              )}
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
