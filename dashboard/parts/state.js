import { html } from "../html.js";
import { stateOf } from "../states.js";
import { Shape } from "./shape.js";

/** A status, as a word with its shape. */
export function State({ status }) {
  const { word, shape, tone } = stateOf(status);
  return html`<span class="state tone-${tone}"><${Shape} name=${shape} />${word}</span>`;
}
