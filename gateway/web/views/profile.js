// A person's profile: who they are, what the two are to each other, and everything that can be done about it.
import { useCell } from "../state/cell.js";
import { blockPerson, removeFriend, sendRequest, unblockPerson, underway } from "../state/commands.js";
import { refreshPerson, usePerson } from "../state/people.js";
import { readTime } from "../state/reading.js";
import { requests, requestWith } from "../state/requests.js";
import { goBack, hrefs } from "../state/route.js";
import { t, relativeTime } from "../text/i18n.js";
import { html, useEffect, useState } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { confirmed } from "../parts/dialog.js";
import { Empty } from "../parts/empty.js";
import { Field } from "../parts/field.js";
import { Icon } from "../parts/icon.js";
import { PlaneLink } from "../parts/relationship.js";
import { RequestButtons } from "../parts/request_buttons.js";

const LONGEST_NOTE = 300;

export function Profile({ id }) {
  const person = usePerson(id);
  useEffect(() => {
    // Names and photos change without an event, so a profile is asked for each time it is opened.
    refreshPerson(id);
  }, [id]);
  if (person === null) {
    return html`<div class="centre">
      <${Empty} level=${1} title=${t("profile.notFound")} text=${t("profile.notFoundText")}>
        <a class="button" href=${hrefs.network}>${t("home.find")}</a>
      <//>
    </div>`;
  }
  return html`<div class="page profile">
    <${BackButton} href=${hrefs.network} />
    ${person && html`<${Sheet} person=${person} />`}
  </div>`;
}

/** Leads back to where one came from. */
export function BackButton({ href, label = t("app.back") }) {
  return html`<button class="back" type="button" onClick=${() => goBack(href)}>
    <${Icon} name="back" size=${20} /><span>${label}</span>
  </button>`;
}

function Sheet({ person }) {
  return html`<article class="sheet">
    <div class="sheet-photo">
      <${Avatar} person=${person} size=${128} />
      ${person.canMessage && html`<${PlaneLink} person=${person} isLarge />`}
    </div>
    <h1 class="sheet-name" tabindex="-1"><bdi>${person.displayName}</bdi></h1>
    <p class="sheet-handle">@${person.handle}</p>
    ${person.headline && html`<p class="sheet-headline" dir="auto">${person.headline}</p>`}
    <${Standing} person=${person} />
    <${Endings} person=${person} />
  </article>`;
}

/** What the two are to each other, and the next step. */
function Standing({ person }) {
  const { personId: id, displayName: name, relationship } = person;
  const request = useCell(requests, (boxes) => requestWith(id, boxes));
  const isIgnored = request?.state === "FRIEND_REQUEST_STATE_IGNORED";
  switch (relationship) {
    case "RELATIONSHIP_FRIENDS":
      return html`<${Section} text=${t("profile.friends")}>
        <a class="button is-primary" href=${hrefs.messages(id)}>
          <${Icon} name="plane" size=${18} />${t("profile.message")}
        </a>
      <//>`;
    case "RELATIONSHIP_REQUEST_SENT":
      return html`<${Section}
        text=${t("profile.sent")}
        detail=${request && t("profile.sentAgo", { ago: relativeTime(readTime(request.createTime)) })}
        icon="clock"
      >
        ${request?.note && html`<${Note} title=${t("profile.yourNote")} text=${request.note} />`}
        ${request && html`<${RequestButtons} request=${request} personId=${id} name=${name} box="sent" />`}
      <//>`;
    case "RELATIONSHIP_REQUEST_RECEIVED":
      return html`<${Section} text=${t("profile.received", { name })}>
        ${request?.note && html`<${Note} title=${t("profile.theirNote")} text=${request.note} />`}
        ${request && html`<${RequestButtons} request=${request} personId=${id} name=${name} box="received" />`}
      <//>`;
    case "RELATIONSHIP_BLOCKED":
      return html`<${Section} text=${t("profile.blocked", { name })} icon="block">
        <${UnblockButton} person=${person} />
      <//>`;
    default:
      return isIgnored
        ? html`<${Section} text=${t("profile.ignored")}>
            ${request.note && html`<${Note} title=${t("profile.theirNote")} text=${request.note} />`}
            <${RequestButtons} request=${request} personId=${id} name=${name} box="ignored" />
          <//>`
        : html`<${Ask} person=${person} />`;
  }
}

