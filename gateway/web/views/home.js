// Home: direct messages, requests and the people blocked on one side, the conversation on the other.
import { useCell } from "../state/cell.js";
import { requests } from "../state/requests.js";
import { hrefs } from "../state/route.js";
import { t } from "../text/i18n.js";
import { classes, html } from "../ui.js";
import { Empty } from "../parts/empty.js";
import { Blocked } from "./blocked.js";
import { Conversation } from "./conversation/conversation.js";
import { DirectMessages } from "./direct_messages.js";
import { Requests } from "./requests.js";

export function Home({ section, friendId }) {
  const isTalking = section === "messages";
  const shown = isTalking ? "home" : section;
  return html`<div class=${classes("home", isTalking && "is-talking")}>
    <section class="home-lists" aria-labelledby="home-title">
      <${isTalking ? "h2" : "h1"} class="page-title" id="home-title" tabindex="-1">${t("app.home")}<//>
      <${Sections} shown=${shown} />
      <div class="home-list">
        ${shown === "home" && html`<${DirectMessages} openId=${friendId} />`}
        ${shown === "requests" && html`<${Requests} />`} ${shown === "blocked" && html`<${Blocked} />`}
      </div>
    </section>
    <div class="home-detail">
      ${isTalking
        ? html`<${Conversation} key=${friendId} friendId=${friendId} />`
        : html`<div class="centre"><${Empty} title=${t("home.choose")} text=${t("home.chooseText")} /></div>`}
    </div>
  </div>`;
}

function Sections({ shown }) {
  const waiting = useCell(requests, (boxes) => boxes?.received.length ?? 0);
  const section = (name, href, label, count = 0) => html`<a
    class="tab"
    href=${href}
    aria-current=${shown === name ? "page" : undefined}
  >
    ${label} ${count > 0 && html`<span class="count">${count}</span>`}
  </a>`;
  return html`<nav class="tabs" aria-label=${t("home.sections")}>
    ${section("home", hrefs.home, t("home.messages"))}
    ${section("requests", hrefs.requests, t("home.requests"), waiting)}
    ${section("blocked", hrefs.blocked, t("home.blocked"))}
  </nav>`;
}
