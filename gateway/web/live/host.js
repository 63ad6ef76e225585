// Hosts the engine wherever the lock is held, in a worker or in a tab, so that a browser never has two of it.
import { Engine } from "./engine.js";

/** Of the lock that the host holds as long as it lives, and of the channel on which tabs and host speak. */
export const NAME = "paperplane-live";

/** Host the engine as soon as nobody else does. */
export function host() {
  navigator.locks.request(NAME, () => {
    const channel = new BroadcastChannel(NAME);
    const broadcast = (message) => channel.postMessage({ down: message });
    const engine = new Engine(broadcast);
    channel.onmessage = ({ data }) => data.up && engine.receive(data.up);
    broadcast({ type: "hosted" });
    // Held until the worker or the tab is gone.
    return new Promise(() => {});
  });
}
