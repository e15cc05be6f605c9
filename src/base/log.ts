/** Messages of the kernel side, as printk gives them: one line, no trailing newline. */
export type LogLevel = "error" | "warning" | "info";
export type Log = (level: LogLevel, message: string) => void;

/** For callers that want none. */
export const silent: Log = () => {};
