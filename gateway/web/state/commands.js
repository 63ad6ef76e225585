// What a person can do about another: ask, answer, end, block. Failures are said; what changes is seen where it is shown.
import { call } from "../rpc/call.js";
import { errorText } from "../text/error_text.js";
import { t } from "../text/i18n.js";
import { toast } from "./notices.js";
import { cells } from "./cell.js";
import { personNow, refreshPerson } from "./people.js";
import { applyRequest, personChanged } from "./requests.js";
import { reportSignedOut } from "./sync.js";

/** Whether something is being done about a person, by their id: "" or "working" or "closing". */
export const underway = cells("");

const SERVICE = "friendship.v1.FriendshipService";
const nameOf = (personId) => personNow(personId)?.displayName ?? t("person.unknown");

/** Say in words what failed. */
export function report(error) {
  if (error.isSignedOut) reportSignedOut();
  else toast(errorText(error), { isError: true });
}

async function doing(personId, work) {
  if (underway(personId).get()) return;
  underway(personId).set("working");
  try {
    await work();
  } catch (error) {
    report(error);
    // What was shown may be what is no longer so.
    personChanged(personId);
  } finally {
    underway(personId).set("");
  }
}

async function commandRequest(method, request) {
  applyRequest((await call(`${SERVICE}/${method}`, request)).friendRequest);
}

/** Ask a person to be friends. */
export const sendRequest = (personId, note = "") =>
  doing(personId, async () => {
    await commandRequest("SendFriendRequest", { personId, note });
    await refreshPerson(personId);
    const isFriend = personNow(personId)?.relationship === "RELATIONSHIP_FRIENDS";
    if (isFriend) toast(t("profile.accepted", { name: nameOf(personId) }));
  });

/** Take back one's request. */
export const cancelRequest = (personId, requestId) =>
  doing(personId, async () => {
    await commandRequest("CancelFriendRequest", { requestId });
    await refreshPerson(personId);
    toast(t("profile.cancelled", { name: nameOf(personId) }));
  });

/** Accept a person's request. */
export const acceptRequest = (personId, requestId) =>
  doing(personId, async () => {
    await commandRequest("AcceptFriendRequest", { requestId });
    await refreshPerson(personId);
    toast(t("profile.accepted", { name: nameOf(personId) }));
  });

/** Put a person's request out of sight. */
export const ignoreRequest = (personId, requestId) =>
  doing(personId, async () => {
    await commandRequest("IgnoreFriendRequest", { requestId });
    await refreshPerson(personId);
    toast(t("profile.didIgnore"));
  });

/** End a friendship. */
export const removeFriend = (personId) => close(personId, "RemoveFriend", "profile.removed");

/** Block a person, and end the friendship if there is one. */
export const blockPerson = (personId) => close(personId, "BlockPerson", "profile.didBlock");

/** End a block. */
export const unblockPerson = (personId) =>
  doing(personId, async () => {
    await call(`${SERVICE}/UnblockPerson`, { personId });
    personChanged(personId);
    toast(t("profile.didUnblock", { name: nameOf(personId) }));
  });

/** The promise that nothing passes any more holds only once the call has returned OK, so it is made until it does. */
function close(personId, method, sentence) {
  return doing(personId, async () => {
    for (let isClosed = false; !isClosed; ) {
      isClosed = await call(`${SERVICE}/${method}`, { personId }).then(
        () => true,
        (error) => {
          if (error.reason !== "REVOCATION_PENDING") throw error;
          return false;
        },
      );
      if (!isClosed) {
        underway(personId).set("closing");
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
    personChanged(personId);
    toast(t(sentence, { name: nameOf(personId) }));
  });
}
