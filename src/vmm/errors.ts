/**
 * Something the user side could not do, said in one sentence that names what was wrong and what to do about it.
 * The command line prints `message` alone and ends with status 3; a stack trace would help nobody.
 */
export class VmmError extends Error {
  override readonly name = "VmmError";
}
