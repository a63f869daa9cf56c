import { html, useEffect, useRef } from "../html.js";

let count = 0;

/** A question over the page. The browser keeps the focus inside, and Escape closes it. */
export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  const name = useRef(null);
  name.current ??= `dialog-${(count += 1)}`;
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`
    <dialog ref=${dialog} aria-labelledby=${name.current} onClose=${close}>
      <div>
        <h2 id=${name.current}>${title}</h2>
        ${children}
      </div>
    </dialog>
  `;
}
