// Begins: opens the session, and shows the page of the address. A page's own code is loaded when it is first shown.
import { Frame } from "./frame.js";
import { html, render, useEffect, useState } from "./html.js";
import { Bones } from "./parts/bones.js";
import { Trouble } from "./parts/notice.js";
import { Page } from "./parts/page.js";
import { go, usePlace } from "./router.js";
import { openSession } from "./session.js";
import { SignIn } from "./pages/sign-in.js";

const PAGES = [
  { path: ["now"], load: () => import("./pages/now.js"), isAdmins: true },
  { path: ["batches"], load: () => import("./pages/batches.js"), isAdmins: true },
  { path: ["batches", ":id"], load: () => import("./pages/batch.js"), isAdmins: true },
  { path: ["jobs"], load: () => import("./pages/jobs.js"), isAdmins: true },
  { path: ["jobs", ":id"], load: () => import("./pages/job.js"), isAdmins: true },
  { path: ["thirty-days"], load: () => import("./pages/thirty-days.js"), isAdmins: true },
  { path: ["alerts"], load: () => import("./pages/alerts.js"), isAdmins: true },
  { path: ["report"], load: () => import("./pages/report.js"), isAdmins: true },
  { path: ["bulk"], load: () => import("./pages/bulk-jobs.js") },
  { path: ["bulk", "new"], load: () => import("./pages/new-bulk-job.js") },
  { path: ["bulk", ":id"], load: () => import("./pages/bulk-job.js") },
  { path: ["wallet"], load: () => import("./pages/wallet.js") },
];

function App() {
  const [session, setSession] = useState(null);
  const [problem, setProblem] = useState(null);
  const place = usePlace();
  useEffect(() => {
    openSession(setSession).catch(setProblem);
  }, []);
  useEffect(() => {
    if (session?.user && place.parts.length === 0) go(session.isAdmin ? "/now" : "/bulk", { replace: true });
  }, [session, place]);

  if (problem) return html`<${Page} title="Nightshift"><${Trouble} problem=${problem} again=${reload} /><//>`;
  if (!session) return html`<p class="starting">Nightshift</p>`;
  if (!session.user) return html`<${SignIn} why=${session.ended} />`;
  return html`<${Frame} place=${place} session=${session}><${Shown} place=${place} session=${session} /><//>`;
}

/** The page of the address. */
function Shown({ place, session }) {
  const found = PAGES.find(({ path }) => matches(path, place.parts));
  const [loaded, setLoaded] = useState({ found: null });
  useEffect(() => {
    if (!found) return undefined;
    // The reader may have gone on before it is there.
    let isWanted = true;
    const show = (what) => isWanted && setLoaded({ found, ...what });
    found
      .load()
      .then(({ default: View }) => show({ View }))
      .catch((problem) => show({ problem: new Error("This page could not be loaded.", { cause: problem }) }));
    return () => (isWanted = false);
  }, [found]);

  if (place.parts.length === 0) return html`<${Page} title="Nightshift"><${Bones} /><//>`;
  if (!found) {
    return html`<${Page} title="There is no such page" lead="The address leads nowhere. The menu names all pages." />`;
  }
  if (found.isAdmins && !session.isAdmin) {
    const lead = session.isUnsure
      ? "The sign-in service was not reached, so it is not known whether you may see it. Is this device online?"
      : "This account is no administrator's. Your own bulk jobs and your wallet are in the menu.";
    return html`<${Page} title="This page is for administrators" lead=${lead} />`;
  }
  if (loaded.found !== found) return html`<main id="page"><${Bones} lines=${8} /></main>`;
  if (loaded.problem) return html`<${Page} title="Nightshift"><${Trouble} problem=${loaded.problem} again=${reload} /><//>`;
  // Another thing of the same kind is another page.
  return html`<${loaded.View} key=${place.path} place=${place} session=${session} id=${place.parts[1]} />`;
}

function matches(path, parts) {
  return path.length === parts.length && path.every((part, at) => part.startsWith(":") || part === parts[at]);
}

function reload() {
  location.reload();
}

render(html`<${App} />`, document.getElementById("app"));
