import { html } from "../html.js";
import { withFilters } from "../router.js";

/** One of some filters, as links: `[[value, word], …]`. Which one is chosen stands in the address. */
export function Choices({ label, name, choices, place }) {
  const chosen = place.query.get(name) ?? "";
  return html`
    <nav class="choices" aria-label=${label}>
      ${choices.map(
        ([value, word]) => html`
          <a href=${withFilters(place, { [name]: value })} aria-current=${value === chosen ? "true" : null}>${word}</a>
        `,
      )}
    </nav>
  `;
}
