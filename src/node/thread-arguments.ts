/**
 * Node's own arguments for a thread of ours. A thread has this process's by itself; Node refuses those that say how the program
 * on the command line is to be read, and takes only some when they are listed, none of V8's. So then it gets none.
 */
export function threadArguments(given: readonly string[] = process.execArgv): { execArgv?: string[] } {
  return given.some((argument) => argument.split("=")[0] === "--input-type") ? { execArgv: [] } : {};
}
