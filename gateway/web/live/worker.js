// The shared worker: hosts the engine, so that it outlives whichever tab came first.
import { host } from "./host.js";

host();
