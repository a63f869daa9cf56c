import { laneName } from "../format.js";
import { html } from "../html.js";

/** A lane by provider and model; pointed at, by its whole name. */
export function Lane({ lane }) {
  return html`<span title=${lane}>${laneName(lane)}</span>`;
}
