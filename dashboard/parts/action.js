// Things that are done: asked first where they cost or end something, sent once, and told when they are done.
import { newKey } from "../api.js";
import { html, useRef, useState } from "../html.js";
import { Dialog } from "./dialog.js";
import { Trouble } from "./notice.js";

/**
 * A button that sends a wish. `ask` is `{title, text, confirm, isGrave}`, shown before it is sent; without it, it is
 * sent at once. `send` gets a key that stays the same until the wish was answered.
 */
export function Action({ label, ask, send, done, isFirst, isGrave }) {
  const [isOpen, setIsOpen] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const key = useRef(null);

  const carryOut = async () => {
    if (isBusy) return;
    key.current ??= newKey();
    setIsBusy(true);
    setProblem(null);
    try {
      const answer = await send(key.current);
      key.current = null;
      setIsOpen(false);
      done?.(answer);
    } catch (failure) {
      // A refusal ends the wish; an answer that was lost does not.
      if (failure.status >= 400 && failure.status < 500) key.current = null;
      setProblem(failure);
      setIsOpen(true);
    } finally {
      setIsBusy(false);
    }
  };

  const kind = `button${isFirst ? " is-first" : ""}${isGrave ? " is-grave" : ""}`;
  return html`
    <button type="button" class=${kind} aria-disabled=${isBusy} onClick=${() => (ask ? setIsOpen(true) : carryOut())}>
      ${label}
    </button>
    ${isOpen
      ? html`<${Dialog} title=${ask?.title ?? label} close=${() => setIsOpen(false)}>
          ${ask?.text ? html`<div class="prose">${ask.text}</div>` : null}
          <${Trouble} problem=${problem} />
          <div class="actions">
            <button type="button" class=${`button ${isGrave ? "is-grave" : "is-first"}`} aria-disabled=${isBusy} onClick=${carryOut}>
              ${isBusy ? "Sending …" : problem ? "Try again" : (ask?.confirm ?? label)}
            </button>
            <button type="button" class="button" onClick=${() => setIsOpen(false)}>Not now</button>
          </div>
        <//>`
      : null}
  `;
}