function Section({ text, detail, icon, children }) {
  return html`<section class="standing">
    <p class="standing-text" role="status">
      ${icon && html`<${Icon} name=${icon} size=${18} />`}<span>${text}</span>
    </p>
    ${detail && html`<p class="standing-detail">${detail}</p>`}
    <div class="standing-actions">${children}</div>
  </section>`;
}

function Note({ title, text }) {
  return html`<figure class="note">
    <figcaption>${title}</figcaption>
    <blockquote dir="auto">${text}</blockquote>
  </figure>`;
}

/** The request to be friends, with a note if one likes. */
function Ask({ person }) {
  const { personId: id, displayName: name } = person;
  const [isOpen, setOpen] = useState(false);
  const [note, setNote] = useState("");
  const isBusy = useCell(underway(id)) !== "";
  return html`<${Section} text=${t("profile.none")}>
    ${isOpen &&
    html`<${Field}
      label=${t("profile.noteLabel", { name })}
      hint=${t("profile.noteHint")}
      value=${note}
      onChange=${setNote}
      rows="3"
      max=${LONGEST_NOTE}
      maxLength=${LONGEST_NOTE}
      isOptional
      inputRef=${(element) => element && !note && element.focus()}
    />`}
    <button
      class="button is-primary"
      type="button"
      disabled=${isBusy}
      onClick=${() => sendRequest(id, note.trim())}
    >
      ${t("profile.request")}
    </button>
    ${!isOpen &&
    html`<button class="text-button" type="button" onClick=${() => setOpen(true)}>
      <${Icon} name="note" size=${18} />${t("profile.note")}
    </button>`}
  <//>`;
}

/** Ends a block, once asked whether that is meant. */
export function UnblockButton({ person: { personId: id, displayName: name } }) {
  const isBusy = useCell(underway(id)) !== "";
  const unblock = async () => {
    const wording = { title: t("profile.unblockTitle", { name }), text: t("profile.unblockText", { name }) };
    if (await confirmed({ ...wording, action: t("profile.unblock") })) unblockPerson(id);
  };
  return html`<button class="button" type="button" disabled=${isBusy} onClick=${unblock}>
    ${t("profile.unblock")}<span class="visually-hidden"> ${name}</span>
  </button>`;
}

/** What ends something. Set apart, and asked about before it is done. */
function Endings({ person: { personId: id, displayName: name, relationship } }) {
  const state = useCell(underway(id));
  if (relationship === "RELATIONSHIP_BLOCKED") {
    return state === "closing" && html`<div class="endings"><${Closing} /></div>`;
  }
  const ask = async (key, work) => {
    const wording = { title: t(`profile.${key}Title`, { name }), text: t(`profile.${key}Text`, { name }) };
    if (await confirmed({ ...wording, action: t(`profile.${key}`), isDanger: true })) work(id);
  };
  const button = (key, work) => html`<button
    class="text-button is-danger"
    type="button"
    disabled=${state !== ""}
    onClick=${() => ask(key, work)}
  >
    ${t(`profile.${key}`)}<span class="visually-hidden"> ${name}</span>
  </button>`;
  return html`<div class="endings">
    ${relationship === "RELATIONSHIP_FRIENDS" && button("remove", removeFriend)} ${button("block", blockPerson)}
    ${state === "closing" && html`<${Closing} />`}
  </div>`;
}

function Closing() {
  return html`<span class="closing" role="status"><span class="spinner"></span>${t("profile.closing")}</span>`;
}
