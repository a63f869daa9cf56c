// What an admin should know: what was found, since when, and which admin has seen it.
import { post } from "../api.js";
import { words } from "../format.js";
import { html } from "../html.js";
import { useNow, usePolled } from "../live.js";
import { Action } from "../parts/action.js";
import { Bones } from "../parts/bones.js";
import { Choices } from "../parts/choices.js";
import { useMore } from "../parts/more.js";
import { Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { Shape } from "../parts/shape.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

export default function Alerts({ place }) {
  const isAll = place.query.get("of") === "all";
  const path = `/alerts?pageSize=25${isAll ? "" : "&open=true"}`;
  const { data, problem, at, refresh } = usePolled(path, 20);
  const { rows, button } = useMore(path, data, "alerts");
  const now = useNow();
  const empty = isAll
    ? { title: "There never was an alert.", children: "Each tick looks at failures, the backlog and late batches." }
    : { title: "No alert is open.", children: "Each tick looks at failures, the backlog and late batches." };
  return html`
    <${Page} title="Alerts" lead="An alert opens once, and closes by itself when its cause is gone.">
      <${Choices} label="Which alerts" name="of" choices=${[["", "Open"], ["all", "All"]]} place=${place} />
      <${Trouble} problem=${problem} at=${at} again=${refresh} />
      <${Panel}>
        ${data ? html`<${List} alerts=${rows} empty=${empty} now=${now} refresh=${refresh} />${button}` : problem ? null : html`<${Bones} lines=${6} />`}
      <//>
    <//>
  `;
}

function List({ alerts, empty, now, refresh }) {
  return html`
    <${Table}
      caption="Alerts"
      rows=${alerts}
      keyOf=${({ id }) => id}
      empty=${empty}
      columns=${[
        { head: "Alert", cell: (alert) => html`<${Told} alert=${alert} />` },
        { head: "State", cell: ({ isOpen, kind }) => html`<${Standing} isOpen=${isOpen} isGood=${kind === "savings_milestone"} />` },
        { head: "Opened", isNumber: true, cell: ({ openedAt }) => html`<${Time} at=${openedAt} now=${now} />` },
        { head: "Closed", isNumber: true, cell: ({ closedAt }) => html`<${Time} at=${closedAt} now=${now} />` },
        { head: "Seen", cell: (alert) => html`<${Seen} alert=${alert} now=${now} refresh=${refresh} />` },
      ]}
    />
  `;
}

/** What was found; where it is about a batch, with the way there. */
function Told({ alert }) {
  const batch = alert.kind === "late_batch" ? alert.id.split(".").slice(1).join(".") : null;
  return html`${alert.message}<span class="sub">${words(alert.kind)}${batch ? html`, <a href=${`/batches/${encodeURIComponent(batch)}`}>see the batch</a>` : null}</span>`;
}

function Standing({ isOpen, isGood }) {
  const [tone, shape, word] = !isOpen ? ["calm", "check", "closed"] : isGood ? ["good", "check", "reached"] : ["bad", "warn", "open"];
  return html`<span class="state tone-${tone}"><${Shape} name=${shape} />${word}</span>`;
}

function Seen({ alert, now, refresh }) {
  if (alert.acknowledgedAt) return html`<${Time} at=${alert.acknowledgedAt} now=${now} /><span class="sub">by ${alert.acknowledgedBy}</span>`;
  if (!alert.isOpen) return "–";
  return html`<${Action} label="I have seen it" send=${() => post(`/alerts/${encodeURIComponent(alert.id)}/ack`)} done=${refresh} />`;
}
