// The Network: search for a person, see how one stands to them, open their profile or write to them.
import { call } from "../rpc/call.js";
import { cell, useCell } from "../state/cell.js";
import { announce } from "../state/notices.js";
import { learn, usePerson } from "../state/people.js";
import { friends } from "../state/requests.js";
import { hrefs } from "../state/route.js";
import { errorText } from "../text/error_text.js";
import { t } from "../text/i18n.js";
import { html, memo, useEffect, useRef } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Empty } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { PlaneLink, RelationshipSign } from "../parts/relationship.js";

const DEBOUNCE = 160;
const PAGE = 48;
const NOTHING = { query: "", ids: null, nextPageToken: "", error: null };

/** What was searched for and found; it stays while one looks at a profile. */
const search = cell({ typed: "", ...NOTHING });

let timer = null;
let asked = new AbortController();

function type(typed) {
  clearTimeout(timer);
  search.set((now) => ({ ...now, typed }));
  const query = typed.trim().split(/\s+/).slice(0, 8).join(" ");
  if (query === search.get().query) return;
  // What is under way answers a question that is no longer asked.
  asked.abort();
  if (query === "") search.set({ typed, ...NOTHING });
  else timer = setTimeout(() => ask(query, ""), DEBOUNCE);
}

async function ask(query, pageToken) {
  asked = new AbortController();
  const { signal } = asked;
  try {
    const request = { query, pageSize: PAGE, pageToken };
    const answer = await call("friendship.v1.PeopleService/SearchPeople", request, { signal });
    if (signal.aborted) return;
    const { people = [], nextPageToken = "" } = answer;
    learn(...people);
    const found = people.map((person) => person.personId);
    search.set(({ typed, ids }) => ({
      typed,
      query,
      ids: pageToken ? [...ids, ...found] : found,
      nextPageToken,
      error: null,
    }));
    announce(found.length ? t("network.results", { count: found.length }) : t("network.none", { query }));
  } catch (error) {
    if (!signal.aborted) search.set(({ typed }) => ({ typed, ...NOTHING, query, error }));
  }
}

export function Network() {
  const { typed } = useCell(search);
  const input = useRef(null);
  useEffect(() => {
    const focus = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, textarea, [contenteditable]")) return;
      event.preventDefault();
      input.current.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return html`<div class="page network">
    <h1 class="page-title" tabindex="-1">${t("app.network")}</h1>
    <div class="search" role="search">
      <${Icon} name="search" size=${20} />
      <input
        ref=${input}
        class="search-input"
        type="search"
        dir="auto"
        aria-label=${t("network.search")}
        placeholder=${t("network.search")}
        maxlength="100"
        autocomplete="off"
        autocapitalize="none"
        spellcheck=${false}
        enterkeyhint="search"
        value=${typed}
        onInput=${(event) => type(event.currentTarget.value)}
        onKeyDown=${(event) => event.key === "Escape" && type("")}
      />
      ${typed &&
      html`<button
        class="icon-button"
        type="button"
        aria-label=${t("network.clear")}
        onClick=${() => {
          type("");
          input.current.focus();
        }}
      >
        <${Icon} name="close" size=${18} />
      </button>`}
    </div>
    <${Found} />
  </div>`;
}

function Found() {
  const { query, ids, nextPageToken, error } = useCell(search);
  const friendIds = useCell(friends);
  if (error) return html`<p class="form-error" role="alert">${errorText(error)}</p>`;
  if (ids?.length) {
    return html`<h2 class="section-title">${t("network.results", { count: ids.length })}</h2>
      <${Cards} ids=${ids} />
      ${nextPageToken &&
      html`<button class="button more" type="button" onClick=${() => ask(query, nextPageToken)}>
        ${t("network.more")}
      </button>`}`;
  }
  if (ids) return html`<${Empty} title=${t("network.none", { query })} text=${t("network.noneText")} />`;
  if (friendIds?.length) {
    return html`<h2 class="section-title">${t("network.friends")}</h2>
      <${Cards} ids=${friendIds} />`;
  }
  return friendIds && html`<${Empty} title=${t("network.empty")} text=${t("network.emptyText")} />`;
}

function Cards({ ids }) {
  return html`<ul class="cards">
    ${ids.map((id) => html`<${Card} key=${id} id=${id} />`)}
  </ul>`;
}

const Card = memo(function Card({ id }) {
  const person = usePerson(id);
  if (!person) return null;
  return html`<li class="card">
    <div class="card-photo">
      <${Avatar} person=${person} size=${72} />
      ${person.canMessage && html`<${PlaneLink} person=${person} />`}
    </div>
    <div class="card-words">
      <a class="card-name" href=${hrefs.person(id)}><bdi>${person.displayName}</bdi></a>
      <p class="card-handle">@${person.handle}</p>
      ${person.headline && html`<p class="card-headline" dir="auto">${person.headline}</p>`}
      <${RelationshipSign} person=${person} />
    </div>
  </li>`;
});
