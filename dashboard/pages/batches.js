import { html } from "../html.js";
import { useNow, usePolled } from "../live.js";
import { BatchTable } from "../parts/batches.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
import { useMore } from "../parts/more.js";
import { Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";

const FILTERS = [
  ["", "All"],
  ["open", "Open"],
  ["failed", "Failed"],
  ["expired", "Expired"],
  ["cancelled", "Cancelled"],
  ["completed", "Completed"],
];

export default function Batches({ place }) {
  const status = place.query.get("status") ?? "";
  const filter = status === "open" ? "&open=true" : status ? `&status=${encodeURIComponent(status)}` : "";
  const path = `/batches?pageSize=25${filter}`;
  const { data, problem, at, refresh } = usePolled(path);
  const { rows, button } = useMore(path, data, "batches");
  const now = useNow();
  const empty = status
    ? { title: "No batch is in this state.", action: html`<a class="button" href="/batches">Show all</a>` }
    : { title: "There is no batch yet.", children: "The first one begins when an app writes its first jobs." };
  return html`
    <${Page} title="Batches" lead="Each is sent to a provider as one, and answered at half the price. The newest stand first.">
      <${Choices} label="State" name="status" choices=${FILTERS} place=${place} />
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      <${Panel}>
        ${data ? html`<${BatchTable} batches=${rows} now=${now} empty=${empty} />${button}` : problem ? null : html`<${Bones} lines=${10} />`}
      <//>
    <//>
  `;
}
