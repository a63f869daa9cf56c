import { html } from "../html.js";

/** Where something comes: as high as what comes, so that nothing jumps. */
export function Bones({ lines = 5 }) {
  return html`
    <div class="bones" aria-hidden="true">
      ${Array.from({ length: lines }, (_, at) => html`<span class="bone" style=${{ width: `${92 - ((at * 17) % 45)}%` }} />`)}
    </div>
    <p class="unseen" role="status">Loading …</p>
  `;
}
