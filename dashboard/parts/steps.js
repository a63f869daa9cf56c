import { duration, moment } from "../format.js";
import { html } from "../html.js";
import { Shape } from "./shape.js";
import { Time } from "./time.js";

/** What happened when: `[{name, at}]`, and how long after the step before. A step without a time is still to come. */
export function Steps({ steps, isOver, now }) {
  const shown = isOver ? steps.filter(({ at }) => at) : steps;
  let before = null;
  return html`
    <ol class="steps">
      ${shown.map(({ name, at }) => {
        const read = moment(at);
        const after = read && before ? `, ${duration((read - before) / 1000)} later` : "";
        before = read ?? before;
        return html`
          <li class=${read ? "" : "later"}>
            <${Shape} name=${read ? "check" : "open"} />
            <div>
              ${name}
              <div class="quiet small">${read ? html`<${Time} at=${at} now=${now} />${after}` : "not yet"}</div>
            </div>
          </li>
        `;
      })}
    </ol>
  `;
}
