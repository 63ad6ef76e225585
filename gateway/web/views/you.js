// One's own place: how others see one, the photo, the look and the language of the page, and the way out.
import { call } from "../rpc/call.js";
import { useCell } from "../state/cell.js";
import { report } from "../state/commands.js";
import { toast } from "../state/notices.js";
import { outbox } from "../state/outbox.js";
import { learn, usePerson } from "../state/people.js";
import { myId, signOut } from "../state/session.js";
import { chooseTheme, theme } from "../state/theme.js";
import { chooseLanguage, language, LANGUAGES, t } from "../text/i18n.js";
import { html, useState } from "../ui.js";
import { Choice } from "../parts/choice.js";
import { confirmed } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { PhotoEditor } from "./photo_editor.js";
import { ProfileForm } from "./profile_form.js";
import { showShortcuts } from "./shortcuts.js";

export function You() {
  const person = usePerson(myId());
  return html`<div class="page you">
    <h1 class="page-title" tabindex="-1">${t("you.title")}</h1>
    ${person && html`<${OwnEntry} person=${person} />`}
    <section class="panel" aria-labelledby="appearance">
      <h2 class="panel-title" id="appearance">${t("you.appearance")}</h2>
      <${Appearance} />
      <button class="button keys-button" type="button" onClick=${showShortcuts}>
        <${Icon} name="keyboard" size=${18} />${t("keys.title")}
      </button>
    </section>
    <section class="panel" aria-labelledby="account">
      <h2 class="panel-title" id="account">${t("you.account")}</h2>
      <div class="account">
        <p class="account-id"><bdi>${t("you.signedInAs", { id: myId() })}</bdi></p>
        <button class="button" type="button" onClick=${leave}>
          <${Icon} name="out" size=${18} />${t("you.signOut")}
        </button>
      </div>
    </section>
  </div>`;
}

function OwnEntry({ person }) {
  const [isEditing, setEditing] = useState(false);
  const { displayName, handle, headline = "" } = person;
  const save = async (values) => {
    const request = { person: values, updateMask: "displayName,handle,headline" };
    learn((await call("friendship.v1.PeopleService/UpdatePerson", request)).person);
    setEditing(false);
    toast(t("you.saved"));
  };
  return html`<section class="panel" aria-labelledby="own-entry">
    <h2 class="panel-title" id="own-entry">${t("you.profile")}</h2>
    <${PhotoEditor} person=${person} />
    ${isEditing
      ? html`<${ProfileForm}
          initial=${{ displayName, handle, headline }}
          action=${t("app.save")}
          onSave=${save}
          onCancel=${() => setEditing(false)}
        />`
      : html`<div class="own-entry">
          <div class="own-words">
            <p class="own-name"><bdi>${displayName}</bdi></p>
            <p class="own-handle">@${handle}</p>
            ${headline && html`<p class="own-headline" dir="auto">${headline}</p>`}
          </div>
          <button class="button" type="button" onClick=${() => setEditing(true)}>
            <${Icon} name="pencil" size=${18} />${t("you.edit")}
          </button>
        </div>`}
  </section>`;
}

function Appearance() {
  const themes = ["system", "light", "dark"];
  return html`
    <${Choice}
      label=${t("you.theme")}
      value=${useCell(theme)}
      onChange=${chooseTheme}
      options=${themes.map((name) => ({ value: name, label: t(`you.theme.${name}`), icon: name }))}
    />
    <${Choice}
      label=${t("you.language")}
      value=${useCell(language)}
      onChange=${chooseLanguage}
      options=${Object.entries(LANGUAGES).map(([name, label]) => ({ value: name, label, lang: name }))}
    />
  `;
}

async function leave() {
  const count = outbox.get().length;
  const wording = { title: t("you.signOutTitle"), text: t("you.signOutText", { count }) };
  if (count > 0 && !(await confirmed({ ...wording, action: t("you.signOut"), isDanger: true }))) return;
  await signOut().catch(report);
}
