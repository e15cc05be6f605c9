/** What the run-time library exports of the engine's half; each architecture's index.as.ts exports it as well. */
export { loadQuadSlow, loadSlow, storeQuadSlow, storeSlow } from "./access.as";
export { guestMemoryWritten } from "./code-pages.as";
export { ranAlone, runAlone } from "./debug.as";
export { stopsHere } from "./debug-points.as";
export { decode, fetch, instructionAt } from "./decoded-code.as";
export { synchronizeTranslations } from "./invalidate.as";
export { forgetJumps } from "./jump-cache.as";
export { codeHost, codePageFor, codePhysicalPage } from "./regions.as";
export { pause, regionLeft, serveAgain, service, synchronizeContext } from "./slices.as";
export { codeReach } from "./spans.as";
export { contextRefresh, reset } from "./vcpu.as";
