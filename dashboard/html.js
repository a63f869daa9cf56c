// Preact and htm as one: `html` makes what `render` shows. A text in it is always a text, never markup.
import { Fragment, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, render };
export { useCallback, useEffect, useMemo, useRef, useState } from "./vendor/preact-hooks.js";
