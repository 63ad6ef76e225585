// Where someone who is signed in for the first time enters the network.
import { useCell } from "../state/cell.js";
import { report } from "../state/commands.js";
import { join, session, signOut } from "../state/session.js";
import { t } from "../text/i18n.js";
import { html } from "../ui.js";
import { LanguageSwitch } from "./sign_in.js";
import { ProfileForm } from "./profile_form.js";

export function Join() {
  const id = useCell(session, (state) => state.personId);
  // An id that would do as a handle is a good first guess.
  const handle = /^[a-z0-9_]{3,30}$/.test(id) ? id : "";
  return html`<main class="centre door">
    <div class="door-card">
      <img class="door-logo" src="/web/icon.svg" alt="" width="56" height="56" />
      <h1 class="door-title">${t("join.title")}</h1>
      <p class="door-tagline">${t("join.text")}</p>
      <${ProfileForm}
        initial=${{ displayName: "", handle, headline: "" }}
        action=${t("join.submit")}
        onSave=${join}
      />
      <p class="door-hint">
        <bdi>${t("you.signedInAs", { id })}</bdi> ·${" "}
        <button class="text-button" type="button" onClick=${() => signOut().catch(report)}>
          ${t("you.signOut")}
        </button>
      </p>
    </div>
    <${LanguageSwitch} />
  </main>`;
}
