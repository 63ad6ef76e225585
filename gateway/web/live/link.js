// Links a tab to the engine, and sees to it that there is one: in a shared worker or, where none starts, in a tab.
import { delayAfter } from "./backoff.js";
import { host, NAME } from "./host.js";

const WORKER = "/web/live/worker.js";
/** A worker of which nothing has been heard for so long does not start, in milliseconds. */
const PATIENCE = 10_000;
const MOST_FAILURES = 3;

/**
 * Open the link.
 *
 * @param {(message: object) => void} onMessage hears what the engine says; whenever another worker or tab has become
 *   its host, first "hosted".
 * @returns {(message: object) => void} says something to the engine. Without a host, nobody hears it.
 */
export function openLink(onMessage) {
  const channel = new BroadcastChannel(NAME);
  const heard = latch();
  channel.onmessage = ({ data }) => {
    if (!data.down) return;
    heard.set();
    onMessage(data.down);
  };
  keepHosted(heard, () => {
    heard.reset();
    onMessage({ type: "status", state: "waiting" });
  });
  return (message) => channel.postMessage({ up: message });
}

/** Start a worker whenever there is no host. It dies with the process of the tab that started it, and tells nobody. */
async function keepHosted(heard, onMissing) {
  const address = trusted(WORKER);
  for (let failures = 0; typeof SharedWorker === "function" && failures < MOST_FAILURES; ) {
    // Browsers may also refuse to start any.
    const isHosted = await Promise.race([heard.isSet, failureOfWorker(address)]).catch(() => false);
    if (isHosted) {
      failures = 0;
      await navigator.locks.request(NAME, { mode: "shared" }, onMissing);
    } else {
      failures += 1;
      onMissing();
      await new Promise((resolve) => setTimeout(resolve, delayAfter(failures)));
    }
  }
  host();
}

/** A promise of true that can be made anew. */
function latch() {
  const self = {
    reset() {
      self.isSet = new Promise((resolve) => {
        self.set = () => resolve(true);
      });
    },
  };
  self.reset();
  return self;
}

/** Start the worker, or join it if it runs. Resolves with false when it has failed to start. */
function failureOfWorker(address) {
  return new Promise((resolve) => {
    // A browser without modules in workers does not ask for the type, and would run the module as a plain script.
    let hasModules = false;
    const options = {
      name: NAME,
      get type() {
        hasModules = true;
        return "module";
      },
    };
    const worker = new SharedWorker(address, options);
    worker.onerror = () => resolve(false);
    setTimeout(resolve, hasModules ? PATIENCE : 0, false);
  });
}

function trusted(url) {
  if (!window.trustedTypes) return url;
  const only = (candidate) => {
    if (candidate === WORKER) return candidate;
    throw new TypeError("the page has one worker, and this is not it");
  };
  return trustedTypes.createPolicy("paperplane", { createScriptURL: only }).createScriptURL(url);
}
