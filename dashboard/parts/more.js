import { get } from "../api.js";
import { html, useEffect, useState } from "../html.js";
import { Trouble } from "./notice.js";

/**
 * The further pages of a list. `first` is the first page as it is polled; `list` names its field, and `path` its address.
 * Returns all rows that were asked for, and the button for more.
 */
export function useMore(path, first, list) {
  const [rest, setRest] = useState({ path, rows: [], token: undefined, problem: null });
  useEffect(() => setRest({ path, rows: [], token: undefined, problem: null }), [path]);
  const token = rest.token === undefined ? first?.nextPageToken : rest.token;
  const more = async () => {
    try {
      const { data } = await get(`${path}${path.includes("?") ? "&" : "?"}pageToken=${encodeURIComponent(token)}`);
      const rows = [...rest.rows, ...data[list]];
      setRest({ path, rows, token: data.nextPageToken ?? null, problem: null });
    } catch (problem) {
      setRest((old) => ({ ...old, problem }));
    }
  };
  const seen = new Set();
  const rows = [...(first?.[list] ?? []), ...rest.rows].filter(({ id }) => !id || (!seen.has(id) && seen.add(id)));
  const button = token
    ? html`<div class="actions"><button type="button" class="button" onClick=${more}>Show more</button></div>`
    : null;
  return { rows, button: html`<${Trouble} problem=${rest.problem} />${button}` };
}
