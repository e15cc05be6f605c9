import { RtasStatus, rtas } from "./rtas.js";

/** The date in UTC: year, month, day, hour, minute, second, nanosecond. */
export const getTimeOfDay = rtas(0x2001, "get-time-of-day", [0, 8], ({ rtc }, { outputs }) => {
  const time = new Date(rtc.read());
  outputs.push(time.getUTCFullYear(), time.getUTCMonth() + 1, time.getUTCDate());
  outputs.push(time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds(), time.getUTCMilliseconds() * 1_000_000);
  return RtasStatus.success;
});
