import { RtasStatus, rtas } from "./rtas.js";

/** Sets the guest's clock; inputs as the outputs of get-time-of-day. */
export const setTimeOfDay = rtas(0x2002, "set-time-of-day", [7, 1], ({ rtc }, { inputs }) => {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, nanosecond = 0] = inputs;
  const inRange = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 61;
  if (!inRange || year < 1970 || year > 9999) return RtasStatus.parameterError;
  rtc.set(Date.UTC(year, month - 1, day, hour, minute, second) + nanosecond / 1_000_000);
  return RtasStatus.success;
});
