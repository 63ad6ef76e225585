// Shows how the caller stands to a person: a sign in words, and the paper airplane of those whom one can write to.
import { hrefs } from "../state/route.js";
import { t } from "../text/i18n.js";
import { classes, html } from "../ui.js";
import { Icon } from "./icon.js";

const SIGNS = {
  RELATIONSHIP_FRIENDS: { key: "person.friends" },
  RELATIONSHIP_REQUEST_SENT: { key: "person.sent", icon: "clock" },
  RELATIONSHIP_REQUEST_RECEIVED: { key: "person.received", icon: "note", isNews: true },
  RELATIONSHIP_BLOCKED: { key: "person.blocked", icon: "block" },
  RELATIONSHIP_SELF: { key: "person.self" },
};

/** What two people are to each other, in a word or two; nothing for strangers. */
export function RelationshipSign({ person }) {
  const sign = SIGNS[person.relationship];
  if (!sign) return null;
  // The paper airplane says it to those who see it.
  if (person.canMessage) return html`<p class="visually-hidden">${t(sign.key)}</p>`;
  return html`<p class=${classes("sign", sign.isNews && "is-news")}>
    ${sign.icon && html`<${Icon} name=${sign.icon} size=${16} />`}${t(sign.key)}
  </p>`;
}

/** The paper airplane under a friend's photo: it opens the conversation. */
export function PlaneLink({ person, isLarge = false }) {
  const label = t("person.message", { name: person.displayName });
  return html`<a
    class=${classes("plane", isLarge && "is-large")}
    href=${hrefs.messages(person.personId)}
    aria-label=${label}
    title=${label}
  >
    <${Icon} name="plane" size=${isLarge ? 24 : 18} />
  </a>`;
}
