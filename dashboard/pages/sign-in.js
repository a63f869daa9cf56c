import { html, useEffect, useState } from "../html.js";
import { Notice, Trouble } from "../parts/notice.js";
import { Shape } from "../parts/shape.js";
import { mailNewPassword, signIn } from "../session.js";

/** Signing in, and getting a first password. `why` says why a session ended. */
export function SignIn({ why }) {
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const [mailed, setMailed] = useState(null);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    document.title = "Sign in · Nightshift";
  }, []);

  const attempt = async (work) => {
    if (isBusy) return;
    setIsBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (failure) {
      setProblem(failure);
    }
    setIsBusy(false);
  };
  const enter = (event) => {
    event.preventDefault();
    attempt(() => signIn(email.trim(), password));
  };
  const forgot = () =>
    attempt(async () => {
      if (!email.trim()) throw new Error("Write your e-mail address first.");
      await mailNewPassword(email.trim());
      setMailed(email.trim());
    });

  return html`
    <main id="page" class="sign-in">
      <p class="brand"><${Shape} name="moon" />Nightshift</p>
      <h1>Sign in</h1>
      ${why ? html`<${Notice} tone="warn" title=${why} />` : null}
      ${mailed ? html`<${Notice} tone="good" title="If ${mailed} has an account, a link to a new password is on its way." />` : null}
      <${Trouble} problem=${problem} />
      <form onSubmit=${enter}>
        <div class="field">
          <label for="email">E-mail address</label>
          <input id="email" type="email" autocomplete="username" required value=${email}
            onInput=${(event) => setEmail(event.target.value)} />
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input id="password" type="password" autocomplete="current-password" required value=${password}
            onInput=${(event) => setPassword(event.target.value)} />
        </div>
        <button class="button is-first" aria-disabled=${isBusy}>${isBusy ? "Signing in …" : "Sign in"}</button>
        <button type="button" class="button is-plain" onClick=${forgot}>Get a new password by e-mail</button>
      </form>
    </main>
  `;
}
