// The people whom one blocks, and the way to end it.
import { useCell } from "../state/cell.js";
import { usePerson } from "../state/people.js";
import { blocked } from "../state/requests.js";
import { hrefs } from "../state/route.js";
import { t } from "../text/i18n.js";
import { html, memo } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Quiet } from "../parts/quiet.js";
import { UnblockButton } from "./profile.js";

export function Blocked() {
  const ids = useCell(blocked);
  if (ids === null) return html`<div class="skeleton" aria-busy="true"><i></i><i></i></div>`;
  return html`<section aria-labelledby="blocked-title">
    <h2 class="visually-hidden" id="blocked-title">${t("blocked.title")}</h2>
    ${ids.length === 0
      ? html`<${Quiet} title=${t("blocked.none")} text=${t("blocked.noneText")} />`
      : html`<ul class="rows">
          ${ids.map((id) => html`<${BlockedPerson} key=${id} id=${id} />`)}
        </ul>`}
  </section>`;
}

const BlockedPerson = memo(function BlockedPerson({ id }) {
  const person = usePerson(id);
  if (!person) return null;
  return html`<li class="request">
    <${Avatar} person=${person} size=${48} />
    <div class="request-words">
      <p class="request-head">
        <a class="request-name" href=${hrefs.person(id)}><bdi>${person.displayName}</bdi></a>
      </p>
      <p class="request-headline">@${person.handle}</p>
    </div>
    <${UnblockButton} person=${person} />
  </li>`;
});
