import { differentialTest } from "./differential.test-support.js";

differentialTest(true);
