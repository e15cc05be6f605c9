import { type ErrnoName, KvmError } from "./errors.js";

/** For assert.throws: a KvmError of this errno, with a sentence. */
export const errno = (code: ErrnoName) => (error: unknown) => {
  if (!(error instanceof KvmError)) throw error;
  if (error.code !== code) throw new Error(`${error.message}, not ${code}`);
  return error.message.length > code.length + 10;
};
