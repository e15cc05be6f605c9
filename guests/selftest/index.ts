/** The project's own guest: proves an implementation without a download. */
export type { SelfTest } from "./author.js";
export { buildGuest, type SelfTestGuest } from "./guest.js";
export { judge, type TestResult } from "./judge.js";
export { runSelfTest, type SelfTestOptions, type SelfTestRun, selfTestCpus } from "./run.js";
export { tests } from "./tests/index.js";
