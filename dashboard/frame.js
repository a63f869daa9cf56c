// What stands around each page: where one can go, and who is signed in.
import { html, useEffect, useState } from "./html.js";
import { Shape } from "./parts/shape.js";
import { signOut } from "./session.js";

const ADMINS = [
  ["/now", "Now"],
  ["/batches", "Batches"],
  ["/jobs", "Jobs"],
  ["/thirty-days", "Thirty days"],
  ["/alerts", "Alerts"],
  ["/report", "Report"],
];
const USERS = [
  ["/bulk", "Bulk jobs"],
  ["/bulk/new", "New bulk job"],
  ["/wallet", "Wallet"],
];

export function Frame({ place, session, children }) {
  const [isOpen, setIsOpen] = useState(false);
  useEffect(() => setIsOpen(false), [place.path]);
  return html`
    <a class="skip" href="#page" onClick=${skip}>To the content</a>
    <div class="frame">
      <header class="rail">
        <div class="rail-head">
          <a class="brand" href="/"><${Shape} name="moon" />Nightshift</a>
          <button
            type="button"
            class="button menu"
            aria-expanded=${isOpen}
            aria-controls="rail-body"
            onClick=${() => setIsOpen(!isOpen)}
          >
            ${isOpen ? "Close" : "Menu"}
          </button>
        </div>
        <div id="rail-body" class="rail-body${isOpen ? " is-open" : ""}">
          <nav aria-label="Pages">
            ${session.isAdmin ? html`<${Links} title="The night" links=${ADMINS} path=${place.path} />` : null}
            <${Links} title="Yours" links=${USERS} path=${place.path} />
          </nav>
          <div class="whoami">
            <span>${session.user.email ?? session.user.uid}</span>
            <button type="button" class="button" onClick=${signOut}>Sign out</button>
          </div>
        </div>
      </header>
      ${children}
    </div>
  `;
}

function Links({ title, links, path }) {
  const name = `rail-${title.replaceAll(" ", "-").toLowerCase()}`;
  // The longest address that the path begins with is where one is.
  const here = links
    .map(([href]) => href)
    .filter((href) => path === href || path.startsWith(`${href}/`))
    .sort((one, other) => other.length - one.length)[0];
  return html`
    <div>
      <p class="rail-title" id=${name}>${title}</p>
      <ul aria-labelledby=${name}>
        ${links.map(
          ([href, name]) => html`<li><a href=${href} aria-current=${href === here ? "page" : null}>${name}</a></li>`,
        )}
      </ul>
    </div>
  `;
}

function skip(event) {
  event.preventDefault();
  const page = document.querySelector("#page h1");
  page?.focus();
}
