// Friend requests in Home: those to answer, those waiting for an answer, and those ignored.
import { useCell } from "../state/cell.js";
import { usePerson } from "../state/people.js";
import { readTime } from "../state/reading.js";
import { requests } from "../state/requests.js";
import { hrefs } from "../state/route.js";
import { myId } from "../state/session.js";
import { fullTime, relativeTime, t } from "../text/i18n.js";
import { html, memo } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";
import { RequestButtons } from "../parts/request_buttons.js";

export function Requests() {
  const boxes = useCell(requests);
  if (boxes === null) return html`<div class="skeleton" aria-busy="true"><i></i><i></i><i></i></div>`;
  return html`<div class="boxes">
    ${["received", "sent", "ignored"].map((box) => html`<${Box} key=${box} box=${box} list=${boxes[box]} />`)}
  </div>`;
}

function Box({ box, list }) {
  const titleId = `box-${box}`;
  return html`<section class="box" aria-labelledby=${titleId}>
    <h2 class="section-title" id=${titleId}>
      ${t(`requests.${box}`)}
      <span class="section-count">
        <span aria-hidden="true">${list.length}</span>
        <span class="visually-hidden">: ${t("requests.count", { count: list.length })}</span>
      </span>
    </h2>
    ${list.length === 0
      ? html`<p class="box-none">${t(`requests.${box}None`)}</p>`
      : html`${box === "ignored" && html`<p class="box-none">${t("requests.ignoredHint")}</p>`}
          <ul class="rows">
            ${list.map((request) => html`<${Request} key=${request.requestId} request=${request} box=${box} />`)}
          </ul>`}
  </section>`;
}

const Request = memo(function Request({ request, box }) {
  const id = request.requesterId === myId() ? request.addresseeId : request.requesterId;
  const person = usePerson(id);
  const name = person?.displayName ?? t("person.unknown");
  const time = readTime(request.createTime);
  return html`<li class="request">
    <${Avatar} person=${person} id=${id} size=${48} />
    <div class="request-words">
      <p class="request-head">
        <a class="request-name" href=${hrefs.person(id)}><bdi>${name}</bdi></a>
        <time class="row-time" dateTime=${request.createTime} title=${fullTime(time)}>${relativeTime(time)}</time>
      </p>
      ${box === "sent"
        ? html`<p class="sign"><${Icon} name="clock" size=${16} />${t("person.sent")}</p>`
        : html`<p class="request-headline" dir="auto">${person?.headline || `@${person?.handle ?? ""}`}</p>`}
      ${request.note && html`<blockquote class="request-note" dir="auto">${request.note}</blockquote>`}
      <div class="request-actions">
        <${RequestButtons} request=${request} personId=${id} name=${name} box=${box} />
      </div>
    </div>
  </li>`;
});
