import { html } from "../html.js";

/** Where nothing is: what that means, and what one can do. */
export function Empty({ title, children, action }) {
  return html`<div class="empty"><strong>${title}</strong>${children ? html`<p>${children}</p>` : null}${action}</div>`;
}
