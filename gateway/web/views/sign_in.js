// Where one says who one is: any person on a development system, an identity provider elsewhere.
import { useCell } from "../state/cell.js";
import { report } from "../state/commands.js";
import { route } from "../state/route.js";
import { providerSignOut, session, signInAs, signInElsewhere } from "../state/session.js";
import { chooseLanguage, hasSentence, language, LANGUAGES, t } from "../text/i18n.js";
import { html, useState } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Field } from "../parts/field.js";
import { Icon } from "../parts/icon.js";

const FORMS = { development: AnyoneForm, oidc: ProviderForm, none: NoForm };

export function SignIn() {
  const { signIn, people } = useCell(session);
  return html`<main class="centre door">
    <div class="door-card">
      <img class="door-logo" src="/web/icon.svg" alt="" width="56" height="56" />
      <h1 class="door-title">${t("app.title")}</h1>
      <p class="door-tagline">${t("signIn.tagline")}</p>
      <${Failure} />
      <${FORMS[signIn] ?? NoForm} people=${people} />
      <${ProviderSignOut} />
    </div>
    <${LanguageSwitch} />
  </main>`;
}

/** Why one is back from the provider without being signed in. */
function Failure() {
  const failure = useCell(route, (place) => place.signInError);
  if (failure === undefined) return null;
  const key = `signIn.error.${failure}`;
  return html`<p class="door-failure" role="alert">
    <${Icon} name="alert" size=${20} /><span>${t(hasSentence(key) ? key : "signIn.error.failed")}</span>
  </p>`;
}

function ProviderSignOut() {
  const url = providerSignOut();
  if (url === null) return null;
  return html`<p class="door-hint" role="status">
    ${t("signIn.signedOut")}${" "}
    <a href=${url.href} rel="noopener noreferrer">${t("signIn.alsoAt", { host: url.host })}</a>
  </p>`;
}

/** Offers the languages in their own words. */
export function LanguageSwitch() {
  const chosen = useCell(language);
  return html`<div class="door-languages">
    ${Object.entries(LANGUAGES).map(
      ([name, label]) => html`<button
        class="text-button"
        type="button"
        lang=${name}
        key=${name}
        aria-pressed=${chosen === name ? "true" : "false"}
        onClick=${() => chooseLanguage(name)}
      >
        ${label}
      </button>`,
    )}
  </div>`;
}

function ProviderForm() {
  return html`<div class="door-form">
    <button class="button is-primary is-wide" type="button" onClick=${signInElsewhere}>${t("signIn.go")}</button>
    <p class="door-hint">${t("signIn.goText")}</p>
  </div>`;
}

function NoForm() {
  return html`<p class="door-hint">${t("signIn.none")}</p>`;
}

function AnyoneForm({ people }) {
  const [id, setId] = useState("");
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  const enter = async (personId) => {
    if (!/^[!-~]{1,255}$/.test(personId)) {
      setError(t("signIn.idRule"));
      return;
    }
    setBusy(true);
    await signInAs(personId).catch((failure) => {
      setBusy(false);
      report(failure);
    });
  };
  return html`<div class="door-form">
    <h2 class="door-question">${t("signIn.who")}</h2>
    <ul class="door-people">
      ${people.map(
        (name) => html`<li key=${name}>
          <button
            class="door-person"
            type="button"
            disabled=${isBusy}
            onClick=${() => enter(name)}
          >
            <${Avatar} person=${{ personId: name, displayName: name }} size=${36} />
            <span class="door-name">
              <span class="visually-hidden">${t("signIn.continueAs")}${" "}</span><bdi>${name}</bdi>
            </span>
            <${Icon} name="forward" size=${18} />
          </button>
        </li>`,
      )}
    </ul>
    <form
      class="door-other"
      onSubmit=${(event) => {
        event.preventDefault();
        enter(id.trim());
      }}
    >
      <div class="door-row">
        <${Field}
          label=${t("signIn.other")}
          hint=${t("signIn.otherHint")}
          error=${error}
          value=${id}
          onChange=${(value) => {
            setError("");
            setId(value);
          }}
          autocomplete="username"
          autocapitalize="none"
          spellcheck=${false}
        />
        <button class="button" type="submit" disabled=${isBusy || !id.trim()}>${t("signIn.continue")}</button>
      </div>
    </form>
    <p class="door-hint">${t("signIn.development")}</p>
  </div>`;
}
