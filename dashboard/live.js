// Pages stay true without a reload: admins' pages ask again every few seconds, users' pages listen to the database.
import { get } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

const NOTHING = { data: null, problem: null, at: null };
const MOST_SECONDS = 120;

/**
 * What is at `path` of the API, asked for again every `seconds` while the page is seen; a null path asks for nothing.
 * After a failure the last answer stays, beside the problem, and the next attempts come more slowly.
 */
export function usePolled(path, seconds = 10) {
  const [state, setState] = useState({ ...NOTHING, path });
  const ask = useRef(() => {});

  useEffect(() => {
    setState({ ...NOTHING, path });
    if (!path) return undefined;
    let timer = null;
    let asking = null;
    let tag = null;
    let failures = 0;
    const stop = () => {
      clearTimeout(timer);
      asking?.abort();
      asking = null;
    };
    const look = async () => {
      stop();
      if (document.hidden) return;
      const mine = new AbortController();
      asking = mine;
      let wait = seconds;
      try {
        const { data, tag: newTag, isUnchanged } = await get(path, { signal: mine.signal, tag });
        tag = newTag;
        failures = 0;
        setState((old) => ({ path, data: isUnchanged ? old.data : data, problem: null, at: new Date() }));
      } catch (problem) {
        if (mine.signal.aborted) return;
        failures += 1;
        wait = Math.min(problem.again ?? seconds * 2 ** failures, MOST_SECONDS);
        setState((old) => ({ ...old, path, problem }));
      }
      if (asking === mine) timer = setTimeout(look, wait * 1000);
    };
    // Another tab is looked at: nothing is asked until this one is back.
    const seen = () => (document.hidden ? stop() : look());
    ask.current = look;
    document.addEventListener("visibilitychange", seen);
    addEventListener("online", look);
    look();
    return () => {
      stop();
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("online", look);
    };
  }, [path, seconds]);

  const refresh = useCallback(() => ask.current(), []);
  // The state of another path is of no use to this one.
  return { ...(state.path === path ? state : NOTHING), refresh };
}

/** What `listen` reports: it gets two callbacks, for what it hears and for a failure, and returns how to stop. */
export function useListened(listen, dependencies) {
  const [state, setState] = useState(NOTHING);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setState(NOTHING);
    let stop = () => {};
    let isOver = false;
    const hear = (data) => isOver || setState({ data, problem: null, at: new Date() });
    const fail = (problem) => isOver || setState((old) => ({ ...old, problem }));
    Promise.resolve(listen(hear, fail))
      .then((stopListening) => (isOver ? stopListening() : (stop = stopListening)))
      .catch(fail);
    return () => {
      isOver = true;
      stop();
    };
  }, [...dependencies, round]);
  const refresh = useCallback(() => setRound((number) => number + 1), []);
  return { ...state, refresh };
}

/** The time, at least every `seconds`, for what says how long ago something was. */
export function useNow(seconds = 10) {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setNow(new Date()), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return now;
}
