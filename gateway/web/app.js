// Starts the page: finds out who is signed in, and draws what fits.
import { delayAfter } from "./live/backoff.js";
import { useCell } from "./state/cell.js";
import { learn } from "./state/people.js";
import { openSession, session } from "./state/session.js";
import { startSync } from "./state/sync.js";
import { language, t } from "./text/i18n.js";
import { html, render, useErrorBoundary, useLayoutEffect, useRef } from "./ui.js";
import { Empty } from "./parts/empty.js";
import { Questions } from "./parts/dialog.js";
import { Notices } from "./parts/notices.js";
import { Join } from "./views/join.js";
import { Shell } from "./views/shell.js";
import { SignIn } from "./views/sign_in.js";

const SCREENS = { loading: Splash, unreachable: Unreachable, "signed-out": SignIn, joining: Join, ready: Shell };

function App() {
  const [error] = useErrorBoundary((fault) => console.error(fault));
  const stage = useCell(session, (state) => state.stage);
  const shown = useCell(language);
  useFocusOnLanguage(shown);
  if (error) return html`<main class="centre"><${Broken} /></main>`;
  // No question or notice of the one who left stays behind.
  if (stage === "left") return html`<${Splash} />`;
  // A change of language begins anew with everything, so that no word of the old one is left.
  return html`<div class="root" key=${shown}>
    <${SCREENS[stage]} />
    <${Questions} />
    <${Notices} />
  </div>`;
}

/** Whoever has chosen a language is still there afterwards: what offers one is named by it. */
function useFocusOnLanguage(shown) {
  const before = useRef(shown);
  useLayoutEffect(() => {
    if (before.current === shown) return;
    before.current = shown;
    const offer = document.querySelector(`#app [lang="${shown}"]`);
    (offer?.control ?? offer)?.focus();
  }, [shown]);
}

function Splash() {
  return html`<main class="centre splash" aria-busy="true">
    <h1 class="visually-hidden">${t("app.title")}</h1>
    <p class="visually-hidden">${t("app.loading")}</p>
    <img src="/web/icon.svg" alt="" width="64" height="64" />
  </main>`;
}

function Unreachable() {
  return html`<main class="centre">
    <${Empty} level=${1} title=${t("connection.unreachable")} text=${t("connection.unreachableText")}>
      <button class="button" type="button" onClick=${start}>${t("app.retry")}</button>
    <//>
  </main>`;
}

function Broken() {
  return html`<${Empty} level=${1} title=${t("error.internal")}>
    <button class="button" type="button" onClick=${() => location.reload()}>${t("app.retry")}</button>
  <//>`;
}

async function start(failures = 0) {
  const self = await openSession();
  if (self) {
    learn(self);
    startSync();
  } else if (session.get().stage === "unreachable") {
    const again = Number(failures) + 1 || 1;
    setTimeout(() => session.get().stage === "unreachable" && start(again), delayAfter(again + 2));
  }
}

render(html`<${App} />`, document.getElementById("app"));
start();
