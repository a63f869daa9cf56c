// The user's tokens: what there is, where they came from, and where they went.
import { number, words } from "../format.js";
import { html } from "../html.js";
import { useListened, useNow } from "../live.js";
import { Bones } from "../parts/bones.js";
import { Figures } from "../parts/figures.js";
import { Trouble } from "../parts/notice.js";
import { Page, Panel } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

export default function Wallet({ session }) {
  const { uid } = session.user;
  const wallet = useListened(async (hear, fail) => (await import("../database.js")).listenToWallet(uid, hear, fail), [uid]);
  const ledger = useListened(async (hear, fail) => (await import("../database.js")).listenToLedger(uid, hear, fail), [uid]);
  const now = useNow();
  const { data, at } = wallet;
  const value = (name) => (at ? number(data?.[name] ?? 0) : undefined);
  return html`
    <${Page} title="Wallet" lead="Each answer costs tokens. What could not be answered gives them back.">
      <${Trouble} problem=${wallet.problem ?? ledger.problem} at=${at} again=${() => [wallet, ledger].map(({ refresh }) => refresh())} />
      <${Figures} figures=${[
        { name: "Tokens", value: value("balance"), note: "you have now" },
        { name: "Earned", value: value("totalEarned"), note: "in all" },
        { name: "Spent", value: value("totalSpent"), note: "in all, refunds taken off" },
      ]} />
      <${Panel} title="Ledger" note="The last 100 entries, the newest first. An entry is never changed.">
        ${ledger.data ? html`<${Entries} entries=${ledger.data} now=${now} />` : ledger.problem ? null : html`<${Bones} lines=${6} />`}
      <//>
    <//>
  `;
}

function Entries({ entries, now }) {
  return html`
    <${Table}
      caption="Ledger"
      rows=${entries}
      keyOf=${({ id }) => id}
      empty=${{ title: "There is no entry yet.", children: "The first one comes when you are given tokens." }}
      columns=${[
        { head: "What", cell: ({ kind }) => words(kind) },
        { head: "For", cell: ({ jobId, bulkId, id }) => (bulkId ? html`<a class="id" href=${`/bulk/${encodeURIComponent(bulkId)}`}>${bulkId}</a>` : html`<span class="id">${jobId ?? id}</span>`) },
        { head: "Tokens", isNumber: true, cell: ({ amount }) => (amount > 0 ? `+${number(amount)}` : number(amount)) },
        { head: "When", isNumber: true, cell: ({ createdAt }) => html`<${Time} at=${createdAt} now=${now} />` },
      ]}
    />
  `;
}
