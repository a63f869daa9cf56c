import { timeOf } from "../format.js";
import { html } from "../html.js";
import { Shape } from "./shape.js";

/** One message: `tone` is good, warn, bad or busy. It is read out when it comes. */
export function Notice({ tone, shape, title, children, action }) {
  return html`
    <div class="notice tone-${tone}" role=${tone === "bad" ? "alert" : "status"}>
      <${Shape} name=${shape ?? (tone === "good" ? "check" : tone === "bad" ? "cross" : "warn")} />
      <div><p>${title}</p>${children ? html`<p>${children}</p>` : null}</div>
      ${action}
    </div>
  `;
}

/** What went wrong, when the page was true last, and the way to try again. */
export function Trouble({ problem, at, again }) {
  if (!problem) return null;
  const about = [
    at ? `What you see is of ${timeOf(at)}.` : null,
    problem.requestId ? `The log has it as request ${problem.requestId}.` : null,
  ].filter(Boolean);
  const action = again
    ? html`<button type="button" class="button" onClick=${() => again()}>Try again</button>`
    : null;
  return html`<${Notice} tone=${at ? "warn" : "bad"} title=${problem.message} action=${action}>
    ${about.join(" ")}
  <//>`;
}
