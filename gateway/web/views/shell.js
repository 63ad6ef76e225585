// The frame around every screen: the two tabs, one's own place, the sign of the connection, and the skip link.
import { useCell } from "../state/cell.js";
import { channels } from "../state/channels.js";
import { connection } from "../state/sync.js";
import { usePerson } from "../state/people.js";
import { requests } from "../state/requests.js";
import { hrefs, route } from "../state/route.js";
import { myId } from "../state/session.js";
import { t } from "../text/i18n.js";
import { classes, html, useEffect, useRef } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Empty } from "../parts/empty.js";
import { Icon } from "../parts/icon.js";
import { Lightbox } from "../parts/lightbox.js";
import { useNoDropElsewhere } from "./conversation/drop_target.js";
import { Home } from "./home.js";
import { Shortcuts } from "./shortcuts.js";
import { Network } from "./network.js";
import { Profile } from "./profile.js";
import { You } from "./you.js";

const unreadOf = (all) => [...(all?.values() ?? [])].reduce((sum, channel) => sum + channel.unreadCount, 0);
const waitingOf = (boxes) => boxes?.received.length ?? 0;

export function Shell() {
  const { name, id } = useCell(route);
  const main = useRef(null);
  useTitle();
  useNoDropElsewhere();
  useFocusOnArrival(main, `${name}/${id}`);
  return html`<div class=${classes("shell", name === "messages" && "has-conversation")}>
    <button class="skip" type="button" onClick=${() => main.current.focus()}>${t("app.skip")}</button>
    <${Rail} tab=${tabOf(name)} />
    <div class="stage">
      <${Connection} />
      <main class="main" ref=${main} tabindex="-1"><${Screen} name=${name} id=${id} /></main>
    </div>
    <${Lightbox} />
    <${Shortcuts} />
  </div>`;
}

function tabOf(name) {
  if (name === "network" || name === "person") return "network";
  return name === "you" || name === "nowhere" ? name : "home";
}

function Screen({ name, id }) {
  switch (name) {
    case "network":
      return html`<${Network} />`;
    case "person":
      return html`<${id === myId() ? You : Profile} key=${id} id=${id} />`;
    case "you":
      return html`<${You} />`;
    case "nowhere":
      return html`<div class="centre">
        <${Empty} level=${1} title=${t("app.notFound")} text=${t("app.notFoundText")}>
          <a class="button" href=${hrefs.home}>${t("app.goHome")}</a>
        <//>
      </div>`;
    default:
      return html`<${Home} section=${name} friendId=${id} />`;
  }
}

function Rail({ tab }) {
  const unread = useCell(channels, unreadOf);
  const waiting = useCell(requests, waitingOf);
  const self = usePerson(myId());
  const news = [
    unread > 0 && t("app.unread", { count: unread }),
    waiting > 0 && t("app.waiting", { count: waiting }),
  ].filter(Boolean);
  const current = (name) => (tab === name ? "page" : undefined);
  return html`<nav class="rail" aria-label=${t("app.main")}>
    <a class="rail-logo" href=${hrefs.home} aria-hidden="true" tabindex="-1">
      <img src="/web/icon.svg" alt="" width="36" height="36" />
    </a>
    <a class="rail-tab" href=${hrefs.network} aria-current=${current("network")}>
      <${Icon} name="network" size=${24} /><span>${t("app.network")}</span>
    </a>
    <a class="rail-tab" href=${hrefs.home} aria-current=${current("home")}>
      <${Icon} name="home" size=${24} /><span>${t("app.home")}</span>
      ${unread + waiting > 0 && html`<span class="badge" aria-hidden="true">${count(unread + waiting)}</span>`}
      ${news.length > 0 && html`<span class="visually-hidden">, ${news.join(", ")}</span>`}
    </a>
    <a class="rail-tab rail-you" href=${hrefs.you} aria-current=${current("you")}>
      <${Avatar} person=${self} id=${myId()} size=${28} /><span>${t("app.you")}</span>
    </a>
  </nav>`;
}

const count = (value) => (value > 99 ? "99+" : value);

/** A quiet sign while the line is gone. It waits a moment before it shows (shell.css), as most gaps are short. */
function Connection() {
  const state = useCell(connection);
  const isAway = state === "waiting" || state === "offline";
  return html`<div class="connection" role="status">
    ${isAway &&
    html`<p class="connection-sign" key=${state}>
      <${Icon} name="cloud" size=${18} />${t(`connection.${state}`)}
    </p>`}
  </div>`;
}

function useTitle() {
  const unread = useCell(channels, unreadOf);
  useEffect(() => {
    document.title = unread > 0 ? `(${count(unread)}) ${t("app.title")}` : t("app.title");
  }, [unread]);
}

/** Whoever goes to another screen by keyboard or listens to it starts at its heading. */
function useFocusOnArrival(main, place) {
  const before = useRef(place);
  useEffect(() => {
    if (before.current === place) return;
    before.current = place;
    if (main.current.contains(document.activeElement) && document.activeElement.dataset.keepsFocus) return;
    const headings = [...main.current.querySelectorAll("h1")];
    const heading = headings.find((one) => one.offsetParent !== null);
    (heading ?? main.current).focus({ preventScroll: true });
  }, [place]);
}
